// Given gauges and ports, then peaks, percentiles, snapshots and sums of ports are those of an
// obvious computation.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/time_text.hpp"
#include "rater/rating/measure.hpp"

namespace tallyman::rater {
namespace {

constexpr Ns kSlot = 5 * kMinute;
constexpr Ns kStart = 1'795'348'800 * kSecond;  // 2026-11-22T12:00:00Z

Meter gauge_meter(Measure which, const char* unit = "B") {
  Meter meter;
  meter.id = "m";
  meter.measure = which;
  meter.metric = "held";
  meter.unit = *unit_named(unit);
  return meter;
}

OwnedSeries series_of(const std::string& metric, const std::string& port, const Period& period) {
  OwnedSeries series;
  const bool gauge = metric == "held";
  series.key = {"s",
                wire::Scope::host,
                metric,
                "bytes",
                gauge ? wire::Kind::gauge : wire::Kind::counter,
                {{"port", port}}};
  series.views = {"a/x"};
  series.held = {{period.start, period.end}};
  return series;
}

/// A gauge that holds `value` for `covered` of a slot, and `peak` at most.
Piece piece_of(std::int64_t slot, std::uint64_t value, Ns covered, std::uint64_t peak) {
  return {slot,
          slot * kSlot,
          (slot + 1) * kSlot,
          u128{value} * static_cast<u128>(covered),
          covered,
          0,
          peak,
          0};
}

Period period_of(std::int64_t slots) { return {"p", kStart, kStart + slots * kSlot}; }

struct Drawn {
  std::optional<std::uint64_t> mean, peak;  ///< nothing: missing
  Ns covered = 0;
};

/// A random gauge, and what each of its slots comes to.
OwnedSeries draw(std::mt19937_64& random, const Period& period, const std::string& port,
                 std::vector<Drawn>& drawn) {
  OwnedSeries series = series_of("held", port, period);
  for (std::int64_t slot = period.start / kSlot; slot < period.end / kSlot; ++slot) {
    const std::uint64_t value = random() % 1000, peak = value + random() % 10;
    const auto kind = random() % 8;
    Drawn d;
    if (kind > 0) {
      d.covered = kind == 1 ? 1 + static_cast<Ns>(random() % (kSlot - 1)) : kSlot;
      d.peak = peak;
      if (d.covered * 2 >= kSlot) d.mean = value;
      series.pieces.push_back(piece_of(slot, value, d.covered, peak));
    }
    drawn.push_back(d);
  }
  return series;
}

u128 percentile(std::vector<u128> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() - values.size() * 5 / 100 - 1];
}

/// Given random gauges with gaps, then peak and p95 of their sum, and of each, are those of the
/// slots written down; low never exceeds, high never falls below what is billed.
TEST(Gauge, PeakAndP95AgreeWithANaiveModel) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 200; ++round) {
    const auto n = static_cast<std::int64_t>(1 + random() % 200);
    const Period period = period_of(n);
    std::vector<std::vector<Drawn>> drawn(1 + random() % 3);
    std::vector<OwnedSeries> series;
    for (std::size_t s = 0; s < drawn.size(); ++s) {
      series.push_back(draw(random, period, std::to_string(s), drawn[s]));
    }
    MeterInput input;
    for (const OwnedSeries& s : series) input.out.push_back(&s);

    u128 peak_of_sum = 0, sum_of_peaks = 0, sum_of_p95 = 0;
    std::vector<u128> sums, zeros;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      u128 peak = 0, mean = 0;
      bool any = false;
      for (const auto& one : drawn) {
        peak += one[i].peak.value_or(0);
        mean += one[i].mean.value_or(0);
        any = any || one[i].mean.has_value();
      }
      peak_of_sum = std::max(peak_of_sum, peak);
      if (any) sums.push_back(mean);
      zeros.push_back(mean);
    }
    for (const auto& one : drawn) {
      u128 highest = 0;
      std::vector<u128> means;
      for (const Drawn& d : one) {
        highest = std::max<u128>(highest, d.peak.value_or(0));
        if (d.mean) means.push_back(*d.mean);
      }
      sum_of_peaks += highest;
      sum_of_p95 += percentile(means);
    }
    const auto bill = [&](Meter meter, Aggregate aggregate, Missing missing = Missing::exclude) {
      meter.aggregate = aggregate;
      meter.missing = missing;
      const Measured m = measure(meter, input, period, "UTC", kSlot);
      EXPECT_LE(m.base_low, m.base);
      EXPECT_GE(m.base_high.value_or(m.base), m.base);
      return m.base;
    };
    const Meter peak = gauge_meter(Measure::peak), p95 = gauge_meter(Measure::p95);
    EXPECT_EQ(bill(peak, Aggregate::sum), Rational(peak_of_sum));
    EXPECT_EQ(bill(peak, Aggregate::each), Rational(sum_of_peaks));
    EXPECT_EQ(bill(p95, Aggregate::sum), Rational(percentile(sums)));
    EXPECT_EQ(bill(p95, Aggregate::each), Rational(sum_of_p95));
    EXPECT_EQ(bill(p95, Aggregate::sum, Missing::zero), Rational(percentile(zeros)));
  }
}

/// Given a gauge with an unknown slot, then high has it at its peak there, low at nothing; one that
/// was never read has no bound, one known not to exist holds nothing.
TEST(Gauge, BoundsTakeTheUnknownAtThePeak) {
  const Period period = period_of(3);
  const std::int64_t first = kStart / kSlot;
  OwnedSeries a = series_of("held", "a", period), b = series_of("held", "b", period);
  a.pieces.push_back(piece_of(first, 10, kSlot, 12));
  a.pieces.push_back(piece_of(first + 1, 100, kSlot, 100));
  b.pieces.push_back(piece_of(first, 5, kSlot, 7));
  b.pieces.push_back(piece_of(first + 1, 1, kSlot, 1));
  b.pieces.push_back(piece_of(first + 2, 2, kSlot, 2));
  const auto peak = [&](const MeterInput& input) {
    return measure(gauge_meter(Measure::peak), input, period, "UTC", kSlot);
  };
  Measured m = peak({{}, {&a, &b}, {}});
  EXPECT_EQ(m.base, Rational(101));
  EXPECT_EQ(m.base_low, Rational(101));
  EXPECT_EQ(m.base_high, Rational(102)) << "a at 100 beside b's 2";
  EXPECT_EQ(m.slots, 3U);
  EXPECT_EQ(m.missing, 0U) << "b was there";
  const OwnedSeries never = series_of("held", "c", period);
  EXPECT_EQ(peak({{}, {&a, &never}, {}}).base_high, std::nullopt);
  EXPECT_EQ(peak({{}, {&a, &never}, {}}).base, Rational(100));
  OwnedSeries absent = series_of("held", "d", period);
  for (std::int64_t i = 0; i < 3; ++i) {
    Piece piece = piece_of(first + i, 0, kSlot, 0);
    piece.absent = kSlot;
    absent.pieces.push_back(piece);
  }
  m = peak({{}, {&absent}, {}});
  EXPECT_EQ(m.base_high, Rational());
  EXPECT_EQ(m.coverage, Rational(1));
}

/// Given a month in which clocks change, then a snapshot is what the slot at each local hour holds,
/// and one that nobody has is left out, not zero.
TEST(Gauge, SnapshotsAreTheDaysAtTheHour) {
  for (const char* month : {"2026-03", "2026-10", "2028-02"}) {
    const Period period = *period_named({}, "Europe/Berlin", month);
    std::mt19937_64 random(9);
    for (const unsigned hour : {0U, 2U, 7U, 23U}) {
      OwnedSeries held = series_of("held", "a", period);
      const std::vector<Ns> days = daily_at("Europe/Berlin", hour, period.start, period.end);
      u128 sum = 0, low = 0;
      std::uint64_t known = 0;
      for (std::int64_t slot = period.start / kSlot; slot < period.end / kSlot; ++slot) {
        if (random() % 4 == 0) continue;
        const std::uint64_t value = 100 + random() % 100;
        held.pieces.push_back(piece_of(slot, value, kSlot, 200));
        if (std::find(days.begin(), days.end(), slot * kSlot) == days.end()) continue;
        sum += value, ++known;
        low += value;
      }
      Meter meter = gauge_meter(Measure::daily_snapshot);
      meter.snapshot_hour = hour;
      const Measured m = measure(meter, {{}, {&held}, {}}, period, "Europe/Berlin", kSlot);
      EXPECT_EQ(m.slots, days.size()) << month;
      EXPECT_EQ(m.missing, days.size() - known);
      EXPECT_EQ(m.base, Rational(sum, known));
      EXPECT_EQ(m.base_low, Rational(low, days.size()));
      EXPECT_EQ(m.base_high, Rational(sum + 200 * (days.size() - known), days.size()));
    }
  }
}

TEST(Gauge, NoSnapshotIsNothingKnown) {
  const Period period = *period_named({}, "UTC", "2026-04");
  const OwnedSeries held = series_of("held", "a", period);
  for (const MeterInput& input : {MeterInput{}, MeterInput{{}, {&held}, {}}}) {
    const Measured m = measure(gauge_meter(Measure::daily_snapshot), input, period, "UTC", kSlot);
    EXPECT_TRUE(m.base.zero());
    EXPECT_EQ(m.base_high, std::nullopt);
    EXPECT_EQ(m.missing, input.out.empty() ? 0U : 30U);
  }
}

/// Given ports busy at different times, then the p95 of each adds up to more than the p95 of their
/// sum; a port is a source's series in and out with the same labels.
TEST(Ports, TheAggregateIsNamedByTheMeter) {
  const Period period = period_of(20);
  std::vector<OwnedSeries> in, out;
  for (const char* port : {"1", "2"}) {
    in.push_back(series_of("rx", port, period));
    out.push_back(series_of("tx", port, period));
  }
  const auto put = [&](OwnedSeries& series, std::int64_t i, u128 amount) {
    const std::int64_t slot = kStart / kSlot + i;
    series.pieces.push_back({slot, slot * kSlot, (slot + 1) * kSlot, amount, kSlot, 0, 0, 0});
  };
  for (std::int64_t i = 0; i < 20; ++i) {
    put(in[0], i, i < 10 ? 100 : 0);
    put(out[0], i, i < 10 ? 7 : 9);
    put(in[1], i, 3);
    put(out[1], i, i < 10 ? 0 : 50);
  }
  MeterInput input;
  for (const OwnedSeries& s : in) input.in.push_back(&s);
  for (const OwnedSeries& s : out) input.out.push_back(&s);
  Meter meter;
  meter.measure = Measure::p95;
  meter.in = "rx";
  meter.out = "tx";
  meter.unit = *unit_named("bit/s");
  const auto bill = [&](Direction direction, Aggregate aggregate) {
    meter.direction = direction;
    meter.aggregate = aggregate;
    return measure(meter, input, period, "UTC", kSlot).base.exact();
  };
  EXPECT_EQ(bill(Direction::in, Aggregate::sum), "103");
  EXPECT_EQ(bill(Direction::in, Aggregate::each), "103");
  EXPECT_EQ(bill(Direction::out, Aggregate::sum), "59");
  EXPECT_EQ(bill(Direction::out, Aggregate::each), "59");
  EXPECT_EQ(bill(Direction::max_of_p95, Aggregate::sum), "103");
  EXPECT_EQ(bill(Direction::max_of_p95, Aggregate::each), "150") << "100 in, and 50 out";
  EXPECT_EQ(bill(Direction::p95_of_sum, Aggregate::sum), "110");
  EXPECT_EQ(bill(Direction::p95_of_sum, Aggregate::each), "160") << "107 and 53";
  EXPECT_EQ(bill(Direction::p95_of_max, Aggregate::sum), "103");
  EXPECT_EQ(bill(Direction::p95_of_max, Aggregate::each), "150");
}

/// Given more missing slots than a p95 discards, then the bound is that of lines at full speed in
/// them, and nobody can say where the speed of one is not known.
TEST(Ports, TheBoundTakesMissingSlotsAtLineSpeed) {
  std::mt19937_64 random(12);
  for (int round = 0; round < 200; ++round) {
    const auto n = static_cast<std::int64_t>(1 + random() % 100);
    const Period period = period_of(n);
    OwnedSeries in = series_of("rx", "1", period), out = series_of("tx", "1", period);
    in.mbit = out.mbit = 8;  // 300,000,000 bytes a slot
    std::vector<u128> ins, outs, sums, highest;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t slot = kStart / kSlot + i;
      u128 both[2];
      for (OwnedSeries* series : {&in, &out}) {
        u128 bound = 300'000'000;
        const u128 amount = random() % 300'000'000;
        const auto kind = random() % 6;
        const Ns covered = kind == 0 ? kSlot / 2 : kSlot, estimated = kind == 1 ? kSlot : 0;
        if (kind > 1) bound = amount;
        if (kind != 2) {
          series->pieces.push_back({slot, slot * kSlot, (slot + 1) * kSlot,
                                    kind == 0 ? amount / 2 : amount, covered, estimated, 0, 0});
        } else {
          bound = 300'000'000;
        }
        both[series == &in ? 0 : 1] = bound;
      }
      ins.push_back(both[0]);
      outs.push_back(both[1]);
      sums.push_back(both[0] + both[1]);
      highest.push_back(std::max(both[0], both[1]));
    }
    Meter meter;
    meter.measure = Measure::p95;
    meter.in = "rx";
    meter.out = "tx";
    meter.unit = *unit_named("bit/s");
    const auto bound = [&](Direction direction) {
      meter.direction = direction;
      const Measured m = measure(meter, {{&in}, {&out}, {}}, period, "UTC", kSlot);
      EXPECT_TRUE(m.base_high.has_value());
      EXPECT_GE(m.base_high.value_or(Rational()), m.base);
      return m.base_high.value_or(Rational());
    };
    EXPECT_EQ(bound(Direction::in), Rational(percentile(ins)));
    EXPECT_EQ(bound(Direction::out), Rational(percentile(outs)));
    EXPECT_EQ(bound(Direction::p95_of_sum), Rational(percentile(sums)));
    EXPECT_EQ(bound(Direction::p95_of_max), Rational(percentile(highest)));
    EXPECT_EQ(bound(Direction::max_of_p95), Rational(std::max(percentile(ins), percentile(outs))));
  }
}

}  // namespace
}  // namespace tallyman::rater
