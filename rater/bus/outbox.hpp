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

/// Owned by Billing, on the loop's thread. The ledger outlives it.
class Outbox {
 public:
  static Result<std::unique_ptr<Outbox>> open(Ledger& ledger, std::unique_ptr<Bus> bus);

  /// Queues a message once; inside the caller's transaction. An id that is there already stays as
  /// it is.
  [[nodiscard]] Status put(const std::string& period, const BusMessage& message);
  /// A bounded step: submits up to `most` messages and marks what the bus has confirmed, in one
  /// transaction. The number marked.
  [[nodiscard]] Result<std::size_t> publish(std::size_t most);
  [[nodiscard]] Result<std::uint64_t> waiting();
  /// True when the last publish() ended before all was submitted that the bus would have taken.
  [[nodiscard]] bool more() const { return more_; }
  [[nodiscard]] Result<std::uint64_t> confirmed();
  [[nodiscard]] Result<std::uint64_t> skipped();
  [[nodiscard]] Result<std::vector<OutboxRow>> list(std::size_t most);
  /// The one row that waits and whose id begins so; an Error when none does, or several do.
  [[nodiscard]] Result<OutboxRow> find(const std::string& id);
  /// Leaves a row that waits out for good, inside the caller's transaction; forget() follows once
  /// that is committed.
  [[nodiscard]] Status skip(const OutboxRow& row);
  void forget(const std::string& id);
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
  [[nodiscard]] std::string state_of(const std::string& id) const;
  [[nodiscard]] Status mark(const std::vector<std::string>& ids);
  [[nodiscard]] Result<std::uint64_t> count(const char* which);

  Ledger& ledger_;
  std::unique_ptr<Bus> bus_;
  bool more_ = false;
  bool good_ = false;                              ///< recovered since the start or the last error
  std::int64_t submitted_ = 0;                     ///< highest row in flight
  std::map<std::string, std::int64_t> in_flight_;  ///< rows by id
};

}  // namespace tallyman::rater
