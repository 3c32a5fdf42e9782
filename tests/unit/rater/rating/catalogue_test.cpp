// Given a catalogue in TOML, then it is read whole, or every mistake in it is told with its place.

#include "rater/rating/catalogue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tallyman::rater {
namespace {

using ::testing::HasSubstr;

constexpr const char* kGood = R"(
[billing]
period = "10s"
[[meter]]
id = "transfer"
measure = "volume"
in = "rx"
out = "tx"
unit = "GB"
[[meter]]
id = "disk"
measure = "time_weighted"
metric = "held"
unit = "GiB-month"
hours = "730"
[[plan]]
id = "p"
[[plan.item]]
meter = "transfer"
allowance = "1000"
price = "0.0215"
[[plan.item]]
meter = "disk"
[[customer]]
id = "zoe"
plan = "p"
[[customer]]
id = "acme"
plan = "p"
from = 2026-01-01T00:00:00Z
[[resource]]
customer = "acme"
to = 2026-06-01T00:00:00Z
[resource.match]
source = "host:a"
interface = "eth*"
[[resource]]
customer = "zoe"
from = 2026-06-01T00:00:00Z
[resource.match]
source = "host:a"
interface = "eth*"
)";

Catalogue read(const std::string& toml, std::string& errors, Ns slot = kSecond) {
  app::ConfigErrors list;
  Catalogue catalogue = parse_catalogue(toml, "c.toml", slot, list);
  errors = list.text();
  return catalogue;
}

TEST(Catalogue, ReadsWhatIsWritten) {
  std::string errors;
  const Catalogue c = read(kGood, errors);
  ASSERT_EQ(errors, "");
  EXPECT_EQ(c.period.length, 10 * kSecond);
  EXPECT_EQ(c.metrics(), (std::vector<std::string>{"held", "rx", "tx"}));
  ASSERT_NE(c.plan("p"), nullptr);
  ASSERT_EQ(c.plan("p")->items.size(), 2U);
  EXPECT_FALSE(c.plan("p")->items[0].price.has_value());
  EXPECT_EQ(c.plan("p")->items[1].price->text(9), "0.0215");
  EXPECT_EQ(c.plan("p")->currency, "EUR");
  EXPECT_EQ(c.meter("disk")->hours, Hours::fixed_730);
  EXPECT_EQ(c.meter("transfer")->direction, Direction::sum);
  EXPECT_EQ(c.customers.front().id, "acme");
  EXPECT_EQ(c.customers.front().from, 1767225600 * kSecond);
}

TEST(Catalogue, VersionIsOfContentNotOfLayout) {
  std::string errors;
  const Hash version = read(kGood, errors).version();
  EXPECT_EQ(read(std::string("# a comment\ncurrency = \"EUR\"\n") + kGood, errors).version(),
            version);
  std::string dearer = kGood;
  dearer.replace(dearer.find("0.0215"), 6, "0.0216");
  EXPECT_NE(read(dearer, errors).version(), version);
  EXPECT_EQ(errors, "");
}

TEST(Catalogue, TellsEveryMistakeAtOnce) {
  std::string errors;
  (void)read(R"(currency = "euro"
[billing]
period = "10s"
time_zone = "Europe/Bärlin"
[[meter]]
id = "m"
measure = "p95"
unit = "GB"
[[meter]]
id = "m"
measure = "volume"
in = "rx"
direction = "in"
unit = "GB"
colour = "red"
[[plan]]
id = "p"
[[plan.item]]
meter = "nothing"
allowance = "-3"
[[customer]]
id = "a"
plan = "gold"
from = 2026-02-01T00:00:00Z
to = 2026-01-01T00:00:00Z
[[resource]]
customer = "b"
[[customer]]
id = "b-less"
plan = "p"
)",
             errors, 3 * kSecond);
  for (const char* what : {"c.toml:1:", "currency `euro`", "period 10s is not a multiple", "Bärlin",
                           "unit `GB` is not one of measure p95", "needs a metric `in`",
                           "needs a metric `out`", "there are two of meter `m`", "colour",
                           "unknown meter `nothing`", "c.toml:20:", "unknown plan `gold`",
                           "`to` is not after `from`", "unknown customer `b`", "without `match`"}) {
    EXPECT_THAT(errors, HasSubstr(what));
  }
}

TEST(Catalogue, RefusesTheSameClaimOfTwoAtOneTime) {
  std::string both = kGood;
  const std::string from = "from = 2026-06-01T00:00:00Z\n";
  both.erase(both.rfind(from), from.size());
  std::string errors;
  (void)read(both, errors);
  EXPECT_THAT(errors, HasSubstr("claim the same at the same time"));
}

TEST(Catalogue, TheOneInConfIsGood) {
  app::ConfigErrors errors;
  const Catalogue c = load_catalogue(std::string(TALLYMAN_SOURCE_DIR) + "/conf/catalogue.toml",
                                     5 * kMinute, errors);
  EXPECT_EQ(errors.text(), "");
  EXPECT_THAT(c.warnings, ::testing::IsEmpty());
  EXPECT_EQ(c.customers.size(), 3U);
  EXPECT_EQ(c.meters.size(), 6U);
  EXPECT_EQ(c.customer("globex")->plans.size(), 2U);
  EXPECT_EQ(parse_catalogue(canonical_text(c), "canonical", 5 * kMinute, errors).version(),
            c.version());
  EXPECT_EQ(errors.text(), "");
}

TEST(Selector, GlobsMatchAsAnObviousMatcherDoes) {
  const auto slow = [](auto&& self, std::string_view g, std::string_view t) -> bool {
    if (g.empty()) return t.empty();
    if (g[0] == '*') {
      return self(self, g.substr(1), t) || (!t.empty() && self(self, g, t.substr(1)));
    }
    return !t.empty() && (g[0] == '?' || g[0] == t[0]) && self(self, g.substr(1), t.substr(1));
  };
  const std::string_view alphabet = "ab*?";
  for (unsigned g = 0; g < 1024; ++g) {
    std::string glob;
    for (unsigned i = 0; i < g % 6; ++i) glob += alphabet[(g >> (2 * i)) & 3U];
    for (unsigned t = 0; t < 64; ++t) {
      std::string text;
      for (unsigned i = 0; i < t % 6; ++i) text += "ab"[(t >> i) & 1U];
      EXPECT_EQ(glob_match(glob, text), slow(slow, glob, text)) << glob << " on " << text;
    }
  }
  EXPECT_FALSE(glob_match("*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
}

/// Given brackets and escapes, then a selector means what fnmatch(3) and so the plugins mean.
TEST(Selector, KnowsBracketsAndEscapesAsPluginsDo) {
  EXPECT_TRUE(glob_match("eth[a-c]", "ethb"));
  EXPECT_FALSE(glob_match("eth[a-c]", "ethd"));
  EXPECT_TRUE(glob_match("[!l]*", "eth0"));
  EXPECT_FALSE(glob_match("[!l]*", "lo"));
  EXPECT_FALSE(glob_match("[!l]*", ""));
  EXPECT_TRUE(glob_match("eth?", "eth0"));
  EXPECT_FALSE(glob_match("eth?", "eth"));
  EXPECT_TRUE(glob_match("a\\*", "a*"));
  EXPECT_FALSE(glob_match("a\\*", "ab"));
  EXPECT_TRUE(glob_match("*", "a/.b")) << "neither a slash nor a dot is special";
  EXPECT_FALSE(glob_match("eth0", std::string("eth0\0x", 6)));
}

TEST(Selector, LooksAtSourceMetricIdentityAndInfo) {
  const SeriesKey key{"host:a", wire::Scope::host,   "rx",
                      "bytes",  wire::Kind::counter, {{"ifindex", "3"}}};
  const std::map<std::string, std::string> info{{"interface", "eth0"}, {"ifindex", "9"}};
  EXPECT_TRUE(
      (Selector{{{"source", "host:*"}, {"metric", "rx"}, {"ifindex", "3"}}}).matches(key, info));
  EXPECT_TRUE((Selector{{{"interface", "eth?"}}}).matches(key, info));
  EXPECT_FALSE((Selector{{{"ifindex", "9"}}}).matches(key, info));
  EXPECT_FALSE((Selector{{{"alias", "*"}}}).matches(key, info));
}

}  // namespace
}  // namespace tallyman::rater
