#pragma once
// A slow, obvious model of derivation, written from the rules and not from the code: it keeps every
// interval of every counter, and counts covered nanoseconds one by one. Good for histories of some
// thousand nanoseconds.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "rater/derive/derive.hpp"
#include "wire/batch.hpp"

namespace tallyman::rater::testing {

class SlowModel {
 public:
  using Slots = std::map<std::int64_t, SlotUsage>;

  explicit SlowModel(Ns slot) : slot_(slot) {}

  void define(std::uint64_t stream, const wire::Definition& d) {
    definitions_[{stream, d.number}] = d.body;
  }

  void apply(std::uint64_t stream, const wire::Batch& batch, Ns latest = wire::kMaxTime) {
    latest_ = latest;
    if (batch.head.kind == wire::BatchKind::stand_in) ++losses_[stream];
    for (const wire::Entry& entry : batch.entries) {
      if (const auto* d = std::get_if<wire::Definition>(&entry)) define(stream, *d);
      if (const auto* p = std::get_if<wire::Poll>(&entry)) poll(stream, *p);
      if (const auto* g = std::get_if<wire::Gap>(&entry)) gap(stream, *g);
    }
    sealed_[stream] = std::max(sealed_[stream], std::min(batch.seal.watermark, latest));
  }

  /// Usage of every view, by a name in words.
  std::map<std::string, Slots> usage() const {
    std::map<std::string, Slots> out;
    std::map<std::string, std::set<Ns>> covered, estimated;
    for (const Interval& i : intervals()) {
      Slots& slots = out[i.view];
      for (Ns s = i.from / slot_; s <= (i.to - 1) / slot_; ++s) {
        const Ns a = std::max(i.from, s * slot_), b = std::min(i.to, (s + 1) * slot_);
        SlotUsage& usage = slots[s];
        usage.slot = s;
        if (i.gauge) {
          usage.amount += static_cast<u128>(i.delta) * static_cast<u128>(b - a);
          usage.peak = std::max(usage.peak, i.delta);
        } else {
          usage.amount += upto(i, b) - upto(i, a);
          if (i.from < a) {
            usage.before += static_cast<std::uint64_t>(upto(i, a));
            usage.after += i.delta - static_cast<std::uint64_t>(upto(i, a));
          }
        }
        for (Ns t = a; t < b; ++t) {
          covered[i.view].insert(t);
          if (i.estimated) estimated[i.view].insert(t);
        }
      }
    }
    for (auto& [view, slots] : out) {
      for (const Ns t : covered[view]) ++slots[t / slot_].covered;
      for (const Ns t : estimated[view]) ++slots[t / slot_].estimated;
    }
    return out;
  }

  /// What all counters of a view have counted.
  std::map<std::string, u128> totals() const {
    std::map<std::string, u128> out;
    for (const Interval& i : intervals_) out[i.view] += i.delta;
    return out;
  }

  /// Value at risk of every view that has any.
  const std::map<std::string, u128>& anomalies() const { return anomalies_; }

  static std::string name(const std::string& instance, const SeriesKey& series) {
    std::string out = instance + " " + series.source + " " + series.metric;
    for (const auto& [label, value] : series.labels) out += " " + label + "=" + value;
    return out;
  }

 private:
  struct Interval {
    std::string view;
    Ns from = 0, to = 0;
    std::uint64_t delta = 0;  ///< of a gauge: its value
    bool estimated = false, gauge = false;
  };
  struct Counter {
    bool known = false;
    Ns at = 0, from = 0, ended = 0;
    std::uint64_t value = 0, stream = 0, losses = 0;
    Ns interval = 0;
    std::uint64_t other = 0;  ///< last value told for `at` that contradicts it
  };
  struct Gap {
    std::string instance, subject;
    Ns from = 0, to = 0;
  };

  u128 upto(const Interval& i, Ns t) const {
    return static_cast<u128>(i.delta) * static_cast<u128>(t - i.from) /
           static_cast<u128>(i.to - i.from);
  }

  template <typename T>
  const T& get(std::uint64_t stream, wire::DefNo n) const {
    return std::get<T>(definitions_.at({stream, n}));
  }

  SeriesKey series(std::uint64_t stream, wire::DefNo n) const {
    const auto& def = get<wire::SeriesDef>(stream, n);
    const auto& metric = get<wire::MetricDef>(stream, def.metric);
    const auto& source = get<wire::SourceDef>(stream, def.source);
    SeriesKey key{source.id, source.scope, metric.name, metric.unit, metric.kind, {}};
    for (std::size_t i = 0; i < metric.identity.size(); ++i) {
      key.labels[metric.identity[i]] = def.identity[i];
    }
    return key;
  }

  std::string subject(std::uint64_t stream, wire::DefNo n) const {
    if (n == 0) return "all";
    const auto& body = definitions_.at({stream, n});
    if (const auto* s = std::get_if<wire::SourceDef>(&body)) return "source " + s->id;
    if (const auto* m = std::get_if<wire::MetricDef>(&body)) return "metric " + m->name;
    return name("", series(stream, n));
  }

  void gap(std::uint64_t stream, const wire::Gap& g) {
    gaps_.push_back({get<wire::InstanceDef>(stream, g.instance).instance,
                     subject(stream, g.subject), std::min(g.from, latest_),
                     std::min(g.to, latest_)});
  }

  bool guessed(const std::string& instance, Ns beat, const SeriesKey& key, Ns from, Ns to,
               bool broken) const {
    if (from / slot_ == (to - 1) / slot_ || to - from <= beat) return false;
    if (broken || to - from > 2 * beat) return true;
    return std::any_of(gaps_.begin(), gaps_.end(), [&](const Gap& g) {
      const bool mine = g.subject == "all" || g.subject == "source " + key.source ||
                        g.subject == "metric " + key.metric || g.subject == name("", key);
      return mine && g.instance == instance && g.to > from && g.from < to;
    });
  }

  void poll(std::uint64_t stream, const wire::Poll& p) {
    const auto& instance = get<wire::InstanceDef>(stream, p.instance);
    const Ns told = p.in_time ? p.scheduled : p.wall;
    const Ns raw = std::min(told, latest_);
    Ns& last = last_[{stream, instance.instance}];
    const bool forced = p.stepped || told < last || std::max(told, last) > latest_;
    last = std::max({raw, last, Ns{1}});
    for (const wire::Value& v : p.values) {
      const auto& epoch = get<wire::EpochDef>(stream, v.epoch);
      const SeriesKey key = series(stream, epoch.series);
      const std::string view = name(instance.instance, key);
      Counter& c = counters_[{view, epoch.epoch}];
      c.interval = instance.interval;
      const bool own = v.time != 0;
      const Ns stands = own ? std::min(v.time, latest_) : raw;
      const Ns at = own ? std::min(v.time, last) : last;
      if (key.kind == wire::Kind::gauge) {
        gauge(view, c, stream, stands, at, own, v.value);
      } else {
        counter(instance, key, view, c, epoch, stream, stands, at, own, v.value, !own && forced);
      }
    }
    for (const wire::DefNo e : p.ended) {
      const auto& epoch = get<wire::EpochDef>(stream, e);
      const SeriesKey key = series(stream, epoch.series);
      Counter& c = counters_[{name(instance.instance, key), epoch.epoch}];
      if (!c.known || c.ended != 0 || (last < c.at && c.stream != stream)) continue;
      if (key.kind == wire::Kind::gauge) {
        hold(name(instance.instance, key), c, last);
      }
      c.ended = last;
    }
  }

  /// Held up to `to`, or as far as a watermark has told already.
  void hold(const std::string& view, Counter& c, Ns to) {
    const Ns longest = c.at + 2 * c.interval;
    to = std::max(std::min(to, longest), std::min(sealed_[c.stream], longest));
    if (to > c.from) intervals_.push_back({view, c.from, to, c.value, false, true});
    c.from = std::max(c.from, to);
  }

  void gauge(const std::string& view, Counter& c, std::uint64_t stream, Ns stands, Ns at, bool own,
             std::uint64_t value) {
    if (c.known && stands < c.at && (own || c.stream != stream)) return;
    if (c.known && c.ended == 0) hold(view, c, at);
    c.at = std::max(c.at, at);
    c.from = std::max(c.from, c.at);
    c.known = true;
    c.ended = 0;
    c.value = value;
    c.stream = stream;
    gauges_.insert(view);
  }

  void counter(const wire::InstanceDef& instance, const SeriesKey& key, const std::string& view,
               Counter& c, const wire::EpochDef& epoch, std::uint64_t stream, Ns stands, Ns at,
               bool own, std::uint64_t value, bool forced) {
    if (!c.known) {
      c = {true, at, at, 0, value, stream, losses_[stream], instance.interval};
      if (epoch.start == 0) return;
      c.from = std::min(epoch.start, at - 1);
      intervals_.push_back(
          {view, c.from, at, value,
           forced || guessed(instance.instance, instance.interval, key, c.from, at, false), false});
      return;
    }
    if (stands < c.at && c.stream != stream) return;
    if (stands < c.at && own && value <= c.value) return;
    if (stands == c.at && (own ? value <= c.value : c.stream != stream)) {
      if (value != c.value && value != c.other) {
        const bool risen = value > c.value, further = value > c.other;
        anomalies_[view] += value - (risen ? c.value : further ? c.other : 0);
        c.other = value;
      }
      return;
    }
    at = std::max(at, c.at);
    if (at > c.at) c.other = 0;
    const bool broken = c.stream == stream && c.losses != losses_[stream];
    const bool reset = value < c.value;
    const std::uint64_t delta = reset ? value : value - c.value;
    if (!own || at > c.ended) c.ended = 0;
    c.stream = stream;
    c.losses = losses_[stream];
    c.value = value;
    if (at > c.at) {
      c.from = c.at;
    } else if (delta == 0) {
      return;
    } else {
      c.from = std::min(c.from, at - 1);
    }
    c.at = at;
    intervals_.push_back(
        {view, c.from, at, delta,
         forced || reset || guessed(instance.instance, instance.interval, key, c.from, at, broken),
         false});
  }

  std::vector<Interval> intervals() const {
    std::vector<Interval> out = intervals_;
    for (const auto& [key, c] : counters_) {
      if (!gauges_.contains(key.first) || !c.known || c.ended != 0) continue;
      const auto sealed = sealed_.find(c.stream);
      const Ns to = std::min(c.at + 2 * c.interval, sealed == sealed_.end() ? 0 : sealed->second);
      if (to > c.from) out.push_back({key.first, c.from, to, c.value, false, true});
    }
    return out;
  }

  Ns slot_;
  Ns latest_ = wire::kMaxTime;
  std::map<std::pair<std::uint64_t, wire::DefNo>, wire::DefBody> definitions_;
  std::map<std::pair<std::string, std::uint64_t>, Counter> counters_;
  std::map<std::pair<std::uint64_t, std::string>, Ns> last_;
  std::map<std::uint64_t, std::uint64_t> losses_;
  std::map<std::uint64_t, Ns> sealed_;
  std::set<std::string> gauges_;
  std::map<std::string, u128> anomalies_;
  std::vector<Interval> intervals_;
  std::vector<Gap> gaps_;
};

}  // namespace tallyman::rater::testing
