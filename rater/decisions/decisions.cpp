#include "rater/decisions/decisions.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

#include "rater/rating/measure_claims.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kAtOnce = 1000;  ///< entries of the log in memory

template <typename T>
void insert(std::vector<T>& sorted, const T& value) {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), value);
  if (at == sorted.end() || *at != value) sorted.insert(at, value);
}

template <typename T>
void remove(std::vector<T>& sorted, const T& value) {
  std::erase(sorted, value);
}

/// The slot's row, made when it is not there.
SlotUsage& row_of(std::vector<SlotUsage>& slots, std::int64_t slot) {
  const auto at =
      std::lower_bound(slots.begin(), slots.end(), slot,
                       [](const SlotUsage& row, std::int64_t key) { return row.slot < key; });
  if (at != slots.end() && at->slot == slot) return *at;
  return *slots.insert(at, SlotUsage{slot});
}

/// What of an anomaly crosses the starts of the slots that [from, to) touches, and of the one
/// behind them.
void tell_crossing(const AnomalyContent& anomaly, Ns slot, Ns from, Ns to,
                   std::vector<SlotUsage>& slots) {
  const Ns length = anomaly.to - anomaly.from;
  const auto floor = [&](Ns at) { return at / slot - (at % slot < 0 ? 1 : 0); };
  const auto narrow = [](u128 value) {
    return static_cast<std::uint64_t>(std::min<u128>(value, kNoEnd));
  };
  for (std::int64_t number = floor(from); number <= floor(to - 1) + 1; ++number) {
    const Ns at = number * slot;
    if (at <= anomaly.from || at >= anomaly.to) continue;
    SlotUsage& row = row_of(slots, number);
    const u128 before = share_of(anomaly.value, 0, at - anomaly.from, length);
    row.before = sum_or_no_end(row.before, narrow(before));
    row.after = sum_or_no_end(row.after, narrow(anomaly.value - before));
  }
}

/// The highest value of a slot with one more: on top of what else was held, or beside it.
std::uint64_t peak_of(std::uint64_t peak, u128 value, bool on_top) {
  const u128 both = on_top ? peak + value : std::max<u128>(peak, value);
  return static_cast<std::uint64_t>(std::min<u128>(both, UINT64_MAX));
}

}  // namespace

Hash AnomalyContent::id() const {
  FieldHasher hasher;
  const SeriesKey& series = view.series;
  hasher.field("tallyman anomaly 1").field(series.source);
  hasher.number(static_cast<std::uint64_t>(series.scope)).field(series.metric).field(series.unit);
  hasher.number(static_cast<std::uint64_t>(series.kind)).number(series.labels.size());
  for (const auto& [name, label] : series.labels) hasher.field(name).field(label);
  hasher.field(view.agent).field(view.instance);
  hasher.number(static_cast<std::uint64_t>(from)).number(static_cast<std::uint64_t>(to));
  hasher.field(to_big_endian(value)).field(why).number(ordinal);
  return hasher.finish();
}

bool Decisions::accepts(const Hash& id) const {
  return std::any_of(accepted.begin(), accepted.end(),
                     [&](const AnomalyContent& anomaly) { return anomaly.id() == id; });
}

bool Decisions::rejects(const Hash& id) const { return rejected.contains(id); }

const Correction* Decisions::correction(const std::string& customer, const std::string& meter,
                                        const std::string& period) const {
  const auto at = std::find_if(corrections.begin(), corrections.end(), [&](const Correction& each) {
    return each.customer == customer && each.meter == meter && each.period == period;
  });
  return at == corrections.end() ? nullptr : &*at;
}

void Decisions::accept(const AnomalyContent& anomaly) {
  insert(accepted, anomaly);
  rejected.erase(anomaly.id());
}

void Decisions::reject(const AnomalyContent& anomaly) {
  remove(accepted, anomaly);
  rejected.emplace(anomaly.id(), anomaly);
}

void Decisions::waive(const Waiver& waiver, bool withdraw) {
  if (withdraw) {
    remove(waivers, waiver);
  } else {
    insert(waivers, waiver);
  }
}

void Decisions::correct(const Correction& correction) {
  std::erase_if(corrections, [&](const Correction& each) {
    return each.customer == correction.customer && each.meter == correction.meter &&
           each.period == correction.period;
  });
  if (!correction.quantity.empty()) corrections.push_back(correction);
}

void apply_accepted(const Decisions& decisions, Ns slot, Ns from, Ns to, ViewUsage& view) {
  for (const AnomalyContent& anomaly : decisions.accepted) {
    if (anomaly.view != view.view || anomaly.to <= anomaly.from) continue;
    const Ns first = std::max(anomaly.from, from), end = std::min(anomaly.to, to);
    const Ns length = anomaly.to - anomaly.from;
    const bool gauge = view.view.series.kind == wire::Kind::gauge;
    const u128 mean = anomaly.value / static_cast<u128>(length);
    for (Ns at = first; at < end;) {
      const std::int64_t number = at / slot - (at % slot < 0 ? 1 : 0);
      const Ns next = std::min(end, (number + 1) * slot);
      SlotUsage& row = row_of(view.slots, number);
      row.amount += share_of(anomaly.value, at - anomaly.from, next - anomaly.from, length);
      const Ns known = std::min(next - at, slot - std::min(row.covered, slot));
      row.covered += known;
      if (gauge) row.peak = peak_of(row.peak, mean, known < next - at);
      row.estimated = std::min(row.estimated + (next - at), row.covered);
      at = next;
    }
    if (!gauge && first < end) tell_crossing(anomaly, slot, first, end, view.slots);
  }
}

Result<Decisions> load_decisions(AuditLog& log, std::int64_t n) {
  Decisions out;
  for (std::int64_t after = 0; after < n;) {
    const auto entries = log.entries(after, kAtOnce);
    if (!entries) return entries.error();
    if (entries->empty()) break;
    for (const AuditEntry& entry : *entries) {
      if (entry.mark.n > n) return out;
      if (const Status taken = take_in(entry, out); !taken) return taken.error();
    }
    after = entries->back().mark.n;
  }
  return out;
}

std::string resource_text(const Waiver& waiver) {
  const auto escaped = [](const std::string& text) {
    std::string out;
    for (const char c : text) {
      if (c == ',' || c == ':' || c == '=' || c == '\\') out += '\\';
      out += c;
    }
    return out;
  };
  std::string globs;
  for (const auto& [name, glob] : waiver.match.globs) {
    globs += (globs.empty() ? "" : ",") + escaped(name) + "=" + escaped(glob);
  }
  if (waiver.customer.empty()) return globs;
  return escaped(waiver.customer) + (globs.empty() ? "" : ":" + globs);
}

Result<Waiver> waiver_of(const std::string& resource, Ns from, Ns to) {
  const auto wrong = [&](const std::string& what) {
    return Error{what, resource.substr(0, 256), "CUSTOMER, CUSTOMER:LABEL=GLOB,… or LABEL=GLOB,…"};
  };
  Waiver waiver{{}, {}, from, to};
  std::string word;
  std::optional<std::string> label;
  bool whose = true;  // until the first colon
  const auto end_pair = [&] {
    const bool good = label && !label->empty() && !word.empty() &&
                      waiver.match.globs.emplace(*label, word).second;
    label.reset();
    word.clear();
    return good;
  };
  for (std::size_t i = 0; i < resource.size(); ++i) {
    const char c = resource[i];
    if (c == '\\') {
      if (++i == resource.size()) return wrong("a backslash at the end");
      word += resource[i];
    } else if (c == ':' && whose && !label && waiver.match.globs.empty()) {
      waiver.customer = std::exchange(word, {});
      whose = false;
    } else if (c == '=' && !label) {
      label = std::exchange(word, {});
    } else if (c == ',') {
      if (!end_pair()) return wrong("not a list of LABEL=GLOB");
    } else {
      word += c;
    }
  }
  if (!label && whose && waiver.match.globs.empty()) {
    waiver.customer = word;
  } else if (!end_pair()) {
    return wrong("not a list of LABEL=GLOB");
  }
  if (waiver.customer.empty() && waiver.match.globs.empty()) return wrong("names no resource");
  if (from >= to) return Error{"a waiver ends after it begins", "", "FROM before TO"};
  return waiver;
}

}  // namespace tallyman::rater
