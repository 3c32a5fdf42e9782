// Given a catalogue as TOML, as JSON or in several files, then it is the same catalogue, and every
// mistake is told where it stands.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "rater/rating/catalogue.hpp"
#include "rating/catalogue_maker.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

using testing::errors_of;
using ::testing::HasSubstr;
using testing::kMeters;
using testing::kPlans;
using testing::read;

constexpr const char* kCustomers = R"([[customer]]
id = "acme"
anchor_day = 31
anchor_hour = 6
[[customer.plans]]
plan = "p"
to = 2026-03-05T00:00:00Z
[[customer.plans]]
plan = "q"
from = 2026-03-05T00:00:00Z
[[resource]]
customer = "acme"
[resource.match]
source = "host:a"
)";

std::string whole() { return std::string(kMeters) + kPlans + kCustomers; }

TEST(CatalogueFormat, ReadsWhatIsWritten) {
  std::string errors;
  const Catalogue c = read(whole(), errors);
  ASSERT_EQ(errors, "");
  const Meter& rate = *c.meter("rate");
  EXPECT_EQ(rate.aggregate, Aggregate::each);
  EXPECT_EQ(rate.plan_change, PlanChange::whole);
  EXPECT_EQ(*rate.rules.cap, *Rational::from_text("1000.5"));
  const Meter& disk = *c.meter("disk");
  EXPECT_EQ(disk.snapshot_hour, 7U);
  EXPECT_EQ(disk.stored, Stored::replicated);
  EXPECT_EQ(*disk.copies, Rational(3, 2));
  const PlanItem& item = *c.plan("p")->item("m");
  ASSERT_EQ(item.tiers.size(), 2U);
  EXPECT_EQ(item.tiers[0].up_to, Rational(100));
  EXPECT_FALSE(item.tiers[1].up_to.has_value());
  EXPECT_EQ(c.plan("q")->item("m")->package, Rational(100));
  EXPECT_FALSE(c.plan("q")->item("disk")->priced());
  EXPECT_EQ(c.plan("p")->rounding, Rounding::half_even);
  const Customer& acme = c.customers.front();
  EXPECT_EQ(acme.anchor, (Anchor{31, 6}));
  ASSERT_EQ(acme.plans.size(), 2U);
  EXPECT_EQ(acme.plans[0].to, acme.plans[1].from);
  EXPECT_EQ(acme.plans[1].to, kForever);
}

/// Given any catalogue, then its canonical text is JSON that reads back to the same version.
TEST(CatalogueFormat, CanonicalTextIsTheSameCatalogue) {
  std::string errors;
  const Catalogue c = read(whole(), errors);
  const std::string text = canonical_text(c);
  EXPECT_EQ(text.front(), '{');
  const Catalogue again = read(text, errors);
  ASSERT_EQ(errors, "");
  EXPECT_EQ(again.version(), c.version());
  EXPECT_EQ(canonical_text(again), text);
  EXPECT_EQ(canonical_text(read("", errors)), canonical_text(read("{}", errors)));
  EXPECT_EQ(errors, "");
}

/// Given each key changed by itself, then the version is another one.
TEST(CatalogueFormat, VersionCoversEveryKey) {
  std::string errors;
  const Hash version = read(whole(), errors).version();
  ASSERT_EQ(errors, "");
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"aggregate = \"each\"", "aggregate = \"sum\""},
           {"plan_change = \"whole\"", "plan_change = \"segments\""},
           {"increment = \"1\"", "increment = \"2\""},
           {"minimum = \"10\"", "minimum = \"11\""},
           {"cap = \"1000.5\"", "cap = \"1000\""},
           {"snapshot_hour = 7", "snapshot_hour = 8"},
           {"copies = \"1.5\"", "copies = \"2\""},
           {"copies = \"1.5\"\n", ""},
           {"rounding = \"half_even\"\n", ""},
           {"allowance = \"10\"", "allowance = \"11\""},
           {"\"graduated\"", "\"volume\""},
           {"up_to = \"100\"", "up_to = \"101\""},
           {"price = \"1.5\"", "price = \"1.4\""},
           {"package = \"100\"", "package = \"10\""},
           {"price = \"7\"", "price = \"8\""},
           {"anchor_day = 31", "anchor_day = 30"},
           {"anchor_hour = 6", "anchor_hour = 5"},
           {"2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z"}}) {
    std::string text = whole();
    ASSERT_NE(text.find(from), std::string::npos) << from;
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
    EXPECT_NE(read(text, errors).version(), version) << from;
    EXPECT_EQ(errors, "") << from;
  }
}

TEST(CatalogueFormat, JsonTellsPlacesInItsOwnText) {
  EXPECT_THAT(errors_of("{\n \"currency\": \"EUR\",\n \"billing\": {\"time_zone\": \"Mars\"}\n}"),
              HasSubstr("c:3:27: unknown time zone `Mars`"));
  // Escapes that TOML has not, and text of more bytes than letters, before what is wrong.
  EXPECT_THAT(errors_of("{\"customer\": [\n"
                        " {\"id\": \"a\\/\xC3\xA4\\ud83d\\ude00\", \"name\": \"x\",\n"
                        "  \"plan\": \"a\\/b\"},\n"
                        " {\"id\": \"b\",\n  \"colour\": 1, \"plan\": \"p\"} ],\n"
                        " \"plan\": [{\"id\": \"p\"}]}"),
              ::testing::AllOf(HasSubstr("c:3:11: unknown plan `a/b`"),
                               HasSubstr("c:5:3: unknown key `colour`")));
  EXPECT_THAT(errors_of("{\"currency\": \"EUR\",\n \"currency\": \"USD\"}"), HasSubstr("c:2:"));
  EXPECT_THAT(errors_of("{\"currency\": null}"), HasSubstr("c:1:14: null is no value"));
  EXPECT_THAT(errors_of("{\n\"currency\": \"EUR\"\n\"billing\": {}}"),
              HasSubstr("c:3:9: not JSON"));
  EXPECT_THAT(errors_of("{\"currency\": "), HasSubstr("not JSON"));
  // What follows a zero byte is none of a JSON parser's text, and yet of the file.
  EXPECT_THAT(errors_of(std::string("{\"currency\": \"EUR\"}\n") + '\0' + "]}"),
              HasSubstr("c:2:1: not JSON: a zero byte"));
  EXPECT_THAT(errors_of("{\"plan\": [{\"id\": \"p\", \"item\": [\n{\"meter\": \"x\", "
                        "\"price\": 0.5}]}]}"),
              HasSubstr("c:2:25: `price` is not an exact decimal"));
}

TEST(CatalogueFormat, FilesOfAFolderAreOneCatalogue) {
  const testing::TempFolder folder;
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder.path() + "/" + name) << text;
  };
  std::string errors;
  const Catalogue one = read(whole(), errors);
  write("10-meters.toml", kMeters);
  write("20-plans.json", canonical_text(read(std::string(kMeters) + kPlans, errors)));
  write("30-customers.toml", kCustomers);
  write("notes.txt", "not a catalogue");
  app::ConfigErrors list;
  (void)load_catalogue(folder.path(), 5 * kMinute, list);
  const std::string meters = folder.path() + "/10-meters.toml",
                    plans = folder.path() + "/20-plans.json";
  EXPECT_THAT(list.text(), HasSubstr(plans + ":4:"));
  EXPECT_THAT(list.text(), HasSubstr("there are two of meter `m`, expected unique ids; the other "
                                     "one is at " +
                                     meters + ":1:1"));

  write("10-meters.toml", "currency = \"EUR\"\n");
  app::ConfigErrors currencies;
  (void)load_catalogue(folder.path(), 5 * kMinute, currencies);
  EXPECT_EQ(currencies.text(),
            plans + ":1:14: `currency` stands in " + meters + " too, expected it in one file\n");
  write("10-meters.toml", "");
  app::ConfigErrors none;
  EXPECT_EQ(load_catalogue(folder.path(), 5 * kMinute, none).version(), one.version());
  EXPECT_EQ(none.text(), "");

  const testing::TempFolder empty;
  app::ConfigErrors nothing;
  (void)load_catalogue(empty.path(), 5 * kMinute, nothing);
  EXPECT_THAT(nothing.text(), HasSubstr("there is no catalogue in this folder"));
}

/// Given any anchor and zone, then at every instant the running period is the one that holds it.
TEST(CatalogueFormat, ARunningPeriodHoldsTheInstant) {
  for (const char* zone : {"UTC", "Pacific/Kiritimati", "America/Los_Angeles"}) {
    for (const int day : {1, 2, 15, 29, 31}) {
      std::string errors;
      const Catalogue c = read(
          "[[plan]]\nid = \"p\"\n[[customer]]\nid = \"x\"\nplan = \"p\"\n"
          "time_zone = \"" +
              std::string(zone) + "\"\nanchor_day = " + std::to_string(day) + "\n",
          errors);
      ASSERT_EQ(errors, "");
      for (Ns at = 1'767'225'600 * kSecond; at < 1'798'761'600 * kSecond; at += 7 * kHour) {
        const Period mine = c.period_of(c.customers[0], c.running_period(c.customers[0], at));
        EXPECT_TRUE(mine.start <= at && at < mine.end) << zone << day << " " << at;
      }
    }
  }
}

/// Given a plan that is renewed by itself and a customer that ends within one, then only what is in
/// force counts.
TEST(CatalogueFormat, PlansAreCutToWhenTheCustomerIsOne) {
  std::string errors;
  const Catalogue c = read(std::string(kMeters) + kPlans +
                               "[[customer]]\nid = \"x\"\nfrom = 2026-02-01T00:00:00Z\n"
                               "to = 2026-04-01T00:00:00Z\n"
                               "[[customer.plans]]\nplan = \"p\"\n"
                               "[[customer.plans]]\nplan = \"p\"\nfrom = 2026-02-15T00:00:00Z\n"
                               "[[customer.plans]]\nplan = \"q\"\nfrom = 2026-03-01T00:00:00Z\n"
                               "[[customer.plans]]\nplan = \"p\"\nfrom = 2026-05-01T00:00:00Z\n",
                           errors);
  ASSERT_EQ(errors, "");
  const Customer& x = c.customers.front();
  ASSERT_EQ(x.plans.size(), 2U);
  EXPECT_EQ(x.plans[0].from, x.from);
  EXPECT_EQ(x.plans[1].to, x.to);
  EXPECT_EQ(x.plans[1].plan, "q");
}

/// Given thousands of tables each with a mistake, then there are as many errors, each placed.
TEST(CatalogueFormat, ManyMistakesAreManyErrors) {
  std::string toml, json = "{\"resource\": [";
  constexpr int kLines = 2000;
  for (int i = 0; i < kLines; ++i) {
    toml +=
        "[[resource]]\ncustomer = \"nobody\"\nmatch = {source = \"s" + std::to_string(i) + "\"}\n";
    json += std::string(i == 0 ? "" : ",") +
            "\n{\"customer\": \"nobody\", \"match\": {\"source\": \"s" + std::to_string(i) + "\"}}";
  }
  json += "]}";
  std::string errors = errors_of(toml);
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), kLines);
  EXPECT_THAT(errors, HasSubstr("c:" + std::to_string(3 * kLines - 1) + ":12: unknown customer"));
  errors = errors_of(json);
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), kLines);
  EXPECT_THAT(errors, HasSubstr("c:" + std::to_string(kLines + 1) + ":14: unknown customer"));
}

}  // namespace
}  // namespace tallyman::rater
