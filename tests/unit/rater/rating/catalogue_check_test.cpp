// Given a catalogue with a mistake, then the one error says what it is and where.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "rating/catalogue_maker.hpp"

namespace tallyman::rater {
namespace {

using ::testing::ElementsAre;
using testing::errors_of;
using ::testing::HasSubstr;
using testing::kMeters;
using testing::kPlans;
using testing::read;

TEST(CatalogueCheck, ClaimsThatCertainlyOverlapAreRefused) {
  const auto claims = [](const std::string& first, const std::string& second) {
    return errors_of(std::string(kMeters) + kPlans +
                     "[[customer]]\nid = \"a\"\nplan = \"p\"\n[[customer]]\nid = \"b\"\nplan = "
                     "\"p\"\n[[resource]]\ncustomer = \"a\"\n" +
                     first + "[[resource]]\ncustomer = \"b\"\n" + second);
  };
  const std::string host = "[resource.match]\nsource = \"host:1\"\n";
  EXPECT_THAT(claims(host, host), HasSubstr("`a` and `b` claim the same at the same time"));
  EXPECT_THAT(claims(host, host + "interface = \"eth5\"\n"), HasSubstr("the other claim is at c:"));
  EXPECT_THAT(claims(host + "interface = \"eth5\"\n", host), HasSubstr("claim the same"));
  EXPECT_THAT(claims("[resource.match]\nsource = \"host:*\"\n", host), HasSubstr("claim the same"));
  EXPECT_THAT(
      claims("[resource.match]\nsource = \"host:*\"\n", "[resource.match]\nsource = \"host:1?\"\n"),
      HasSubstr("claim the same"));
  EXPECT_EQ(claims(host, "[resource.match]\nsource = \"host:2\"\n"), "");
  EXPECT_EQ(claims("[resource.match]\nsource = \"host:1*\"\n",
                   "[resource.match]\nsource = \"host:*1\"\n"),
            "")
      << "whether they overlap a series will tell";
  EXPECT_EQ(claims("[resource.match]\nsource = \"host:[12]\"\n",
                   "[resource.match]\nsource = \"host:?\"\n"),
            "");
  EXPECT_EQ(claims(host, "[resource.match]\ninterface = \"eth5\"\n"), "");
  EXPECT_EQ(claims("to = 2026-01-01T00:00:00Z\n" + host, "from = 2026-01-01T00:00:00Z\n" + host),
            "");
}

/// Given random globs, then one is never said to lie within another that misses what it matches.
TEST(CatalogueCheck, NoClaimIsRefusedThatDoesNotOverlap) {
  std::mt19937_64 random(17);
  const auto glob = [&] {
    std::string text;
    for (std::uint64_t i = 1 + random() % 4; i > 0; --i) text += "ab*?"[random() % 4];
    return text;
  };
  std::vector<std::string> texts{""};
  for (std::size_t i = 0; texts[i].size() < 5; ++i) {
    texts.push_back(texts[i] + "a");
    texts.push_back(texts[i] + "b");
  }
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    const std::string first = glob(), second = glob();
    const std::string errors =
        errors_of(std::string(kMeters) + kPlans +
                  "[[customer]]\nid = \"a\"\nplan = \"p\"\n[[customer]]\nid = \"b\"\nplan = \"p\"\n"
                  "[[resource]]\ncustomer = \"a\"\n[resource.match]\nsource = \"" +
                  first + "\"\n[[resource]]\ncustomer = \"b\"\n[resource.match]\nsource = \"" +
                  second + "\"\n");
    if (errors.empty()) continue;
    ++refused;
    const auto all = [&](const std::string& inner, const std::string& outer) {
      return std::all_of(texts.begin(), texts.end(), [&](const std::string& text) {
        return !glob_match(inner, text) || glob_match(outer, text);
      });
    };
    EXPECT_TRUE(all(first, second) || all(second, first)) << first << " and " << second;
  }
  EXPECT_GT(refused, 20);
}

TEST(CatalogueCheck, WhatNobodyIsBilledForIsAMistake) {
  const auto with = [](const std::string& resource) {
    return errors_of(std::string(kMeters) + kPlans +
                     "[[customer]]\nid = \"a\"\nplan = \"p\"\nfrom = 2026-01-01T00:00:00Z\n"
                     "[[resource]]\ncustomer = \"a\"\n" +
                     resource);
  };
  EXPECT_EQ(with("[resource.match]\nmetric = \"r*\"\n"), "");
  EXPECT_THAT(with("[resource.match]\nmetric = \"held\"\n"),
              HasSubstr("no plan of customer `a` meters metric `held`"));
  EXPECT_THAT(with("to = 2025-12-01T00:00:00Z\n[resource.match]\nmetric = \"rx\"\n"),
              HasSubstr("customer `a` is never active while it holds this"));
  EXPECT_THAT(errors_of("[[plan]]\nid = \"none\"\n[[customer]]\nid = \"a\"\nplan = \"none\"\n"
                        "[[resource]]\ncustomer = \"a\"\n[resource.match]\nsource = \"x\"\n"),
              HasSubstr("no plan of customer `a` meters anything"));
  std::string errors;
  EXPECT_THAT(
      read(std::string(kMeters) + "[[plan]]\nid = \"p\"\n[[plan.item]]\nmeter = \"m\"\n", errors)
          .warnings,
      ElementsAre("c:7:1: meter `rate` is used by nobody", "c:18:1: meter `disk` is used by nobody",
                  "c:26:1: plan `p` is used by nobody"));
  EXPECT_EQ(errors, "");
}

/// Given each mistake by itself, then the one error says what it is.
TEST(CatalogueCheck, TellsWhatIsWrong) {
  const auto meter = [](const std::string& rest) { return "[[meter]]\nid = \"x\"\n" + rest; };
  const auto item = [](const std::string& rest) {
    return std::string(kMeters) + "[[plan]]\nid = \"x\"\n[[plan.item]]\nmeter = \"m\"\n" + rest;
  };
  const auto plans = [](const std::string& rest) {
    return std::string(kMeters) + kPlans + "[[customer]]\nid = \"x\"\n" + rest;
  };
  const std::string gauge = "metric = \"held\"\nunit = \"GiB\"\n";
  const auto entry = [](const char* plan, const char* from = "", const char* to = "") {
    std::string text = std::string("[[customer.plans]]\nplan = \"") + plan + "\"\n";
    if (*from != '\0') text += std::string("from = ") + from + "T00:00:00Z\n";
    if (*to != '\0') text += std::string("to = ") + to + "T00:00:00Z\n";
    return text;
  };
  for (const auto& [text, error] : std::vector<std::pair<std::string, std::string>>{
           {meter("measure = \"median\"\nin = \"a\"\nout = \"b\"\nunit = \"GB\"\n"), "one of "},
           {meter("measure = \"peak\"\n" + gauge + "copies = \"3\"\n"), "of replicated bytes"},
           {meter("measure = \"peak\"\n" + gauge + "hours = \"730\"\n"), "unknown key `hours`"},
           {meter("measure = \"p95\"\n" + gauge + "in = \"rx\"\n"), "unknown key `in`"},
           {meter("measure = \"peak\"\nmetric = \"h\"\nunit = \"GiB-month\"\n"), "of a gauge"},
           {meter("measure = \"daily_snapshot\"\n" + gauge + "snapshot_hour = 24\n"), "0 to 23"},
           {meter("measure = \"peak\"\n" + gauge + "increment = \"0\"\n"), "above 0"},
           {meter("measure = \"peak\"\n" + gauge + "minimum = \"5\"\ncap = \"4\"\n"),
            "`cap` is below `minimum`"},
           {item("pricing = \"graduated\"\n"), "has tiers"},
           {item("pricing = \"volume\"\nprice = \"1\"\n[[plan.item.tier]]\nprice = \"1\"\n"),
            "those of the tiers"},
           {item("[[plan.item.tier]]\nprice = \"1\"\n"), "nothing says how they count"},
           {item("pricing = \"volume\"\n[[plan.item.tier]]\nup_to = \"5\"\nprice = \"1\"\n"),
            "the last tier ends"},
           {item("pricing = \"volume\"\n[[plan.item.tier]]\nprice = \"1\"\n[[plan.item.tier]]\n"
                 "price = \"1\"\n"),
            "only the last tier"},
           {item("pricing = \"volume\"\n[[plan.item.tier]]\nup_to = \"5\"\nprice = \"1\"\n"
                 "[[plan.item.tier]]\nup_to = \"5\"\nprice = \"1\"\n[[plan.item.tier]]\nprice = "
                 "\"1\"\n"),
            "not above the tier before"},
           {item("pricing = \"volume\"\n[[plan.item.tier]]\n"), "the tier has no `price`"},
           {item("pricing = \"package\"\nprice = \"1\"\n"), "needs `package`"},
           {item("pricing = \"package\"\npackage = \"1\"\n"), "needs `price`"},
           {item("package = \"5\"\nprice = \"1\"\n"), "is of pricing `package`"},
           {plans(""), "`plan` is missing"},
           {plans("plan = \"p\"\n" + entry("q")), "either `plan` or `plans`"},
           {plans(entry("p") + entry("q")), "needs `from`"},
           {plans(entry("p", "2026-02-01") + entry("q", "2026-01-01")), "plans in order"},
           {plans(entry("p", "", "2026-02-01") + entry("q", "2026-01-01")), "still in force"},
           {plans(entry("p", "", "2026-01-01") + entry("q", "2026-02-01")), "there is none"},
           {plans(entry("p", "2026-02-01", "2026-01-01")), "`to` is not after `from`"},
           {plans("from = 2026-01-01T00:00:00Z\n" + entry("p", "2026-02-01")),
            "no plan is in force when the customer begins"},
           {plans("to = 2026-03-01T00:00:00Z\n" + entry("p", "", "2026-02-01")),
            "no plan is in force when the customer ends"},
           {plans(entry("nix")), "unknown plan `nix`"},
           {plans("plans = []\n"), "`plans` is empty"},
           {plans("plan = \"p\"\nanchor_day = 32\n"), "1 to 31"},
           {plans("plan = \"p\"\nanchor_day = 0\n"), "1 to 31"},
           {"billing = {period = \"1h\"}\n" + plans("plan = \"p\"\nanchor_day = 2\n"),
            "an anchor is where months begin"},
           {std::string(kMeters) + kPlans +
                "[[plan]]\nid = \"usd\"\ncurrency = \"USD\"\n[[customer]]\nid = \"x\"\n" +
                entry("p") + entry("usd", "2026-01-01"),
            "differ in currency or rounding"}}) {
    const std::string errors = errors_of(text);
    EXPECT_THAT(errors, HasSubstr(error)) << text;
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
  }
}

}  // namespace
}  // namespace tallyman::rater
