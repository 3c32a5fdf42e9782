#pragma once
// One agent with a counter series and a gauge series, for tests by example: one poll every ten
// seconds, slots of a minute, beginning at noon.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "rater/derive/derive.hpp"
#include "stream_maker.hpp"

namespace tallyman::rater::testing {

inline constexpr Ns kBeat = 10 * kSecond;
inline constexpr wire::DefNo kInstance = 1, kSource = 2, kCounter = 3, kGauge = 4, kSeries = 5,
                             kHeld = 6;

/// Epochs are defined as they are needed.
class DeriveExample : public ::testing::Test {
 protected:
  void SetUp() override { begin(1); }

  void begin(std::uint64_t stream) {
    stream_ = stream;
    define({kInstance, wire::InstanceDef{"netif", "netif", "1", {}, kBeat}});
    define({kSource, wire::SourceDef{wire::Scope::host, "host:h"}});
    define({kCounter, wire::MetricDef{"sent_bytes_total",
                                      "bytes",
                                      "",
                                      wire::Kind::counter,
                                      0,
                                      {"ifindex"},
                                      {"kind", "speed"}}});
    define({kGauge, wire::MetricDef{
                        "held_bytes", "bytes", "", wire::Kind::gauge, 0, {"id"}, {"capacity"}}});
    define({kSeries, wire::SeriesDef{kSource, kCounter, {"3"}}});
    define({kHeld, wire::SeriesDef{kSource, kGauge, {"1"}}});
    next_ = 10;
  }
  void define(const wire::Definition& d) { deriver_.define(stream_, d); }
  wire::DefNo epoch(std::uint64_t epoch, Ns start = 0, wire::DefNo series = kSeries) {
    define({next_, wire::EpochDef{series, epoch, start}});
    return next_++;
  }
  void info(const std::string& kind, const std::string& speed, Ns from = kNoon) {
    define({next_++, wire::InfoDef{kSeries, from, {kind, speed}}});
  }

  void capacity(const std::string& bytes, Ns from = kNoon) {
    define({next_++, wire::InfoDef{kHeld, from, {bytes}}});
  }

  static wire::Poll poll(Ns at, std::vector<wire::Value> values) {
    wire::Poll out;
    out.instance = kInstance;
    out.scheduled = out.wall = at;
    out.values = std::move(values);
    return out;
  }
  void give(wire::Entry entry, Ns watermark = 0) {
    wire::Batch batch;
    batch.entries.push_back(std::move(entry));
    batch.seal.watermark = watermark;
    deriver_.apply(stream_, batch);
  }
  void give_at(Ns received, wire::Entry entry) {
    wire::Batch batch;
    batch.entries.push_back(std::move(entry));
    deriver_.apply(stream_, batch, received);
  }
  void give(Ns at, std::vector<wire::Value> values) { give(poll(at, std::move(values))); }
  void ends(Ns at, wire::DefNo epoch) {
    wire::Poll last = poll(at, {});
    last.ended = {epoch};
    give(last);
  }
  void gap(Ns from, Ns to, wire::DefNo subject = 0) {
    give(wire::Gap{kInstance, subject, from, to, wire::Cause::hang, "hang"});
  }

  /// Takes what was derived and adds it up.
  void take() {
    const Derived derived = deriver_.take();
    for (const auto& [view, usage] : derived.usage) {
      SlotUsage& sum = slots_[usage.slot - kNoon / kMinute];
      sum.amount += usage.amount;
      sum.covered += usage.covered;
      sum.estimated += usage.estimated;
      sum.peak = std::max(sum.peak, usage.peak);
    }
    anomalies_.insert(anomalies_.end(), derived.anomalies.begin(), derived.anomalies.end());
    presence_.insert(presence_.end(), derived.presence.begin(), derived.presence.end());
    runs_.insert(runs_.end(), derived.runs.begin(), derived.runs.end());
    info_.insert(info_.end(), derived.info.begin(), derived.info.end());
  }
  std::string amounts() {
    take();
    std::string out;
    for (const auto& [slot, usage] : slots_) {
      if (usage.amount != 0) {
        out += (out.empty() ? "" : " ") + std::to_string(slot) + ":" + to_decimal(usage.amount);
      }
    }
    return out;
  }
  Ns covered(std::int64_t slot) { return take(), slots_[slot].covered / kSecond; }
  Ns estimated(std::int64_t slot) { return take(), slots_[slot].estimated / kSecond; }

  Deriver deriver_{"h", kMinute};
  std::uint64_t stream_ = 1;
  wire::DefNo next_ = 10;
  std::map<std::int64_t, SlotUsage> slots_;
  std::vector<Anomaly> anomalies_;
  std::vector<Derived::Presence> presence_;
  std::vector<Derived::Run> runs_;
  std::vector<Derived::Info> info_;
};

}  // namespace tallyman::rater::testing
