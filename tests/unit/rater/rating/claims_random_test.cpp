// Given random usage, owners that change, several views, absences and time zones, then attribution
// customer by customer gives what a plain one gives of all at once, and conserves every unit.

#include <gtest/gtest.h>

#include <random>

#include "base/time_text.hpp"
#include "plain_claims.hpp"
#include "rater/rating/measure_claims.hpp"
#include "usage_maker.hpp"

namespace tallyman::rater {
namespace {

using testing::kSlot;
using testing::kStart;

constexpr std::int64_t kSlots = 48;
const Period kPeriod{"p", kStart, kStart + kSlots* kSlot};

class Random {
 public:
  explicit Random(std::uint64_t seed) : random_(seed) {}
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(n));
  }
  bool one_in(std::int64_t n) { return below(n) == 0; }

  Ns instant() {
    const Ns at = kStart + below(kSlots) * kSlot;
    return one_in(2) ? at : at + below(kSlot);
  }

  Catalogue catalogue() {
    Catalogue c;
    c.zone = "UTC";
    c.period.length = kSlots * kSlot;
    for (const char* id : {"a", "b", "c"}) {
      Customer customer;
      customer.id = id;
      customer.zone = "UTC";
      if (one_in(4)) customer.from = instant();
      if (one_in(4)) customer.to = instant();
      c.customers.push_back(customer);
      for (std::int64_t n = below(4); n > 0; --n) {
        Resource resource{id, {}, kAlways, kForever};
        const char* labels[] = {"1", "2", "*"};
        resource.match.globs["ifindex"] = labels[below(3)];
        if (one_in(2)) resource.from = instant();
        if (one_in(2)) resource.to = instant();
        c.resources.push_back(resource);
      }
    }
    return c;
  }

  std::vector<Waiver> waivers() {
    std::vector<Waiver> out;
    while (one_in(3)) {
      Waiver waiver{one_in(2) ? "a" : "", {}, instant(), instant()};
      if (one_in(2)) waiver.match.globs["ifindex"] = "1";
      out.push_back(waiver);
    }
    return out;
  }

  ViewUsage view(const char* agent, const char* index) {
    ViewUsage view = testing::view_of(agent, {});
    view.view.series.labels = {{"ifindex", index}};
    std::int64_t slot = kStart / kSlot - 2 + (one_in(3) ? below(kSlots) : 0);
    const std::int64_t odd = one_in(2) ? 3 : 20;
    for (; slot < kStart / kSlot + kSlots + 2; slot += one_in(odd) ? 1 + below(5) : 1) {
      SlotUsage usage{slot, static_cast<u128>(below(1'000'000)), kSlot, 0, 0};
      if (one_in(odd)) usage.covered = below(kSlot + 1);
      if (one_in(odd)) usage.estimated = below(usage.covered + 1);
      if (one_in(odd)) usage.amount <<= 70U;
      if (one_in(odd)) usage.peak = 5;
      const bool nothing = usage.amount == 0 && usage.covered == 0;
      if (!nothing) view.slots.push_back(usage);
      if (one_in(60)) break;
    }
    for (Ns from = kStart; one_in(2) && from < kPeriod.end;) {
      const Ns begin = from + below(20 * kSlot);
      from = begin + 1 + below(10 * kSlot);
      view.absent.push_back({begin, from});
    }
    for (Ns from = kStart - kSlot; one_in(3);) {
      view.info.push_back({from, {{"ifalias", "x"}}});
      from += 1 + below(20 * kSlot);
    }
    return view;
  }

 private:
  std::mt19937_64 random_;
};

void expect_same(const OwnedSeries& got, const testing::PlainSeries& expected) {
  EXPECT_EQ(got.key, expected.key);
  EXPECT_EQ(got.views, expected.views);
  EXPECT_EQ(got.held, expected.held);
  EXPECT_TRUE(got.waived == expected.waived);
  EXPECT_EQ(got.waived_ns, expected.waived_ns);
  EXPECT_EQ(std::vector<Piece>(got.pieces.begin(), got.pieces.end()), expected.pieces);
}

TEST(Claims, StreamedIsAllAtOnce) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Catalogue catalogue = random.catalogue();
    std::vector<ViewUsage> usage;
    for (const char* index : {"1", "2", "3"}) {
      for (const char* agent : {"z", "y"}) {
        if (!random.one_in(3)) usage.push_back(random.view(agent, index));
      }
    }
    const Ns until = random.one_in(4) ? random.instant() : kForever;
    const std::vector<Waiver> waivers = random.waivers();
    const Attribution got = attribute(catalogue, kPeriod, kSlot, usage, until, waivers);
    const auto expected =
        testing::attribute_plainly(catalogue, kPeriod, kSlot, usage, until, waivers);
    for (std::size_t c = 0; c < catalogue.customers.size(); ++c) {
      ASSERT_EQ(got.customers[c].size(), expected.customers[c].size());
      for (std::size_t s = 0; s < got.customers[c].size(); ++s) {
        expect_same(got.customers[c][s], expected.customers[c][s]);
      }
    }
    ASSERT_EQ(got.unattributed.size(), expected.nobody.size());
    for (const Unattributed& sum : got.unattributed) {
      EXPECT_TRUE(sum.amount == expected.nobody.at(sum.metric));
      EXPECT_EQ(sum.series, expected.series.at(sum.metric));
    }
    const Status all = conserved(got.totals);
    EXPECT_TRUE(all.ok()) << all.error().text();
  }
}

// Given selectors with and without literal labels, then the index finds those that trying all
// finds.
TEST(Claims, TheIndexFindsWhatMatches) {
  std::mt19937_64 random(4);
  const std::vector<std::string> names{"source", "metric", "ifindex", "ifalias", "none"};
  const std::vector<std::string> globs{"s", "tx", "1", "2", "*", "?", "[12]", "\\1", "x"};
  for (int round = 0; round < 300; ++round) {
    Catalogue catalogue;
    for (int r = 0; r < 20; ++r) {
      Resource resource;
      for (std::uint64_t n = random() % 4; n > 0; --n) {
        resource.match.globs[names[random() % names.size()]] = globs[random() % globs.size()];
      }
      catalogue.resources.push_back(resource);
    }
    const ResourceIndex index(catalogue);
    SeriesKey series = testing::view_of("a", {}).view.series;
    std::map<std::string, std::string> info;
    if (random() % 3 != 0) series.labels["ifindex"] = random() % 2 == 0 ? "1" : "2";
    if (random() % 3 != 0) info["ifalias"] = "x";
    if (random() % 3 == 0) info["ifindex"] = "2";
    std::vector<std::size_t> expected;
    for (std::size_t r = 0; r < catalogue.resources.size(); ++r) {
      if (catalogue.resources[r].match.matches(series, info)) expected.push_back(r);
    }
    EXPECT_EQ(index.matching(series, info), expected);
  }
}

// Given two sources of one metric, then each has a total of its own, and one that lost what the
// other has too much of is a breach.
TEST(Claims, ConserveEachSourceByItself) {
  std::vector<ViewUsage> usage;
  for (const char* source : {"one", "two"}) {
    usage.push_back(testing::view_of("z", {{kStart / kSlot, 100, kSlot}}));
    usage.back().view.series.source = source;
  }
  usage.back().slots[0].amount = 7;
  Catalogue catalogue;
  catalogue.zone = "UTC";
  catalogue.period.length = kSlots * kSlot;
  std::vector<MetricTotal> totals = attribute(catalogue, kPeriod, kSlot, usage).totals;
  ASSERT_EQ(totals.size(), 2U);
  EXPECT_EQ(totals[0].source, "one");
  EXPECT_TRUE(totals[0].read == 100 && totals[0].nobody == 100);
  EXPECT_EQ(totals[1].source, "two");
  EXPECT_TRUE(totals[1].read == 7 && totals[1].nobody == 7);
  EXPECT_TRUE(conserved(totals).ok());
  totals[0].nobody += 5;
  totals[1].nobody -= 5;
  const Status all = conserved(totals);
  ASSERT_FALSE(all.ok());
  EXPECT_NE(all.error().text().find("one"), std::string::npos) << all.error().text();
}

// Given sums that do not agree, then the error names the metric and every number.
TEST(Claims, ABreachOfConservationNamesItsNumbers) {
  const std::vector<MetricTotal> totals{{"fine", "bytes", 10, 5, 3, 2},
                                        {"tx", "bytes", 1000, 600, 300, 99}};
  const Status all = conserved(totals);
  ASSERT_FALSE(all.ok());
  const std::string text = all.error().text();
  for (const char* part : {"tx", "1000", "600", "300", "99"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace tallyman::rater
