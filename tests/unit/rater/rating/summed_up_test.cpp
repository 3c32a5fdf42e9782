// Given customers whose meters only add up what they read, beside some that do not, then a rating
// that holds no more than sums of theirs gives the records, evidence and all, of one that holds
// every slot.

#include <gtest/gtest.h>

#include <random>

#include "rater/rating/close.hpp"
#include "usage_maker.hpp"

namespace tallyman::rater {
namespace {

using testing::kSlot;
using testing::kStart;

constexpr std::int64_t kSlots = 12;
const Period kPeriod{"2026-11-22T12:00:00Z/1h", kStart, kStart + kSlots* kSlot};

/// Meters by name; a plan of any of them is made from this.
const std::vector<std::pair<std::string, std::string>> kMeters{
    {"out", "measure = \"volume\"\nout = \"tx\"\ndirection = \"out\"\nunit = \"B\""},
    {"in", "measure = \"volume\"\nin = \"rx\"\ndirection = \"in\"\nunit = \"B\""},
    {"both", "measure = \"volume\"\nin = \"rx\"\nout = \"tx\"\ndirection = \"sum\"\nunit = \"B\""},
    {"back", "measure = \"volume\"\nin = \"tx\"\nout = \"rx\"\ndirection = \"sum\"\nunit = \"B\""},
    {"burst", "measure = \"p95\"\nout = \"tx\"\ndirection = \"out\"\nunit = \"kbit/s\""},
    {"held", "measure = \"time_weighted\"\nmetric = \"stored\"\nunit = \"GB-month\""},
    {"most", "measure = \"peak\"\nmetric = \"stored\"\nunit = \"GB\""}};

Catalogue random_catalogue(std::mt19937_64& random) {
  std::string toml = "[billing]\nperiod = \"1h\"\n";
  for (const auto& [id, rest] : kMeters) toml += "[[meter]]\nid = \"" + id + "\"\n" + rest + "\n";
  for (const char* plan : {"p", "q"}) {
    toml += std::string("[[plan]]\nid = \"") + plan + "\"\n";
    for (std::size_t n = 0; n < kMeters.size(); ++n) {
      if (n != 0 && random() % 3 == 0) continue;
      toml += "[[plan.item]]\nmeter = \"" + kMeters[n].first + "\"\nprice = \"0.01\"\n";
    }
  }
  const std::string changes =
      "[[customer.plans]]\nplan = \"p\"\n"
      "[[customer.plans]]\nplan = \"q\"\nfrom = 2026-11-22T12:31:00Z\n";
  const std::vector<std::string> spans{"plan = \"p\"\n",
                                       "plan = \"q\"\nfrom = 2026-11-22T12:22:00Z\n", changes};
  for (const char* customer : {"a", "b"}) {
    toml += std::string("[[customer]]\nid = \"") + customer + "\"\n" + spans[random() % 3];
    toml += std::string("[[resource]]\ncustomer = \"") + customer + "\"\n";
    if (random() % 3 == 0) toml += "from = 2026-11-22T12:07:00Z\n";
    toml += std::string("[resource.match]\nowner = \"") + customer + "\"\n";
  }
  app::ConfigErrors errors;
  Catalogue catalogue = parse_catalogue(toml, "test.toml", kSlot, errors);
  EXPECT_EQ(errors.text(), "");
  return catalogue;
}

ViewUsage random_view(std::mt19937_64& random, const std::string& source, const std::string& metric,
                      const std::string& owner) {
  ViewUsage view = testing::view_of("agent", {});
  view.view.series.source = source;
  view.view.series.metric = metric;
  view.view.series.labels = {{"owner", owner}};
  const bool gauge = metric == "stored";
  if (gauge) view.view.series.kind = wire::Kind::gauge;
  const std::uint64_t odd = 2 + random() % 30;
  for (std::int64_t i = -1; i <= kSlots; ++i) {
    if (random() % odd == 0) continue;
    SlotUsage slot = testing::slot_of(i, random() % 1'000'000);
    if (gauge) slot.peak = random() % 1000;
    if (random() % odd == 0) slot.covered = static_cast<Ns>(random() % kSlot);
    if (random() % odd == 0) slot.estimated = slot.covered / 2;
    if (!gauge && random() % odd == 0) slot.before = slot.after = random() % 1000;
    view.slots.push_back(slot);
  }
  return view;
}

TEST(SummedUp, IsAsIfEverySlotWereHeld) {
  std::size_t records = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const Catalogue catalogue = random_catalogue(random);
    std::vector<ViewUsage> usage;
    for (const char* source : {"one", "two", "three"}) {
      for (const char* metric : {"rx", "stored", "tx"}) {
        for (const char* owner : {"a", "b"}) {
          if (random() % 4 != 0) usage.push_back(random_view(random, source, metric, owner));
        }
      }
    }
    const Rating all = rate(catalogue, kPeriod, kSlot, usage, {});
    std::vector<UsageRecord> each;
    for (std::size_t c = 0; c < catalogue.customers.size(); ++c) {
      KeptUsage source(usage, kSlot);
      RatingTerms terms{catalogue, kPeriod, kSlot};
      terms.only = c;  // whose slots are held, for a statement
      const Rating one = *rate(terms, source);
      each.insert(each.end(), one.records.begin(), one.records.end());
    }
    ASSERT_EQ(all.records.size(), each.size());
    for (std::size_t i = 0; i < each.size(); ++i) {
      EXPECT_EQ(all.records[i].evidence, each[i].evidence) << each[i].meter;
      EXPECT_EQ(message_of(all.records[i], "/t").body, message_of(each[i], "/t").body);
    }
    records += each.size();
  }
  EXPECT_GT(records, 2000U);
}

}  // namespace
}  // namespace tallyman::rater
