#pragma once
// Reconcile: what was released of a period, what the bus has confirmed, and what an invoice system
// says it has received, held against each other by their ids.
//
// A received list is CSV: a column `id`, and if they are there customer, meter, period and
// revision, which tell two contents under one key apart from a record that nobody here knows, and
// lines of other periods from those of this one.

#include <cstdint>
#include <istream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "rater/rerate.hpp"

namespace tallyman::rater {

/// What may be there once: a record, an adjustment, or (without a meter) a period record.
struct MessageKey {
  std::string customer, meter;
  std::uint64_t revision = 1;
  friend auto operator<=>(const MessageKey&, const MessageKey&) = default;
};

struct KeyedId {
  std::string id;
  MessageKey key;
};

/// A line of the list; `key` where the list has its columns.
struct ReceivedId {
  std::string id;
  std::optional<MessageKey> key;
  std::string period;  ///< beside a key
};
struct Received {
  std::vector<ReceivedId> lines;
  std::vector<Error> errors;  ///< each wrong line, `where` being line:column
};
[[nodiscard]] Received read_received(std::istream& csv);

/// What a ledger says of a period.
struct PublishedPeriod {
  std::string period;
  std::vector<KeyedId> released, drafted;    ///< in the order in which they go out
  std::map<std::string, OutboxMark> queued;  ///< of the period in the outbox, by id
  std::set<std::string> elsewhere;           ///< ids asked for that belong to other periods
};
/// An error when the period is not closed. `elsewhere` is looked for among the ids received.
[[nodiscard]] Result<PublishedPeriod> published_period(Snapshot& snapshot,
                                                       const std::string& period,
                                                       const std::vector<ReceivedId>& received);

struct Unreconciled {
  enum class What : std::uint8_t {
    two_contents,      ///< for one key and revision; `other` is the second id
    unknown,           ///< received, and never released here
    only_drafted,      ///< received, and not released
    never_queued,      ///< released, and not in the outbox
    not_released,      ///< in the outbox, and not released
    not_received,      ///< confirmed, and not in the list
    skipped_received,  ///< left out by a decision, and received all the same
    skipped,           ///< left out by a decision
    waiting            ///< released, and not confirmed yet
  };
  What what = What::unknown;
  std::string id;
  std::optional<MessageKey> key;
  std::string other{};
};
/// For people, and for scripts.
[[nodiscard]] const char* unreconciled_text(Unreconciled::What what);
[[nodiscard]] const char* unreconciled_name(Unreconciled::What what);

struct Reconciliation {
  std::uint64_t released = 0, confirmed = 0, waiting = 0, skipped = 0;
  /// Of the list: different ids of this period, lines that say one again, ids of other periods.
  std::uint64_t received = 0, repeated = 0, elsewhere = 0;
  std::vector<Unreconciled> findings;  ///< in the order of What, then as they go out
};
/// Pure. No list: what was received is not looked at.
[[nodiscard]] Reconciliation reconcile(const PublishedPeriod& period,
                                       const std::vector<ReceivedId>* received);

}  // namespace tallyman::rater
