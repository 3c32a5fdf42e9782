// Given slots of a customer's series, then a measure gives the quantity that the rules of metering
// give, exactly, with bounds that hold.

#include "rater/rating/measure.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/time_text.hpp"
#include "usage_maker.hpp"

namespace tallyman::rater {
namespace {

using testing::catalogue_of;
using testing::kSlot;
using testing::kStart;
using testing::slot_of;
using testing::view_of;

Meter p95_meter(Direction direction, Missing missing) {
  Meter meter;
  meter.id = "burst";
  meter.measure = Measure::p95;
  meter.direction = direction;
  meter.in = "rx";
  meter.out = "tx";
  meter.missing = missing;
  meter.unit = *unit_named("bit/s");
  return meter;
}

OwnedSeries series_of(const char* metric, std::int64_t slots) {
  OwnedSeries series;
  series.key = {"host:a", wire::Scope::host, metric, "bytes", wire::Kind::counter, {}};
  series.views = {"a/netif"};
  series.held = {{kStart, kStart + slots * kSlot}};
  return series;
}

void put(OwnedSeries& series, std::int64_t i, u128 amount, Ns covered, Ns estimated = 0) {
  const std::int64_t slot = kStart / kSlot + i;
  series.pieces.push_back(
      {slot, slot * kSlot, (slot + 1) * kSlot, amount, covered, estimated, 0, 0});
}

Period period_of(std::int64_t slots) { return {"p", kStart, kStart + slots * kSlot}; }

TEST(Measure, P95DiscardsWhatTheTablesSay) {
  struct Row {
    std::uint64_t days, slots, discarded;
  };
  for (const Row row :
       {Row{28, 8064, 403}, Row{29, 8352, 417}, Row{30, 8640, 432}, Row{31, 8928, 446}}) {
    EXPECT_EQ(row.days * 288, row.slots);
    EXPECT_EQ(row.slots - p95_rank(row.slots), row.discarded);
  }
  for (std::uint64_t n = 1; n < 20'000; ++n) EXPECT_EQ(n - p95_rank(n), 5 * n / 100) << n;
}

/// The rules once more, as plainly as can be: every slot a number, or nothing.
struct Naive {
  std::vector<std::optional<u128>> in, out;

  static u128 percentile(std::vector<u128> values) {
    std::sort(values.begin(), values.end());
    if (values.empty()) return 0;
    std::size_t drop = values.size() * 5 / 100;
    return values[values.size() - drop - 1];
  }
  static u128 bill(const std::vector<std::optional<u128>>& slots, Missing missing) {
    std::vector<u128> values;
    for (const auto& slot : slots) {
      if (slot) values.push_back(*slot);
      if (!slot && missing == Missing::zero) values.push_back(0);
    }
    return percentile(values);
  }
  [[nodiscard]] u128 bill(Direction direction, Missing missing) const {
    if (direction == Direction::in) return bill(in, missing);
    if (direction == Direction::out) return bill(out, missing);
    if (direction == Direction::max_of_p95) return std::max(bill(in, missing), bill(out, missing));
    std::vector<std::optional<u128>> both;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const u128 a = in[i].value_or(0), b = out[i].value_or(0);
      const bool sum = direction == Direction::p95_of_sum;
      both.push_back(in[i] || out[i] ? std::optional<u128>(sum ? a + b : std::max(a, b))
                                     : std::nullopt);
    }
    return bill(both, missing);
  }
};

TEST(Measure, P95AgreesWithANaiveModel) {
  std::mt19937_64 random(20261122);
  for (int round = 0; round < 300; ++round) {
    const auto n = static_cast<std::int64_t>(random() % 400);
    OwnedSeries in = series_of("rx", n), out = series_of("tx", n);
    Naive naive;
    for (OwnedSeries* series : {&in, &out}) {
      auto& slots = series == &in ? naive.in : naive.out;
      for (std::int64_t i = 0; i < n; ++i) {
        const u128 amount = random() % 1'000'000'000;
        const auto kind = random() % 10;
        if (kind == 0) {
          slots.emplace_back();
        } else if (kind == 1) {
          const auto covered = static_cast<Ns>(random() % kSlot);
          put(*series, i, amount, covered);
          slots.push_back(covered * 2 < kSlot ? std::nullopt
                                              : std::optional(amount * static_cast<u128>(kSlot) /
                                                              static_cast<u128>(covered)));
        } else {
          put(*series, i, amount, kSlot);
          slots.emplace_back(amount);
        }
      }
    }
    for (const Direction d : {Direction::in, Direction::out, Direction::max_of_p95,
                              Direction::p95_of_sum, Direction::p95_of_max}) {
      for (const Missing missing : {Missing::exclude, Missing::zero}) {
        const Meter meter = p95_meter(d, missing);
        const MeterInput input{{&in}, {&out}, {}};
        if (n == 0) continue;
        const Measured m = measure(meter, input, period_of(n), "UTC", kSlot);
        EXPECT_EQ(m.base, Rational(naive.bill(d, missing))) << direction_name(d) << n;
        EXPECT_LE(m.base_low, m.base);
        EXPECT_GE(m.base_high.value_or(m.base), m.base);
        EXPECT_EQ(m.slots, static_cast<std::uint64_t>(n));
        EXPECT_EQ(m.quantity(), m.base * Rational(8) / Rational(300));
      }
    }
  }
}

TEST(Measure, ABoundOfP95HoldsWhateverTheMissingSlotsHeld) {
  OwnedSeries out = series_of("tx", 100);
  for (std::int64_t i = 0; i < 100; ++i) {
    if (i % 25 != 0) put(out, i, static_cast<u128>(i + 1), kSlot);  // 0, 25, 50, 75 are missing
  }
  const MeterInput input{{}, {&out}, {}};
  const Meter meter = p95_meter(Direction::out, Missing::exclude);
  Measured m = measure(meter, input, period_of(100), "UTC", kSlot);
  EXPECT_EQ(m.base.exact(), "96");  // of 96 slots, 4 are discarded
  EXPECT_EQ(m.base_low.exact(), "95");
  ASSERT_TRUE(m.base_high.has_value());
  EXPECT_EQ(m.base_high->exact(), "99");
  EXPECT_EQ(m.coverage.floored(6), "0.960000");
  EXPECT_EQ(m.missing, 4U);

  Pieces spread;
  for (Piece piece : out.pieces) {
    piece.estimated = piece.slot % 10 == 0 ? kSlot : 0;
    spread.push_back(piece);
  }
  out.pieces = spread;
  m = measure(meter, input, period_of(100), "UTC", kSlot);
  EXPECT_FALSE(m.base_high.has_value()) << "more is missing than is discarded";
  EXPECT_EQ(m.coverage.floored(6), "0.960000");
}

TEST(Measure, SpreadSlotsCountByTheRuleOfTheMeter) {
  OwnedSeries out = series_of("tx", 20);
  for (std::int64_t i = 0; i < 20; ++i) put(out, i, i < 10 ? 5 : 100, kSlot, i < 10 ? 0 : kSlot);
  const MeterInput input{{}, {&out}, {}};
  const auto bill = [&](Missing missing) {
    return measure(p95_meter(Direction::out, missing), input, period_of(20), "UTC", kSlot)
        .base.exact();
  };
  EXPECT_EQ(bill(Missing::exclude), "5");
  EXPECT_EQ(bill(Missing::zero), "5");
  EXPECT_EQ(bill(Missing::spread), "100");
}

TEST(Measure, VolumeIsExactBeyond64Bits) {
  Meter meter;
  meter.unit = *unit_named("GB");
  meter.out = "tx";
  OwnedSeries out = series_of("tx", 4);
  const u128 huge = ~std::uint64_t{0};
  for (std::int64_t i = 0; i < 4; ++i) put(out, i, huge, kSlot);
  const Measured m = measure(meter, {{}, {&out}, {}}, period_of(4), "UTC", kSlot);
  EXPECT_EQ(m.base.exact(), "73786976294838206460");
  EXPECT_EQ(m.quantity().text(9), "73786976294.83820646");
  EXPECT_EQ(m.base_high, m.base);
}

TEST(Measure, NothingKnownIsZeroBilledWithoutAnUpperBound) {
  for (const Measure which : {Measure::volume, Measure::p95, Measure::time_weighted}) {
    Meter meter = p95_meter(Direction::out, Missing::zero);
    meter.measure = which;
    OwnedSeries held = series_of("tx", 5);
    for (const MeterInput& input : {MeterInput{}, MeterInput{{}, {&held}, {}}}) {
      const Measured m = measure(meter, input, period_of(5), "UTC", kSlot);
      EXPECT_TRUE(m.base.zero());
      EXPECT_FALSE(m.base_high.has_value()) << measure_name(which);
      EXPECT_EQ(m.coverage.floored(6), "0.000000");
    }
  }
}

TEST(Measure, StorageIsBytesTimesTimeOverTheHoursOfTheMonth) {
  Meter meter;
  meter.measure = Measure::time_weighted;
  meter.metric = "held";
  meter.unit = *unit_named("GiB-month");
  const Period march = *period_named({}, "Europe/Berlin", "2026-03");
  OwnedSeries held;
  held.key = {"ceph", wire::Scope::shared, "held", "bytes", wire::Kind::gauge, {}};
  held.views = {"a/ceph"};
  held.held = {{march.start, march.end}};
  const u128 gib = u128{1} << 30U;
  for (Ns at = march.start; at < march.end - 5 * kHour; at += kHour) {
    held.pieces.push_back({at / kHour, at, at + kHour, 3 * gib * kHour, kHour, 0, 3U << 30U, 0});
  }
  const MeterInput input{{}, {&held}, {}};
  Measured m = measure(meter, input, march, "Europe/Berlin", kHour);
  EXPECT_EQ(m.quantity(), Rational(3 * 738, 743));
  ASSERT_TRUE(m.high().has_value());
  EXPECT_EQ(*m.high(), Rational(3)) << "what is unknown, at its peak";
  meter.hours = Hours::fixed_730;
  m = measure(meter, input, march, "Europe/Berlin", kHour);
  EXPECT_EQ(m.quantity(), Rational(3 * 738, 730));
}

/// Given a gauge that was absent for a while and unknown for the rest, then nothing bounds it.
TEST(Measure, AGaugeHalfAbsentHalfUnknownHasNoUpperBound) {
  Meter meter;
  meter.measure = Measure::time_weighted;
  meter.metric = "held";
  meter.unit = *unit_named("GiB-month");
  OwnedSeries held = series_of("held", 4);
  const auto absent = [&](Ns of) {
    const std::int64_t slot = kStart / kSlot;
    held.pieces = {};
    held.pieces.push_back({slot, kStart, kStart + kSlot, 0, kSlot, 0, 0, 0, of});
  };
  absent(kSlot);
  const MeterInput input{{}, {&held}, {}};
  EXPECT_EQ(measure(meter, input, period_of(4), "UTC", kSlot).base_high, std::nullopt);
  absent(kSlot - 1);
  EXPECT_TRUE(measure(meter, input, period_of(4), "UTC", kSlot).base_high) << "read: nothing held";
  absent(kSlot);
  held.held = {{kStart, kStart + kSlot}};
  EXPECT_TRUE(measure(meter, input, period_of(4), "UTC", kSlot).base_high) << "absent throughout";
}

TEST(Measure, RefusesSeriesThatAMeterCannotRead) {
  OwnedSeries good = series_of("tx", 1), coarse = good, gauge = good, packets = good;
  coarse.resolution = kHour;
  gauge.key.kind = wire::Kind::gauge;
  packets.key.unit = "packets";
  const std::vector<OwnedSeries> all{good, coarse, gauge, packets};
  const MeterInput input = select(p95_meter(Direction::out, Missing::zero), all, kSlot);
  EXPECT_EQ(input.out.size(), 1U);
  EXPECT_EQ(input.errors.size(), 3U);
}

TEST(Claims, OneViewOfASharedSourceIsBilledPerSlot) {
  const Catalogue c = catalogue_of("[resource.match]\nsource = \"*\"\n");
  ViewUsage b = view_of("b", {slot_of(0, 100), slot_of(1, 100, kSlot / 2), slot_of(2, 100)});
  ViewUsage a = view_of("a", {slot_of(0, 90), slot_of(1, 90), slot_of(3, 90)});
  const std::vector<ViewUsage> usage{b, a};
  const Attribution out = attribute(c, {"p", kStart, kStart + 4 * kSlot}, kSlot, usage);
  ASSERT_EQ(out.customers[0].size(), 1U);
  const OwnedSeries& series = out.customers[0][0];
  u128 sum = 0;
  for (const Piece& piece : series.pieces) sum += piece.amount;
  EXPECT_EQ(to_decimal(sum), "370");  // a, a, b, a
  EXPECT_EQ(series.covered_ns(), 4 * kSlot);
  EXPECT_EQ(series.views, (std::vector<std::string>{"a/netif", "b/netif"}));
}

/// Given a view that read a series and one that says it does not exist, then what was read counts.
TEST(Claims, AKnownAbsenceDoesNotBeatAnotherViewsReadings) {
  const Catalogue c = catalogue_of("[resource.match]\nsource = \"*\"\n");
  ViewUsage b = view_of(
      "b", {slot_of(0, 1000), slot_of(1, 1000), slot_of(2, 1000, kSlot / 3), slot_of(3, 1000, 1)});
  ViewUsage a = view_of("a", {slot_of(3, 7, 1)});
  a.absent = {{kStart, kStart + 4 * kSlot}};
  const std::vector<ViewUsage> usage{a, b};
  const Attribution out = attribute(c, {"p", kStart, kStart + 4 * kSlot}, kSlot, usage);
  ASSERT_EQ(out.customers[0].size(), 1U);
  u128 sum = 0;
  for (const Piece& piece : out.customers[0][0].pieces) sum += piece.amount;
  EXPECT_EQ(to_decimal(sum), "3007")
      << "as much was read by both in the last one: coverage decides";
}

TEST(Claims, AResourceThatMovesSplitsAtTheInstantAndNothingIsLost) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    const Ns moved = kStart + static_cast<Ns>(random() % (4 * kSlot));
    const std::string when = to_rfc3339(moved);
    const Catalogue c = catalogue_of("to = " + when + "\n[resource.match]\nsource = \"*\"\n" +
                                     "[[resource]]\ncustomer = \"other\"\nfrom = " + when +
                                     "\n[resource.match]\nsource = \"*\"\n");
    std::vector<SlotUsage> slots;
    u128 total = 0;
    for (std::int64_t i = 0; i < 4; ++i) {
      slots.push_back(slot_of(i, random() % 1000));
      total += slots.back().amount;
    }
    const std::vector<ViewUsage> usage{view_of("a", slots)};
    const Attribution out = attribute(c, {"p", kStart, kStart + 4 * kSlot}, kSlot, usage);
    u128 sum = 0;
    Ns held = 0;
    for (const auto& customer : out.customers) {
      for (const OwnedSeries& series : customer) {
        held += series.held_ns();
        for (const Piece& piece : series.pieces) sum += piece.amount;
      }
    }
    EXPECT_EQ(to_decimal(sum), to_decimal(total));
    EXPECT_EQ(held, 4 * kSlot);
    EXPECT_EQ(to_decimal(out.unattributed.at(0).amount), "0");
  }
}

TEST(Claims, WhatTwoClaimIsBilledToNeither) {
  const Catalogue c = catalogue_of(
      "[resource.match]\nsource = \"*\"\n[[resource]]\ncustomer = \"other\"\n"
      "[resource.match]\nmetric = \"tx\"\n");
  const std::vector<ViewUsage> usage{view_of("a", {slot_of(0, 100)})};
  const Attribution out = attribute(c, {"p", kStart, kStart + kSlot}, kSlot, usage);
  EXPECT_TRUE(out.customers[0].empty() && out.customers[1].empty());
  EXPECT_EQ(to_decimal(out.unattributed.at(0).amount), "100");
  ASSERT_EQ(out.conflicts.size(), 1U);
}

TEST(Claims, AKnownAbsenceIsCoveredAndARenameLosesNothing) {
  const Catalogue c = catalogue_of("[resource.match]\ninterface = \"eth*\"\n");
  ViewUsage view = view_of("a", {slot_of(0, 100), slot_of(1, 50, kSlot / 4)});
  view.info = {{kStart, {{"interface", "eth0"}}}, {kStart + 7, {{"interface", "eth1"}}}};
  view.absent = {{kStart + kSlot + kSlot / 4, kStart + 4 * kSlot}};
  const std::vector<ViewUsage> usage{view};
  const Attribution out = attribute(c, {"p", kStart, kStart + 4 * kSlot}, kSlot, usage);
  ASSERT_EQ(out.customers[0].size(), 1U);
  EXPECT_EQ(out.customers[0][0].covered_ns(), 4 * kSlot);
  EXPECT_EQ(out.customers[0][0].held.size(), 1U);
}

}  // namespace
}  // namespace tallyman::rater
