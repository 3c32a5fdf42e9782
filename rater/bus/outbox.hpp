#pragma once
// The outbox: what has to go onto the bus, in order, in the ledger. Rows are put in by the
// transaction that releases a period, and taken out of it one by one as the bus confirms them.
//
// Table: outbox(n, id, period, routing_key, body, confirmed). A confirmed row stays, without its
// body: it says that the message went out.

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
  [[nodiscard]] Result<std::uint64_t> confirmed();
  [[nodiscard]] Result<std::vector<OutboxRow>> list(std::size_t most);
  [[nodiscard]] std::string bus() const { return bus_->name(); }

 private:
  Outbox(Ledger& ledger, std::unique_ptr<Bus> bus) : ledger_(ledger), bus_(std::move(bus)) {}
  [[nodiscard]] Status recover(std::size_t most);
  [[nodiscard]] Status submit(std::size_t most);
  [[nodiscard]] Status mark(const std::vector<std::string>& ids);
  [[nodiscard]] Result<std::uint64_t> count(const char* which);

  Ledger& ledger_;
  std::unique_ptr<Bus> bus_;
  bool good_ = false;                              ///< recovered since the start or the last error
  std::int64_t submitted_ = 0;                     ///< highest row in flight
  std::map<std::string, std::int64_t> in_flight_;  ///< rows by id
};

}  // namespace tallyman::rater
