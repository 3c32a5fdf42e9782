#pragma once
// Derived usage in the ledger: takes committed batches through a Deriver per agent and keeps what
// comes out.
//
// Tables (instants and lengths in nanoseconds):
//   usage_slot_length(slot)                 one row: what the ledger counts in, for ever
//   usage_view(id, key, agent, metric, resolution, first_ns, last_ns)   key = the ViewKey, fields
//                                           length-prefixed; positions first and last seen, 0 = not
//   usage_recent(view, slots) · usage_slots(view, chunk, slots)   slots/slot_tables.hpp
//   usage_info(view, from_ns, labels) · usage_anomaly(id, view, from_ns, to_ns, value,
//   cause)
//   usage_absent(view, from_ns, to_ns)      known not to exist; to_ns NULL = still; from_ns 0 =
//   before its birth usage_part_gap(agent, instance, subject, from_ns, to_ns)   what was no absence
//   after all usage_run(agent, instance, from_ns, to_ns)   uninterrupted polling usage_agent(agent,
//   state)               the Deriver's snapshot usage_stream(stream, sequence, hash, watermark) how
//   far it has been derived
// What an advance() adds to them, the snapshots and the marks are one transaction: a crash repeats
// nothing and loses nothing.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "rater/derive/derive.hpp"
#include "rater/derive/usage.hpp"
#include "rater/intake/intake.hpp"
#include "rater/ledger/ledger.hpp"

namespace tallyman::rater {

/// A series that is not known to have ended is expected for as long after it was last seen: usage
/// of it that nobody told is unknown, and not zero.
constexpr Ns kExpectedFor = 400 * kDay;

/// An anomaly as the ledger keeps it.
struct KeptAnomaly {
  std::int64_t id = 0;
  ViewKey view;
  Ns from = 0, to = 0;
  u128 value = 0;
  AnomalyCause cause = AnomalyCause::speed;
  std::string why;
};

/// Owned by the daemon, on the loop's thread; ledger and intake outlive it. Not to be called inside
/// a transaction. Batches of one agent are taken in the order of their receipt, as the intake
/// counts their arrival: so the tables are a function of the log.
class UsageStore {
 public:
  /// `intake` may belong to another ledger: deriving again, from scratch, is done into an empty
  /// one. A ledger that counts in slots of another length is an error.
  static Result<std::unique_ptr<UsageStore>> open(Ledger& ledger, Intake& intake, Ns slot);
  ~UsageStore();

  /// Called inside the transaction that keeps what was derived: usage in [from, to) may come out
  /// otherwise by it. An error keeps none of it.
  using Kept = std::function<Status(Ns from, Ns to)>;
  void on_keep(Kept kept);

  struct Progress {
    std::size_t batches = 0;  ///< derived and kept by this call
    bool more = false;        ///< committed batches are waiting, or something is to be compared
  };
  /// Derives at most `max_batches` of what was committed and keeps it, the state of each agent
  /// once. After an error nothing is half kept: all of it may be. An agent whose batch, definitions
  /// or state cannot be read stops there, watermark and all, and is stuck(); the others go on.
  [[nodiscard]] Result<Progress> advance(std::size_t max_batches);
  /// The same, but no stream beyond the sequence number a mark gives it; streams without a mark not
  /// at all. Here an agent that cannot be read is an error.
  [[nodiscard]] Result<Progress> advance_to(std::span<const StreamMark> marks,
                                            std::size_t max_batches);

  /// Usage of every view of these metrics in the slots that [from, to) touches: views that have a
  /// slot there, are known to be absent there, or are expected there: first seen before `to`, last
  /// seen at most kExpectedFor before `from`, and not known to be absent all the time. Ascending by
  /// view. With `agent` only its views.
  [[nodiscard]] Result<std::vector<ViewUsage>> slots(std::span<const std::string> metrics, Ns from,
                                                     Ns to, const std::string& agent = {});
  /// The same views, with the slots read one view at a time. Their facts are as of now, slots as of
  /// when they are asked for: nothing may be derived in between. The store outlives it.
  [[nodiscard]] Result<std::unique_ptr<UsageSource>> source(std::span<const std::string> metrics,
                                                            Ns from, Ns to,
                                                            const std::string& agent = {});
  /// One for each stream of the intake, derived or not, by agent and then as they were made.
  [[nodiscard]] Result<std::vector<StreamMark>> marks();
  /// Shared series whose past has to be compared anew, since a witness polls more slowly than was
  /// known, or the ledger was brought up from an older version: each advance() does some of it, and
  /// until all is done what is rated may not be final.
  [[nodiscard]] std::uint64_t comparing() const;
  /// Those that touch [from, to), as they were found; of a view of which one tells that there is no
  /// room, all that do.
  [[nodiscard]] Result<std::vector<KeptAnomaly>> anomalies(Ns from, Ns to);
  /// Agents that advance() could derive no further, and why; each is tried again by each advance().
  [[nodiscard]] const std::map<std::string, Error>& stuck() const;
  [[nodiscard]] Ns slot() const;

 private:
  struct State;
  explicit UsageStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tallyman::rater
