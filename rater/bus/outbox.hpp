#pragma once
// The outbox: what has to go onto the bus, in order, in the ledger. Rows are put in by the
// transaction that releases a period, and taken out of it one by one as the bus confirms them.
//
// Table: outbox(n, id, period, routing_key, body, confirmed). confirmed: 0 waits, 1 went out, 2 is
// left out, as somebody decided. A row that waits no more stays, without its body: it says what
// became of the message.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "rater/bus/bus.hpp"
#include "rater/ledger/ledger.hpp"

namespace tallyman::rater {

struct OutboxRow {
  std::int64_t n = 0;
  std::string id, period, routing_key;
  std::string state{};  ///< waiting, in flight, or what the bus says of it
};

/// As in the table.
enum class OutboxMark : std::uint8_t { waiting = 0, confirmed = 1, skipped = 2 };

/// Owned by Billing, on the loop's thread. The ledger outlives it.
class Outbox {
 public:
  static Result<std::unique_ptr<Outbox>> open(Ledger& ledger, std::unique_ptr<Bus> bus);

  /// Queues a message once; inside the caller's transaction. An id that is there already stays as
  /// it is.
  [[nodiscard]] Status put(const std::string& period, const BusMessage& message);
  /// A bounded step: submits up to `most` messages and marks what the bus has confirmed, in one
  /// transaction. The number marked. What could not be marked is marked before anything else goes
  /// out: a ledger that cannot be written must not send the same messages again and again.
  [[nodiscard]] Result<std::size_t> publish(std::size_t most);
  [[nodiscard]] Result<std::uint64_t> waiting();
  /// True when the last publish() ended before all was submitted that the bus would have taken.
  [[nodiscard]] bool more() const { return more_; }
  [[nodiscard]] Result<std::uint64_t> confirmed();
  [[nodiscard]] Result<std::uint64_t> skipped();
  [[nodiscard]] Result<std::vector<OutboxRow>> list(std::size_t most);
  /// The one row that waits, or waits no more, and whose id begins so; an Error when none does, or
  /// several do.
  [[nodiscard]] Result<OutboxRow> find(const std::string& id, bool waits = true);
  /// Leaves a row that waits out for good, inside the caller's transaction; forget() follows once
  /// that is committed.
  [[nodiscard]] Status skip(const OutboxRow& row);
  void forget(const std::string& id);
  /// Of a ledger at rest, or of one moment of it: what became of a period's messages, by id; and
  /// the period of one message, empty when it was never queued.
  static Result<std::map<std::string, OutboxMark>> of_period(Ledger& ledger,
                                                             const std::string& period);
  static Result<std::string> period_of(Ledger& ledger, const std::string& id);
  /// Lets messages of these ids go out again, with their texts, inside the caller's transaction;
  /// rewind() follows once that is committed. How many had gone out, or been left out, before.
  [[nodiscard]] Result<std::uint64_t> put_back(const std::string& id, const std::string& body);
  void rewind() { submitted_ = 0; }
  /// Tries at once what the bus would try later.
  void retry() { bus_->retry(); }
  [[nodiscard]] std::string bus() const { return bus_->name(); }
  [[nodiscard]] BusState bus_state() const { return bus_->state(); }
  /// Readable when publish() has something to do; -1: never.
  [[nodiscard]] int news() const { return bus_->news(); }

 private:
  Outbox(Ledger& ledger, std::unique_ptr<Bus> bus) : ledger_(ledger), bus_(std::move(bus)) {}
  [[nodiscard]] Status recover(std::size_t most);
  [[nodiscard]] Status submit(std::size_t most);
  [[nodiscard]] Result<std::size_t> submit_wanted(std::size_t most);
  [[nodiscard]] Status hand_over(const BusMessage& message, std::int64_t n);
  [[nodiscard]] Result<std::size_t> mark_owed();
  [[nodiscard]] std::string state_of(const std::string& id) const;
  [[nodiscard]] Status mark(const std::vector<std::string>& ids);
  [[nodiscard]] Result<std::uint64_t> count(const char* which);

  Ledger& ledger_;
  std::unique_ptr<Bus> bus_;
  bool more_ = false;
  bool good_ = false;                              ///< the bus: since the start or its last error
  std::vector<std::string> owed_;                  ///< confirmed by the bus, and not marked yet
  std::int64_t submitted_ = 0;                     ///< highest row in flight
  std::map<std::string, std::int64_t> in_flight_;  ///< rows by id
};

}  // namespace tallyman::rater
