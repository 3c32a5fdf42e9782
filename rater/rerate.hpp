#pragma once
// Rating from the raw log: what a cut and a catalogue come to when all that was derived and stored
// is left aside. A pure function of cut + raw batches + catalogue; it only reads the ledger, beside
// a running rater or from a copy, and derives into a temporary file, so that its memory does not
// grow with the log.
//
// It folds each of the cut's streams from its first batch: what a counter stood at when a period
// began is known in no other way. Bytes that retention has dropped, or that are missing, are an
// error and not a loss: nothing is told of a log that is not the cut's.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rater/decisions/audit_log.hpp"
#include "rater/derive/usage_store.hpp"
#include "rater/intake/intake.hpp"
#include "rater/ledger/ledger.hpp"
#include "rater/ledger/ledger_verify.hpp"
#include "rater/rate_period.hpp"

namespace tallyman::rater {

/// Told how many batches of how many are done.
using RerateProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// One moment of a ledger's file. Owned by a command or a test; one thread. The clock outlives it.
class Snapshot {
 public:
  static Result<std::unique_ptr<Snapshot>> open(const std::string& path, const Clock& clock);

  [[nodiscard]] Ledger& ledger() { return *ledger_; }
  [[nodiscard]] Intake& intake() { return *intake_; }
  [[nodiscard]] PeriodStore& periods() { return *periods_; }
  [[nodiscard]] AuditLog& audit() { return *audit_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  /// What the ledger counts in.
  [[nodiscard]] Ns slot() const { return slot_; }

  /// A closed period; an error when there is none of that name.
  [[nodiscard]] Result<ClosedPeriod> period(const std::string& id);
  /// The catalogue that a closed period was rated by.
  [[nodiscard]] Result<Catalogue> catalogue_of(const ClosedPeriod& period);
  /// People's decisions on usage, up to the one that the cut ends with.
  [[nodiscard]] Result<Decisions> decisions_of(const Cut& cut);

 private:
  Snapshot(std::unique_ptr<Ledger> ledger, const Clock& clock)
      : clock_(clock), ledger_(std::move(ledger)) {}
  [[nodiscard]] Status read_slot();

  const Clock& clock_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Intake> intake_;
  std::optional<PeriodStore> periods_;
  std::optional<AuditLog> audit_;
  Ns slot_ = 0;
};

/// Usage derived again up to a cut's marks. The snapshot outlives it.
class UsageAgain {
 public:
  /// An error when the log is not that of the cut: a stream, a batch or its bytes is missing, or
  /// the hash at a mark is another one.
  static Result<std::unique_ptr<UsageAgain>> derive(Snapshot& snapshot, const Cut& cut,
                                                    const RerateProgress& progress = {});
  [[nodiscard]] UsageStore& usage() { return *usage_; }
  /// That were folded.
  [[nodiscard]] std::uint64_t batches() const { return batches_; }

 private:
  explicit UsageAgain(std::unique_ptr<Ledger> scratch) : scratch_(std::move(scratch)) {}
  std::unique_ptr<Ledger> scratch_;
  std::unique_ptr<UsageStore> usage_;
  std::uint64_t batches_ = 0;
};

struct Rerated {
  Drafts drafts;
  std::uint64_t streams = 0, batches = 0;
};

/// What a close of this period under this cut would store, by this catalogue. Remembers nothing.
[[nodiscard]] Result<Rerated> rerate(Snapshot& snapshot, const Period& period, const Cut& cut,
                                     const Catalogue& catalogue,
                                     const RerateProgress& progress = {});

/// Whether the cut's streams are whole, bytes, hashes and definitions, and stand at its marks: what
/// is damaged, at most kMaxLedgerFindings. An error is SQLite's.
[[nodiscard]] Result<LedgerReport> verify_cut(Snapshot& snapshot, const Cut& cut,
                                              const LedgerProgress& progress = {});

}  // namespace tallyman::rater
