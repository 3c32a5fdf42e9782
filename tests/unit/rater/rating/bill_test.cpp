// Given usage and a contract, then allowance, rules, tiers and plans that change give the figures
// of one record, exactly.

#include "rater/rating/bill.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/time_text.hpp"
#include "rater/rating/close.hpp"

namespace tallyman::rater {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr Ns kSlot = 5 * kMinute;

Ns at(const std::string& text) { return from_rfc3339(text).value(); }

/// One customer `acme` that holds everything; the rest by the test.
Catalogue catalogue_of(const std::string& text, const std::string& customer = "plan = \"p\"\n") {
  app::ConfigErrors errors;
  Catalogue c = parse_catalogue(text + "[[customer]]\nid = \"acme\"\n" + customer +
                                    "[[resource]]\ncustomer = \"acme\"\n[resource.match]\n"
                                    "source = \"*\"\n",
                                "c", kSlot, errors);
  EXPECT_EQ(errors.text(), "");
  return c;
}

ViewUsage view_of(const std::string& metric, wire::Kind kind, std::vector<SlotUsage> slots,
                  const std::string& port = "1") {
  ViewUsage view;
  view.view = {{"s", wire::Scope::shared, metric, "bytes", kind, {{"port", port}}}, "a", "x"};
  view.slots = std::move(slots);
  return view;
}

/// `value(i)` in every slot of [from, to).
template <typename Value>
std::vector<SlotUsage> slots_of(Ns from, Ns to, Value&& value, bool gauge = false) {
  std::vector<SlotUsage> slots;
  for (std::int64_t i = from / kSlot; i < to / kSlot; ++i) {
    const auto v = static_cast<std::uint64_t>(value(i - from / kSlot));
    slots.push_back({i, gauge ? u128{v} * kSlot : v, kSlot, 0, gauge ? v : 0});
  }
  return slots;
}

UsageRecord only(const Catalogue& c, const std::string& period,
                 const std::vector<ViewUsage>& usage) {
  const Rating rating = rate(c, *period_named(c.period, c.zone, period), kSlot, usage, {});
  EXPECT_THAT(rating.records, SizeIs(1));
  return rating.records.empty() ? UsageRecord{} : rating.records.front();
}

constexpr const char* kVolume =
    "[[meter]]\nid = \"m\"\nmeasure = \"volume\"\nout = \"tx\"\ndirection = \"out\"\nunit = "
    "\"B\"\n";
constexpr const char* kRate =
    "[[meter]]\nid = \"m\"\nmeasure = \"p95\"\nout = \"tx\"\ndirection = \"out\"\nunit = "
    "\"bit/s\"\n";

std::string plan(const std::string& id, const std::string& item, const std::string& more = "") {
  return "[[plan]]\nid = \"" + id + "\"\n" + more + "[[plan.item]]\nmeter = \"m\"\n" + item;
}

constexpr const char* kChange =
    "[[customer.plans]]\nplan = \"p\"\n[[customer.plans]]\nplan = \"q\"\n"
    "from = 2026-04-11T00:00:00Z\n";

/// Given a plan that changes after ten of thirty days, then each part has a third and two thirds of
/// its allowance, its own usage and its own price, and one amount is rounded.
TEST(Bill, AVolumeAcrossTwoPlansHasTwoSegments) {
  const Catalogue c = catalogue_of(kVolume + plan("p", "allowance = \"300\"\nprice = \"0.011\"\n") +
                                       plan("q", "allowance = \"600\"\nprice = \"0.002\"\n"),
                                   kChange);
  const std::vector<ViewUsage> usage{
      view_of("tx", wire::Kind::counter,
              slots_of(at("2026-04-01T00:00:00Z"), at("2026-05-01T00:00:00Z"),
                       [](auto i) { return i % 2; }))};
  const UsageRecord r = only(c, "2026-04", usage);
  ASSERT_THAT(r.segments, SizeIs(2));
  const Segment &first = r.segments[0], &second = r.segments[1];
  EXPECT_EQ(first.plan, "p");
  EXPECT_EQ(first.active.to, at("2026-04-11T00:00:00Z"));
  EXPECT_EQ(first.share, "1/3");
  EXPECT_EQ(first.quantity.billed, "1440");
  EXPECT_EQ(first.allowance, "100");
  EXPECT_EQ(first.overuse, "1340");
  EXPECT_EQ(first.amount, "14.74");
  EXPECT_EQ(second.plan, "q");
  EXPECT_EQ(second.quantity.billed, "2880");
  EXPECT_EQ(second.allowance, "400");
  EXPECT_EQ(second.amount, "4.96");
  EXPECT_EQ(r.plan, "q");
  EXPECT_EQ(r.quantity.billed, "4320");
  EXPECT_EQ(r.base.billed, "4320");
  EXPECT_EQ(r.allowance, "500");
  EXPECT_EQ(r.overuse, "3820");
  EXPECT_EQ(r.coverage, "1.000000");
  EXPECT_EQ(r.money->amount, "19.70");
  EXPECT_EQ(r.money->price, "");
  EXPECT_EQ(r.money->low, "19.70");
  EXPECT_EQ(r.money->high, "19.70");
}

/// Given a rate across two plans, then each part has a p95 of its own, whole commits and a part of
/// the charge; or the p95 of the whole time in both, if the meter says so.
TEST(Bill, ARateAcrossTwoPlansHasSegmentsOrOneP95) {
  const std::string plans = plan("p", "allowance = \"100\"\nprice = \"3\"\n") +
                            plan("q", "allowance = \"40\"\nprice = \"1.5\"\n");
  // 75 bytes a slot are 2 bit/s.
  const std::vector<ViewUsage> usage{
      view_of("tx", wire::Kind::counter,
              slots_of(at("2026-04-01T00:00:00Z"), at("2026-05-01T00:00:00Z"),
                       [](auto i) { return i < 2880 ? 75 * 80 : 75 * 30; }))};
  UsageRecord r = only(catalogue_of(kRate + plans, kChange), "2026-04", usage);
  ASSERT_THAT(r.segments, SizeIs(2));
  EXPECT_EQ(r.segments[0].quantity.billed, "160");
  EXPECT_EQ(r.segments[0].slots, 2880U);
  EXPECT_EQ(r.segments[0].overuse, "60");
  EXPECT_EQ(r.segments[0].amount, "60");
  EXPECT_EQ(r.segments[1].quantity.billed, "60");
  EXPECT_EQ(r.segments[1].overuse, "20");
  EXPECT_EQ(r.segments[1].amount, "20");
  EXPECT_EQ(r.money->amount, "80.00");
  EXPECT_EQ(r.quantity.billed, "160") << "of the whole time";
  EXPECT_EQ(r.allowance, "60");
  EXPECT_EQ(r.overuse, "33.333333333");

  const std::string whole = std::string(kRate) + "plan_change = \"whole\"\n";
  r = only(catalogue_of(whole + plans, kChange), "2026-04", usage);
  EXPECT_EQ(r.segments[1].quantity.billed, "160");
  EXPECT_EQ(r.segments[1].slots, 8640U);
  EXPECT_EQ(r.segments[1].amount, "120");
  EXPECT_EQ(r.money->amount, "180.00");
}

/// Given a plan without the meter for a while, then what was used meanwhile is not billed.
TEST(Bill, TimeWithoutTheMeterIsNotBilled) {
  const Catalogue c = catalogue_of(
      kVolume + plan("p", "allowance = \"30\"\nprice = \"1\"\n") + "[[plan]]\nid = \"none\"\n",
      "[[customer.plans]]\nplan = \"p\"\n[[customer.plans]]\nplan = \"none\"\n"
      "from = 2026-04-11T00:00:00Z\n[[customer.plans]]\nplan = \"p\"\n"
      "from = 2026-04-21T00:00:00Z\n");
  const std::vector<ViewUsage> usage{view_of(
      "tx", wire::Kind::counter,
      slots_of(at("2026-04-01T00:00:00Z"), at("2026-05-01T00:00:00Z"), [](auto) { return 1; }))};
  const UsageRecord r = only(c, "2026-04", usage);
  ASSERT_THAT(r.segments, SizeIs(2));
  EXPECT_EQ(r.quantity.billed, "5760");
  EXPECT_EQ(r.base.billed, "5760");
  EXPECT_EQ(r.allowance, "20");
  EXPECT_EQ(r.coverage, "1.000000");
  EXPECT_EQ(r.active.from, at("2026-04-01T00:00:00Z"));
  EXPECT_EQ(r.active.to, at("2026-05-01T00:00:00Z"));
}

/// Given prices in tiers and a part of a period, then bounds of volumes are prorated and told.
TEST(Bill, TiersArePutOnTheRecord) {
  const std::string tiers =
      "allowance = \"300\"\npricing = \"graduated\"\n[[plan.item.tier]]\nup_to = \"3000\"\nprice = "
      "\"0.01\"\n[[plan.item.tier]]\nprice = \"0.001\"\n";
  const Catalogue c = catalogue_of(kVolume + plan("p", tiers, "rounding = \"up\"\n"),
                                   "plan = \"p\"\nfrom = 2026-04-21T00:00:00Z\n");
  const std::vector<ViewUsage> usage{view_of(
      "tx", wire::Kind::counter,
      slots_of(at("2026-04-01T00:00:00Z"), at("2026-05-01T00:00:00Z"), [](auto) { return 1; }))};
  const UsageRecord r = only(c, "2026-04", usage);
  ASSERT_THAT(r.segments, SizeIs(1));
  const Segment& s = r.segments[0];
  EXPECT_EQ(s.allowance, "100");
  EXPECT_EQ(s.overuse, "2780");
  EXPECT_EQ(s.pricing, "graduated");
  EXPECT_THAT(s.tiers,
              ElementsAre(TierLine{"1000", "0.01", "10"}, TierLine{"1780", "0.001", "1.78"}));
  EXPECT_EQ(s.amount, "11.78");
  EXPECT_EQ(r.money->amount, "11.78");
  EXPECT_EQ(r.money->rounding, "up");
  EXPECT_EQ(r.money->price, "");
}

TEST(Bill, RulesOfTheMeterApplyBeforeTheAllowance) {
  const std::string rules = "increment = \"10\"\nminimum = \"50\"\ncap = \"100\"\n";
  const Catalogue c =
      catalogue_of(kRate + rules + plan("p", "allowance = \"40\"\nprice = \"1\"\n"));
  const auto billed = [&](std::uint64_t bytes) {
    return only(c, "2026-04",
                {view_of("tx", wire::Kind::counter,
                         slots_of(at("2026-04-01T00:00:00Z"), at("2026-05-01T00:00:00Z"),
                                  [&](auto) { return bytes; }))});
  };
  UsageRecord r = billed(75 * 31);  // 62 bit/s
  EXPECT_EQ(r.measured.billed, "62");
  EXPECT_EQ(r.quantity.billed, "70");
  EXPECT_EQ(r.quantity.low, "70");
  EXPECT_EQ(r.overuse, "30");
  EXPECT_THAT(r.segments[0].rules, ElementsAre(RuleStep{"increment", "10", "62", "70"},
                                               RuleStep{"minimum", "50", "70", "70"},
                                               RuleStep{"cap", "100", "70", "70"}));
  EXPECT_EQ(billed(75 * 60).quantity.billed, "100");
  EXPECT_EQ(billed(0).quantity.billed, "50");
  EXPECT_EQ(billed(0).money->amount, "10.00");
}

/// Given half a period, then minimum and cap of a volume are halved, those of a rate are not.
TEST(Bill, MinimumAndCapAreProratedWhereTheAllowanceIs) {
  const std::string rules = "minimum = \"5000000\"\ncap = \"7000000\"\n";
  const std::vector<ViewUsage> usage{view_of(
      "tx", wire::Kind::counter,
      slots_of(at("2026-04-16T00:00:00Z"), at("2026-05-01T00:00:00Z"), [](auto) { return 1; }))};
  const std::string from = "plan = \"p\"\nfrom = 2026-04-16T00:00:00Z\n";
  UsageRecord r = only(catalogue_of(kVolume + rules + plan("p", ""), from), "2026-04", usage);
  EXPECT_EQ(r.quantity.billed, "2500000");
  EXPECT_EQ(r.segments[0].rules[1].value, "3500000");
  EXPECT_FALSE(r.money.has_value());
  r = only(catalogue_of(kRate + rules + plan("p", ""), from), "2026-04", usage);
  EXPECT_EQ(r.quantity.billed, "5000000");
}

/// Given months of 743, 744 and 745 hours, a leap February and one with an anchor, then a constant
/// gauge is as many GiB-months as it is GiB, and one of 730 hours is in proportion.
TEST(Bill, AMonthOfStorageHasItsOwnHours) {
  struct Row {
    const char* month;
    const char* customer;
    std::uint64_t hours;
  };
  for (const Row& row :
       {Row{"2026-03", "", 743}, Row{"2026-10", "", 745}, Row{"2026-11", "", 720},
        Row{"2028-02", "", 696}, Row{"2026-02", "", 672}, Row{"2026-03", "anchor_day = 31\n", 743},
        Row{"2026-11", "anchor_day = 15\nanchor_hour = 6\n", 745}}) {
    for (const char* hours : {"actual", "730"}) {
      const Catalogue c = catalogue_of(
          std::string("[billing]\ntime_zone = \"Europe/Berlin\"\n[[meter]]\nid = \"m\"\nmeasure = "
                      "\"time_weighted\"\nmetric = \"held\"\nunit = \"GiB-month\"\nhours = \"") +
              hours + "\"\n" + plan("p", "allowance = \"1\"\n"),
          std::string("plan = \"p\"\n") + row.customer);
      const Period mine = c.period_of(c.customers[0], *period_named(c.period, c.zone, row.month));
      const UsageRecord r = only(
          c, row.month,
          {view_of("held", wire::Kind::gauge,
                   slots_of(
                       mine.start, mine.end, [](auto) { return std::uint64_t{3} << 30U; }, true))});
      const bool actual = std::string(hours) == "actual";
      EXPECT_EQ(r.quantity.billed, (actual ? Rational(3) : Rational(3 * row.hours, 730)).text(9))
          << row.month << row.customer;
      EXPECT_EQ(r.allowance, "1");
      EXPECT_EQ(r.stored, "logical");
      EXPECT_EQ(r.period.end - r.period.start, static_cast<Ns>(row.hours) * kHour) << row.month;
    }
  }
}

TEST(Bill, CopiesMultiplyWhatTheMetricCounts) {
  const Catalogue c = catalogue_of(
      "[[meter]]\nid = \"m\"\nmeasure = \"peak\"\nmetric = \"held\"\nunit = \"B\"\nbytes = "
      "\"replicated\"\ncopies = \"1.5\"\n" +
      plan("p", "allowance = \"100\"\nprice = \"1\"\n"));
  const UsageRecord r = only(c, "2026-04",
                             {view_of("held", wire::Kind::gauge,
                                      slots_of(
                                          at("2026-04-01T00:00:00Z"), at("2026-05-01T00:00:00Z"),
                                          [](auto i) { return i == 7 ? 101 : 5; }, true))});
  EXPECT_EQ(r.base.billed, "101") << "as the metric counts";
  EXPECT_EQ(r.quantity.billed, "151.5");
  EXPECT_EQ(r.overuse, "51.5");
  EXPECT_EQ(r.stored, "replicated");
  EXPECT_EQ(r.copies, "1.5");
}

/// Given a person's figure for a record of two parts, then it is what is billed, divided as what
/// was computed is; of a rate it is that of both parts.
TEST(Bill, ACorrectionIsDividedAmongTheSegments) {
  const std::string plans =
      plan("p", "allowance = \"0\"\nprice = \"1\"\n") + plan("q", "price = \"2\"\n");
  const Ns start = at("2026-04-01T00:00:00Z");
  const auto usage = [&](std::uint64_t bytes) {
    return std::vector<ViewUsage>{view_of(
        "tx", wire::Kind::counter,
        slots_of(start, at("2026-05-01T00:00:00Z"), [&](auto i) { return i < 2880 ? 0 : bytes; }))};
  };
  Decisions decisions;
  decisions.correct({"acme", "m", "2026-04", "300", Hash{7}});
  const auto billed = [&](const Catalogue& c, std::uint64_t bytes) {
    const Period april = *period_named(c.period, c.zone, "2026-04");
    return rate(c, april, kSlot, usage(bytes), {}, kForever, decisions).records.at(0);
  };
  UsageRecord r = billed(catalogue_of(kVolume + plans, kChange), 5);
  EXPECT_EQ(r.computed, "28800");
  EXPECT_EQ(r.measured.billed, "28800");
  EXPECT_EQ(r.quantity.billed, "300");
  EXPECT_EQ(r.segments[0].quantity.billed, "0");
  EXPECT_EQ(r.segments[1].quantity.billed, "300");
  EXPECT_EQ(r.money->amount, "600.00");
  r = billed(catalogue_of(kVolume + plans, kChange), 0);
  EXPECT_EQ(r.segments[0].quantity.billed, "100") << "nothing was computed: by time";
  EXPECT_EQ(r.money->amount, "500.00");
  r = billed(catalogue_of(std::string(kRate) + "minimum = \"1000\"\n" + plans, kChange), 5);
  EXPECT_EQ(r.computed, "1000");
  EXPECT_EQ(r.quantity.billed, "300");
  EXPECT_EQ(r.segments[0].quantity.billed, "300");
  EXPECT_EQ(r.money->amount, "500.00");
}

/// Given random usage, plans that change at random instants and gaps, then quantities of the
/// segments add up to the record's, allowances to what each instant is worth, and the amount is the
/// sum of an obvious computation, rounded once.
TEST(Bill, SegmentsAddUpWhateverTheInstants) {
  std::mt19937_64 random(77);
  const Ns start = at("2026-04-01T00:00:00Z"), end = at("2026-05-01T00:00:00Z");
  for (int round = 0; round < 60; ++round) {
    std::vector<Ns> edges{start, end};
    for (std::uint64_t i = random() % 4; i > 0; --i) {
      const Ns whole = start + static_cast<Ns>(random() % 8640) * kSlot;
      edges.push_back(random() % 2 == 0 ? whole : whole + static_cast<Ns>(random() % kSlot));
    }
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    std::string plans, customer;
    std::vector<std::pair<Rational, Rational>> terms;
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
      const Rational allowance(random() % 5000), price(random() % 100, 1000);
      terms.emplace_back(allowance, price);
      const std::string id = "p" + std::to_string(i);
      plans += plan(id, "allowance = \"" + allowance.exact_decimal() + "\"\nprice = \"" +
                            price.exact_decimal() + "\"\n");
      customer += "[[customer.plans]]\nplan = \"" + id + "\"\n";
      if (i > 0) customer += "from = " + to_rfc3339(edges[i]) + "\n";
    }
    std::vector<SlotUsage> slots = slots_of(start, end, [&](auto) { return random() % 7; });
    std::erase_if(slots, [&](const SlotUsage&) { return random() % 50 == 0; });
    const UsageRecord r = only(catalogue_of(kVolume + plans, customer), "2026-04",
                               {view_of("tx", wire::Kind::counter, slots)});
    ASSERT_THAT(r.segments, SizeIs(edges.size() - 1));
    Rational used, allowed, amount;
    u128 total = 0;
    for (const SlotUsage& slot : slots) total += slot.amount;
    for (std::size_t i = 0; i < r.segments.size(); ++i) {
      u128 mine = 0;
      for (const SlotUsage& slot : slots) {
        const auto share = [&](Ns edge) {
          const Ns into = std::clamp<Ns>(edge - slot.slot * kSlot, 0, kSlot);
          return slot.amount * static_cast<u128>(into) / static_cast<u128>(kSlot);
        };
        mine += share(edges[i + 1]) - share(edges[i]);
      }
      const Rational part(static_cast<u128>(edges[i + 1] - edges[i]),
                          static_cast<u128>(end - start));
      const Rational allowance = terms[i].first * part;
      const Rational over = Rational(mine) > allowance ? Rational(mine) - allowance : Rational();
      EXPECT_EQ(r.segments[i].quantity.billed, Rational(mine).text(9));
      EXPECT_EQ(r.segments[i].allowance, allowance.text(9));
      EXPECT_EQ(r.segments[i].amount, (over * terms[i].second).exact_decimal());
      used = used + Rational(mine);
      allowed = allowed + allowance;
      amount = amount + over * terms[i].second;
    }
    EXPECT_EQ(used, Rational(total));
    EXPECT_EQ(r.quantity.billed, Rational(total).text(9));
    EXPECT_EQ(r.allowance, allowed.text(9));
    EXPECT_EQ(r.money->amount, amount.fixed(2));
  }
}

}  // namespace
}  // namespace tallyman::rater
