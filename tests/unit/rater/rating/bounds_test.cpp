// Given a counter that grows when it likes and is read when it may be, then the bounds of a volume
// hold what truly grew within what is held, wherever periods, owners and plans cut what was read.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "rater/rating/measure.hpp"
#include "rater/rating/segment.hpp"
#include "usage_maker.hpp"
#include "wire/batch.hpp"

namespace tallyman::rater {
namespace {

using testing::kStart;

constexpr Ns kShort = kMinute;  ///< a slot
constexpr std::int64_t kSlots = 20;
constexpr Ns kLong = kSlots * kShort;  ///< a period

Meter volume_meter() {
  Meter meter;
  meter.id = "transfer";
  meter.measure = Measure::volume;
  meter.out = "tx";
  meter.unit = *unit_named("GB");
  return meter;
}

/// A counter by what it truly did.
struct Truth {
  std::map<Ns, std::uint64_t> growth;

  [[nodiscard]] std::uint64_t within(Ns from, Ns to) const {
    std::uint64_t sum = 0;
    for (auto at = growth.lower_bound(from); at != growth.end() && at->first < to; ++at) {
      sum += at->second;
    }
    return sum;
  }
  [[nodiscard]] u128 within(const std::vector<Span>& spans) const {
    u128 sum = 0;
    for (const Span& span : spans) sum += within(span.from, span.to);
    return sum;
  }
};

/// One agent that reads the counter "tx" of the shared source "s".
class Witness {
 public:
  explicit Witness(const std::string& agent) : usage_(testing::view_of(agent, {})) {
    deriver_ = std::make_unique<Deriver>(agent, kShort);
    define({1, wire::InstanceDef{"netif", "netif", "1", {}, 10 * kSecond}});
    define({2, wire::SourceDef{wire::Scope::shared, "s"}});
    define({3, wire::MetricDef{"tx", "bytes", "", wire::Kind::counter, 0, {}, {}}});
    define({4, wire::SeriesDef{2, 3, {}}});
    begin(0);
  }
  /// Another epoch, zero at an instant; 0: nobody knows when.
  void begin(Ns start) { define({++epoch_, wire::EpochDef{4, epoch_, start}}); }
  void read(Ns at, std::uint64_t value) {
    wire::Poll poll;
    poll.instance = 1;
    poll.scheduled = poll.wall = at;
    poll.values = {{epoch_, value, 0}};
    wire::Batch batch;
    batch.entries.emplace_back(std::move(poll));
    deriver_->apply(1, batch);
  }
  ViewUsage usage() {
    SlotArray slots(kShort);
    const Derived derived = deriver_->take();
    for (const auto& each : derived.usage) slots.add(each.usage);
    usage_.slots = slots.list();
    return usage_;
  }

 private:
  void define(const wire::Definition& definition) { deriver_->define(1, definition); }
  std::unique_ptr<Deriver> deriver_;
  wire::DefNo epoch_ = 10;
  ViewUsage usage_;
};

Catalogue two_customers() {
  Catalogue catalogue;
  catalogue.zone = "UTC";
  catalogue.period.length = kLong;
  for (const char* id : {"a", "b"}) {
    Customer customer;
    customer.id = id;
    customer.zone = "UTC";
    customer.plans = {{"p", kAlways, kForever}};
    catalogue.customers.push_back(customer);
  }
  return catalogue;
}

Period period_at(std::int64_t n) { return {"p", kStart + n * kLong, kStart + (n + 1) * kLong}; }

Measured volume_of(const std::vector<OwnedSeries>& owned, const Period& period,
                   const std::vector<Span>& cut = {}) {
  const Meter meter = volume_meter();
  const MeterInput input = select(meter, owned, kShort);
  if (cut.empty()) return measure(meter, input, period, "UTC", kShort);
  return measure(meter, CutInput(input, cut).view(), period, "UTC", kShort);
}

/// What one customer holds of the whole series in a period.
Measured whole(const std::vector<ViewUsage>& usage, const Period& period) {
  Catalogue catalogue = two_customers();
  catalogue.resources.push_back({"a", {}, kAlways, kForever});
  return volume_of(attribute(catalogue, period, kShort, usage).customers[0], period);
}

// Given an interval of a hundred seconds over a period's end, sixty of them after it, then both
// periods' quantities may be off by what is counted of it on either side, and their sum is exact.
TEST(VolumeBounds, HoldAnIntervalOverAPeriodsEnd) {
  Witness witness("z");
  const Ns end = kStart + kLong;
  witness.read(kStart, 1000);
  witness.read(end - 40 * kSecond, 2000);
  witness.read(end + 60 * kSecond, 3000);
  witness.read(end + kLong, 3500);
  const std::vector<ViewUsage> usage{witness.usage()};
  const Measured first = whole(usage, period_at(0)), second = whole(usage, period_at(1));
  EXPECT_EQ(first.base, Rational(1400));
  EXPECT_EQ(first.base_low, Rational(1000));
  EXPECT_EQ(first.base_high, Rational(2000));
  EXPECT_EQ(second.base, Rational(1100));
  EXPECT_EQ(second.base_low, Rational(500));
  EXPECT_EQ(second.base_high, Rational(1500));
}

// Given a reading at the very end, then nothing is in doubt, whatever lies between the others.
TEST(VolumeBounds, AreExactWhereAReadingStands) {
  Witness witness("z");
  const Ns end = kStart + kLong;
  for (const Ns at : {kStart, kStart + 7 * kMinute + 13 * kSecond, end, end + 400 * kSecond}) {
    witness.read(at, static_cast<std::uint64_t>(at - kStart) / 1'000'000);
  }
  const Measured first = whole({witness.usage()}, period_at(0));
  EXPECT_EQ(first.base, Rational(static_cast<u128>(kLong / 1'000'000)));
  EXPECT_EQ(first.base_low, first.base);
  EXPECT_EQ(first.base_high, first.base);
}

// Given two epochs whose intervals cross one end, then both are in doubt, added up.
TEST(VolumeBounds, AddUpEpochsThatCrossOneEnd) {
  Witness witness("z");
  const Ns end = kStart + kLong;
  witness.begin(kStart);
  witness.read(end + 10 * kSecond, 12'100);
  witness.begin(end - 30 * kSecond);
  witness.read(end + 30 * kSecond, 600);
  const Measured first = whole({witness.usage()}, period_at(0));
  EXPECT_EQ(first.base, Rational(12'000 + 300));
  EXPECT_EQ(first.base_low, Rational(0));
  EXPECT_EQ(first.base_high, Rational(12'100 + 600));
}

// Given sums that no number holds, then nobody can say.
TEST(VolumeBounds, SayNothingBeyondWhatIsCounted) {
  std::vector<SlotUsage> slots;
  for (std::int64_t n = 0; n < kSlots; ++n) slots.push_back({kStart / kShort + n, 5, kShort});
  SlotUsage behind{kStart / kShort + kSlots};
  behind.before = kNoEnd;
  slots.push_back(behind);
  const Measured m = whole({testing::view_of("z", slots)}, period_at(0));
  EXPECT_EQ(m.base, Rational(100));
  EXPECT_EQ(m.base_low, Rational(0));
  EXPECT_FALSE(m.base_high.has_value());
}

/// Random growth, readings and owners. In an exact one all stand at the slots' starts.
class Random {
 public:
  Random(std::uint64_t seed, bool exact) : random_(seed), exact_(exact) {}
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(n));
  }
  bool one_in(std::int64_t n) { return below(n) == 0; }
  Ns instant() {
    const Ns at = kStart + below(2 * kSlots) * kShort;
    return exact_ || one_in(2) ? at : at + below(kShort);
  }

  Truth truth() {
    Truth truth;
    for (std::int64_t n = 200 + below(400); n > 0; --n) {
      truth.growth[kStart - 3 * kShort + below(2 * kLong + 6 * kShort)] +=
          static_cast<std::uint64_t>(below(one_in(9) ? 1'000'000 : 1000));
    }
    return truth;
  }

  /// Reads from before the first period until after the second one, now and then after a reset.
  ViewUsage witness(const std::string& agent, const Truth& truth) {
    Witness witness(agent);
    const Ns step = one_in(3) ? 200 * kShort / 100 : kShort / (1 + below(9));
    Ns zero = kStart - 3 * kShort, at = zero;
    for (const Ns until = kStart + 2 * kLong + 2 * kShort; at < until;) {
      witness.read(at, truth.within(zero, at));
      Ns next = at + 1 + below(one_in(8) ? 5 * kShort : step);
      if (exact_) next = (at / kShort + 1) * kShort;
      if (!exact_ && one_in(60)) {
        zero = at + below(next - at);
        witness.begin(zero);
      }
      at = next;
    }
    return witness.usage();
  }

  Catalogue catalogue() {
    Catalogue catalogue = two_customers();
    for (Customer& customer : catalogue.customers) {
      const Ns change = instant();
      customer.plans = {{"p", kAlways, change}, {"q", change, kForever}};
      if (one_in(4)) customer.from = instant();
    }
    const Ns moves = instant();
    catalogue.resources = {{"a", {}, kAlways, moves}, {"b", {}, moves, kForever}};
    if (one_in(3)) catalogue.resources.pop_back();
    return catalogue;
  }

  std::vector<Waiver> waivers() {
    if (!one_in(3)) return {};
    Waiver waiver;
    waiver.customer = one_in(2) ? "a" : "b";
    waiver.from = instant();
    waiver.to = waiver.from + (exact_ ? 3 * kShort : 1 + below(4 * kShort));
    return {waiver};
  }

 private:
  std::mt19937_64 random_;
  bool exact_;
};

/// What is counted lies within its bounds, and so does what truly grew.
void expect_bounds(const Measured& m, u128 truth, bool exact) {
  const auto high = m.base_high;
  EXPECT_LE(m.base_low, m.base);
  EXPECT_LE(m.base_low, Rational(truth));
  if (high) {
    EXPECT_GE(*high, m.base);
    EXPECT_GE(*high, Rational(truth));
  }
  EXPECT_EQ(high.has_value(), m.coverage == Rational(1));
  if (!exact) return;
  EXPECT_EQ(m.base_low, m.base);
  EXPECT_EQ(m.base_high, m.base);
}

std::vector<Span> spans_of(const std::vector<OwnedSeries>& owned, Ns from, Ns to) {
  std::vector<Span> out;
  for (const OwnedSeries& series : owned) {
    for (const Span& span : series.held) {
      const Span part{std::max(span.from, from), std::min(span.to, to)};
      if (part.from < part.to) out.push_back(part);
    }
  }
  return out;
}

void check_customer(const Customer& customer, const std::vector<OwnedSeries>& owned,
                    const Period& period, const Truth& truth, bool exact) {
  if (owned.empty() || owned.front().held.empty()) return;
  expect_bounds(volume_of(owned, period), truth.within(owned.front().held), exact);
  std::vector<Span> both;
  for (const PlanSpan& plan : customer.plans) {
    const Span part{std::max(plan.from, period.start), std::min(plan.to, period.end)};
    const std::vector<Span> held = spans_of(owned, part.from, part.to);
    if (part.from >= part.to || held.empty()) continue;
    const Measured m = volume_of(owned, period, {part});
    expect_bounds(m, truth.within(held), exact);
    both.push_back(part);
  }
  // Plans that follow each other cut nothing off.
  const Measured whole = volume_of(owned, period), again = volume_of(owned, period, both);
  EXPECT_EQ(again.base, whole.base);
  EXPECT_EQ(again.base_low, whole.base_low);
  EXPECT_EQ(again.base_high, whole.base_high);
}

TEST(VolumeBounds, HoldTheTruth) {
  std::set<bool> bounded;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    const bool exact = seed % 10 == 0;
    Random random(seed, exact);
    const Truth truth = random.truth();
    std::vector<ViewUsage> usage{random.witness("z", truth)};
    if (random.one_in(2)) usage.push_back(random.witness("y", truth));
    const Catalogue catalogue = random.catalogue();
    const std::vector<Waiver> waivers = random.waivers();
    for (const std::int64_t n : {0, 1}) {
      const Period period = period_at(n);
      const Attribution found = attribute(catalogue, period, kShort, usage, kForever, waivers);
      ASSERT_TRUE(conserved(found.totals).ok());
      for (std::size_t c = 0; c < catalogue.customers.size(); ++c) {
        check_customer(catalogue.customers[c], found.customers[c], period, truth, exact);
        if (!found.customers[c].empty()) {
          bounded.insert(volume_of(found.customers[c], period).base_high.has_value());
        }
      }
    }
  }
  EXPECT_EQ(bounded.size(), 2U);
}

// Given a cut where no plan ends, then the bounds hold the truth all the same.
TEST(VolumeBounds, ACutElsewhereHoldsTheTruth) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed, false);
    const Truth truth = random.truth();
    Catalogue catalogue = two_customers();
    catalogue.resources.push_back({"a", {}, kAlways, kForever});
    const auto owned =
        attribute(catalogue, period_at(0), kShort, std::vector{random.witness("z", truth)})
            .customers[0];
    const Ns from = kStart + random.below(kLong);
    const Span part{from, from + 1 + random.below(kStart + kLong - from)};
    const auto held = spans_of(owned, part.from, part.to);
    if (held.empty()) continue;
    expect_bounds(volume_of(owned, period_at(0), {part}), truth.within(held), false);
  }
}

}  // namespace
}  // namespace tallyman::rater
