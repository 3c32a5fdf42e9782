#include "agent/spool/thin.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/u128.hpp"

namespace tallyman::agent {
namespace {

/// A larger change of boot − wall between two polls is a clock step.
constexpr Ns kSkewStep = kSecond;

Ns position_of(const wire::Poll& poll) { return poll.in_time ? poll.scheduled : poll.wall; }

/// Whether a boundary lies between two instants, neither being it.
bool boundary_between(Ns from, Ns to, Ns slot) { return from / slot < (to - 1) / slot; }

std::uint64_t speed_in(const wire::MetricDef& metric, const wire::LabelValues& values) {
  const auto name = std::find(metric.info.begin(), metric.info.end(), "speed");
  const auto at = static_cast<std::size_t>(name - metric.info.begin());
  std::uint64_t mbit = 0;
  if (at < values.size()) {
    const std::string& text = values[at];
    const auto end = text.data() + text.size();
    if (const auto read = std::from_chars(text.data(), end, mbit); read.ptr != end) mbit = 0;
  }
  return mbit;
}

/// The polls and gaps of one instance in a run of batches, and which of their values stay.
class InstanceHistory {
 public:
  void add(wire::Poll& poll, std::size_t batch) {
    polls_.push_back({&poll, batch, !polls_.empty() && gap_, {}});
    gap_ = false;
  }
  void add(const wire::Gap& gap) {
    gaps_.emplace_back(gap.from, gap.to);
    gap_ = true;
  }
  /// Sets changed[batch] for each batch that lost a reading.
  void thin(const ThinRule& rule, Ns interval, std::vector<bool>& changed) {
    for (Item& item : polls_) item.keep.assign(item.poll->values.size(), false);
    join_gaps(interval);
    Ns high = polls_.empty() ? 0 : position_of(*polls_.front().poll);
    for (std::size_t i = 1; i < polls_.size(); ++i) {
      const Ns at = position_of(*polls_[i].poll);
      if (at <= high || breaks(polls_[i - 1], polls_[i])) polls_[i].broken = true;
      high = std::max(high, at);
    }
    leave_own_times();
    for (std::size_t i = 0; i < polls_.size(); ++i) look_at(i, rule);
    for (const auto& [epoch, last] : last_) keep_end(last);
    for (Item& item : polls_) {
      if (cut(item)) changed[item.batch] = true;
    }
  }

 private:
  struct Item {
    wire::Poll* poll;
    std::size_t batch;
    bool broken;  ///< the run of polls breaks between the one before and this one
    std::vector<bool> keep;
  };
  struct Place {
    std::size_t item = 0, value = 0;
  };
  /// The last readings of an epoch so far.
  struct Last {
    Place last;
    std::optional<Place> before;
  };

  /// A beat wider on either side, in order and apart from each other.
  void join_gaps(Ns interval) {
    for (auto& [from, to] : gaps_) from -= interval, to += interval;
    std::sort(gaps_.begin(), gaps_.end());
    std::vector<std::pair<Ns, Ns>> joined;
    for (const auto& [from, to] : gaps_) {
      if (!joined.empty() && from <= joined.back().second) {
        joined.back().second = std::max(joined.back().second, to);
      } else {
        joined.emplace_back(from, to);
      }
    }
    gaps_ = std::move(joined);
  }

  [[nodiscard]] bool breaks(const Item& before, const Item& item) const {
    const wire::Poll& a = *before.poll;
    const wire::Poll& b = *item.poll;
    if (a.stepped || b.stepped || !a.in_time || !b.in_time) return true;
    const Ns skew = (b.boot - b.wall) - (a.boot - a.wall);
    if (skew > kSkewStep || skew < -kSkewStep) return true;
    const auto gap =
        std::lower_bound(gaps_.begin(), gaps_.end(), position_of(a),
                         [](const std::pair<Ns, Ns>& each, Ns at) { return each.second < at; });
    return gap != gaps_.end() && gap->first <= position_of(b);
  }

  void leave_own_times() {
    for (const Item& item : polls_) {
      for (const wire::Value& value : item.poll->values) {
        if (value.time != 0) own_times_.insert(value.epoch);
      }
    }
  }

  void keep(const Place& place) { polls_[place.item].keep[place.value] = true; }
  /// With the one before: growth that is learnt later, of the same instant, is put between them.
  void keep_end(const Last& end) {
    keep(end.last);
    if (end.before) keep(*end.before);
  }

  void look_at(std::size_t i, const ThinRule& rule) {
    Item& item = polls_[i];
    const Ns at = position_of(*item.poll);
    for (std::size_t v = 0; v < item.poll->values.size(); ++v) {
      const wire::Value& value = item.poll->values[v];
      const auto [known, first] = last_.try_emplace(value.epoch, Last{{i, v}, std::nullopt});
      const Last so_far = known->second;
      const Place before = so_far.last;
      if (!first) known->second = {{i, v}, before};
      if (first || !so_far.before || at % rule.slot() == 0 || own_times_.contains(value.epoch) ||
          !rule.applies(value.epoch)) {
        item.keep[v] = true;
      }
      if (first) continue;
      const Item& was = polls_[before.item];
      if (item.broken || before.item + 1 != i ||
          rule.apart(value.epoch, was.poll->values[before.value], position_of(*was.poll), value,
                     at)) {
        keep_end(so_far);
        item.keep[v] = true;
      }
    }
    keep_beside_ends(item, rule);
    for (const wire::DefNo epoch : item.poll->ended) {
      if (const auto last = last_.find(epoch); last != last_.end()) {
        keep_end(last->second);
        last_.erase(last);
      }
    }
  }

  /// A reading of another epoch says that the series has not ended with the one that has.
  static void keep_beside_ends(Item& item, const ThinRule& rule) {
    if (item.poll->ended.empty()) return;
    std::set<wire::DefNo> series;
    for (const wire::DefNo epoch : item.poll->ended) series.insert(rule.series(epoch));
    for (std::size_t v = 0; v < item.keep.size(); ++v) {
      if (series.contains(rule.series(item.poll->values[v].epoch))) item.keep[v] = true;
    }
  }

  /// Whether anything went.
  static bool cut(Item& item) {
    wire::Poll& poll = *item.poll;
    const std::size_t had = poll.values.size();
    std::size_t to = 0;
    for (std::size_t v = 0; v < had; ++v) {
      if (item.keep[v]) poll.values[to++] = poll.values[v];
    }
    poll.values.resize(to);
    if (to == had) return false;
    if (to == 0 && poll.in_time && poll.boot >= poll.wall - poll.scheduled) {
      poll.boot -= poll.wall - poll.scheduled;
      poll.wall = poll.scheduled;
    }
    return true;
  }

  std::vector<Item> polls_;
  std::vector<std::pair<Ns, Ns>> gaps_;
  bool gap_ = false;
  std::set<wire::DefNo> own_times_;
  std::unordered_map<wire::DefNo, Last> last_;
};

}  // namespace

ThinRule::ThinRule(const Dictionary& dictionary, Ns slot, Shed shed)
    : dictionary_(dictionary), slot_(slot), shed_(shed) {
  for (const auto& definition : dictionary.from(1)) {
    const auto* info = std::get_if<wire::InfoDef>(&definition.body);
    if (info == nullptr) continue;
    const wire::MetricDef* metric = metric_of(info->series);
    if (metric != nullptr)
      infos_[info->series].push_back({info->from, speed_in(*metric, info->values)});
  }
}

const wire::MetricDef* ThinRule::metric_of(wire::DefNo series) const {
  const wire::DefBody* body = dictionary_.find(series);
  const auto* definition = body == nullptr ? nullptr : std::get_if<wire::SeriesDef>(body);
  body = definition == nullptr ? nullptr : dictionary_.find(definition->metric);
  return body == nullptr ? nullptr : std::get_if<wire::MetricDef>(body);
}

wire::DefNo ThinRule::series(wire::DefNo epoch) const {
  const wire::DefBody* body = dictionary_.find(epoch);
  const auto* definition = body == nullptr ? nullptr : std::get_if<wire::EpochDef>(body);
  return definition == nullptr ? 0 : definition->series;
}

bool ThinRule::applies(wire::DefNo epoch) const {
  const wire::MetricDef* metric = metric_of(series(epoch));
  if (metric == nullptr) return false;
  return metric->kind == wire::Kind::counter || shed_ == Shed::gauges;
}

Ns ThinRule::interval(wire::DefNo instance) const {
  const wire::DefBody* body = dictionary_.find(instance);
  const auto* definition = body == nullptr ? nullptr : std::get_if<wire::InstanceDef>(body);
  return definition == nullptr ? 0 : definition->interval;
}

bool ThinRule::apart(wire::DefNo epoch, const wire::Value& before, Ns from,
                     const wire::Value& after, Ns to) const {
  if (boundary_between(from, to, slot_)) return true;
  const wire::MetricDef* metric = metric_of(series(epoch));
  if (metric == nullptr) return true;
  const bool counter = metric->kind == wire::Kind::counter;
  if (counter && after.value < before.value) return true;
  const auto infos = infos_.find(series(epoch));
  if (infos == infos_.end()) return false;
  std::uint64_t mbit = 0;
  for (const Info& info : infos->second) {
    if (info.from > from && info.from <= to) return true;
    if (info.from <= from) mbit = info.mbit;
  }
  // The rater's rule without its margin: no interval that it quarantines becomes a part of another.
  return counter && mbit != 0 &&
         static_cast<u128>(after.value - before.value) * kSecond >
             static_cast<u128>(mbit) * 125'000 * static_cast<u128>(to - from);
}

std::vector<bool> thin(std::span<wire::Batch> batches, const ThinRule& rule) {
  std::map<wire::DefNo, InstanceHistory> histories;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    for (wire::Entry& entry : batches[i].entries) {
      if (auto* poll = std::get_if<wire::Poll>(&entry)) {
        histories[poll->instance].add(*poll, i);
      } else if (const auto* gap = std::get_if<wire::Gap>(&entry)) {
        histories[gap->instance].add(*gap);
      }
    }
  }
  std::vector<bool> changed(batches.size(), false);
  for (auto& [instance, history] : histories) history.thin(rule, rule.interval(instance), changed);
  return changed;
}

}  // namespace tallyman::agent
