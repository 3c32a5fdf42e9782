#include "rater/views/reconcile.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "rater/csv.hpp"
#include "rater/decisions/adjustment_store.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kMaxErrors = 10'000;
constexpr std::size_t kDigits = 64;  ///< of an id
using What = Unreconciled::What;

bool is_id(const std::string& text) {
  return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::optional<std::uint64_t> number_of(const std::string& text) {
  std::uint64_t out = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, out);
  return read.ec == std::errc() && read.ptr == end ? std::optional(out) : std::nullopt;
}

Error wrong_field(const CsvField& field, const char* todo) {
  return {"'" + field.text.substr(0, kDigits) + "' is not what belongs here",
          std::to_string(field.column), todo};
}

/// One line behind the header.
Result<ReceivedId> received_of(const CsvHeader& header, const std::string& line) {
  const auto fields = csv_fields(line);
  if (!fields) return fields.error();
  if (fields->size() != header.columns()) {
    return Error{std::to_string(fields->size()) + " fields, where the first line names " +
                     std::to_string(header.columns()),
                 "1", ""};
  }
  const CsvField& id = *header.find(*fields, "id");
  if (!is_id(id.text)) return wrong_field(id, "an id: 64 hexadecimal digits");
  ReceivedId out{id.text, std::nullopt, {}};
  const CsvField* revision = header.find(*fields, "revision");
  if (revision == nullptr) return out;
  const auto number = number_of(revision->text);
  if (!number) return wrong_field(*revision, "a revision: a whole number");
  out.key = MessageKey{header.find(*fields, "customer")->text, header.find(*fields, "meter")->text,
                       *number};
  out.period = header.find(*fields, "period")->text;
  return out;
}

/// All columns of a key, or none.
Result<CsvHeader> header_of(const std::string& line) {
  const std::vector<std::string> all{"id", "customer", "meter", "period", "revision"};
  const bool keyed = std::any_of(all.begin() + 1, all.end(), [&](const std::string& name) {
    return line.find(name) != std::string::npos;
  });
  return CsvHeader::read(line, all, keyed ? all : std::vector<std::string>{"id"});
}

void append(const std::vector<Message>& messages, std::uint64_t revision,
            std::vector<KeyedId>& to) {
  for (const Message& message : messages) {
    to.push_back({message.id, {message.customer, message.meter, revision}});
  }
}

bool is_elsewhere(const ReceivedId& each, const PublishedPeriod& period) {
  return period.elsewhere.contains(each.id) || (each.key && each.period != period.period);
}

/// Ids by their key, as they are said here and there: what has two of them, once for each further.
void find_two_contents(const PublishedPeriod& period, const std::vector<ReceivedId>* received,
                       std::vector<Unreconciled>& findings) {
  std::map<MessageKey, std::vector<std::string>> ids;
  const auto say = [&](const MessageKey& key, const std::string& id) {
    std::vector<std::string>& said = ids[key];
    if (std::find(said.begin(), said.end(), id) != said.end()) return;
    if (!said.empty()) findings.push_back({What::two_contents, said.front(), key, id});
    said.push_back(id);
  };
  for (const KeyedId& each : period.released) say(each.key, each.id);
  if (received == nullptr) return;
  for (const ReceivedId& each : *received) {
    if (each.key && !is_elsewhere(each, period)) say(*each.key, each.id);
  }
}

/// Of one released message; `list` is nothing when no list was given.
std::optional<What> trouble_of(const std::string& id, const PublishedPeriod& period,
                               const std::set<std::string>* list) {
  const auto row = period.queued.find(id);
  if (row == period.queued.end()) return What::never_queued;
  const bool there = list != nullptr && list->contains(id);
  switch (row->second) {
    case OutboxMark::waiting:
      return What::waiting;
    case OutboxMark::skipped:
      return there ? What::skipped_received : What::skipped;
    case OutboxMark::confirmed:
      break;
  }
  return list == nullptr || there ? std::nullopt : std::optional(What::not_received);
}

/// Of the released, and what the outbox has beside them.
void look_at_released(const PublishedPeriod& period, const std::set<std::string>* list,
                      Reconciliation& out) {
  std::set<std::string> released;
  for (const KeyedId& each : period.released) {
    released.insert(each.id);
    if (const auto what = trouble_of(each.id, period, list)) {
      out.findings.push_back({*what, each.id, each.key});
    }
  }
  out.released = released.size();
  for (const auto& [id, mark] : period.queued) {
    if (mark == OutboxMark::waiting) ++out.waiting;
    if (mark == OutboxMark::confirmed) ++out.confirmed;
    if (mark == OutboxMark::skipped) ++out.skipped;
    if (!released.contains(id)) out.findings.push_back({What::not_released, id, std::nullopt});
  }
}

/// Received ids that are nobody's here.
void look_at_received(const PublishedPeriod& period, const std::vector<ReceivedId>& received,
                      Reconciliation& out) {
  std::set<std::string> known, drafted, seen;
  for (const KeyedId& each : period.released) known.insert(each.id);
  for (const KeyedId& each : period.drafted) drafted.insert(each.id);
  for (const ReceivedId& each : received) {
    if (!seen.insert(each.id).second) {
      ++out.repeated;
    } else if (known.contains(each.id)) {
      ++out.received;
    } else if (is_elsewhere(each, period)) {
      ++out.elsewhere;
    } else {
      const What what = drafted.contains(each.id) ? What::only_drafted : What::unknown;
      out.findings.push_back({what, each.id, each.key});
    }
  }
}

}  // namespace

Received read_received(std::istream& csv) {
  Received out;
  std::optional<CsvHeader> header;
  std::uint64_t number = 0;
  const auto tell = [&](Error error) {
    if (out.errors.size() >= kMaxErrors) return;
    error.where = std::to_string(number) + ":" + error.where;
    out.errors.push_back(std::move(error));
  };
  for (std::string line; std::getline(csv, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (!header) {
      Result<CsvHeader> read = header_of(line);
      if (!read) {
        tell(read.error());
        return out;
      }
      header = std::move(*read);
      continue;
    }
    Result<ReceivedId> one = received_of(*header, line);
    if (one) {
      out.lines.push_back(std::move(*one));
    } else {
      tell(one.error());
    }
  }
  if (!header) tell({"the list is empty", "1", "begin it with the line `id`"});
  return out;
}

Result<PublishedPeriod> published_period(Snapshot& snapshot, const std::string& id,
                                         const std::vector<ReceivedId>& received) {
  const auto closed = snapshot.period(id);
  if (!closed) return closed.error();
  PublishedPeriod out;
  out.period = id;
  const auto messages = snapshot.periods().messages(id);
  if (!messages) return messages.error();
  append(*messages, 1, closed->state == PeriodState::released ? out.released : out.drafted);
  auto store = AdjustmentStore::open(snapshot.ledger());
  if (!store) return store.error();
  const auto rounds = store->rounds(id);
  if (!rounds) return rounds.error();
  for (const AdjustmentRound& round : *rounds) {
    const bool released = round.state == PeriodState::released;
    append(round.messages, round.revision, released ? out.released : out.drafted);
  }
  auto queued = Outbox::of_period(snapshot.ledger(), id);
  if (!queued) return queued.error();
  out.queued = std::move(*queued);
  for (const ReceivedId& each : received) {
    if (out.queued.contains(each.id)) continue;
    const auto period = Outbox::period_of(snapshot.ledger(), each.id);
    if (!period) return period.error();
    if (!period->empty()) out.elsewhere.insert(each.id);
  }
  return out;
}

Reconciliation reconcile(const PublishedPeriod& period, const std::vector<ReceivedId>* received) {
  Reconciliation out;
  find_two_contents(period, received, out.findings);
  std::set<std::string> list;
  if (received != nullptr) {
    for (const ReceivedId& each : *received) list.insert(each.id);
    look_at_received(period, *received, out);
  }
  look_at_released(period, received == nullptr ? nullptr : &list, out);
  std::stable_sort(out.findings.begin(), out.findings.end(),
                   [](const auto& a, const auto& b) { return a.what < b.what; });
  return out;
}

const char* unreconciled_name(What what) {
  constexpr const char* kNames[] = {"two contents",         "unknown",      "only drafted",
                                    "never queued",         "not released", "not received",
                                    "skipped but received", "skipped",      "waiting"};
  return kNames[static_cast<std::size_t>(what)];
}

const char* unreconciled_text(What what) {
  constexpr const char* kTexts[] = {
      "two contents for one key and revision: bill neither, and see which ledger sent the other",
      "received, and never released here",
      "received, and only a draft here",
      "released, and never queued for the bus",
      "queued for the bus, and not released",
      "confirmed by the bus of its time, and not received: in a queue, or `outbox resend` it",
      "left out by a decision, and received all the same",
      "left out by a decision: see `tallyman-rater audit log`",
      "not confirmed by the bus yet: see `tallyman-rater outbox ls`"};
  return kTexts[static_cast<std::size_t>(what)];
}

}  // namespace tallyman::rater
