// Given contracts as customers have them, then billing bills by them, whatever the catalogue's
// files are, and refuses a change that would bill time twice.

#include <gmock/gmock.h>

#include <filesystem>

#include "billing_fixture.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using ::testing::HasSubstr;
using testing::json;
using testing::kCatalogue;

class BillingContract : public BillingTest {
 protected:
  BillingContract() {
    std::filesystem::create_directory(folder_.file("shop"));
    options_.catalogue_path = folder_.file("shop");
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.file("shop/" + name)) << text;
  }
};

/// Given a folder of TOML and JSON, then usage is billed by all of it, and when the folder is
/// broken at a restart, by what was in force before.
TEST_F(BillingContract, AFolderIsACatalogueAndOutlivesItsFiles) {
  const std::string all = kCatalogue;
  const std::size_t customers = all.find("[[customer]]");
  write("meters.toml", all.substr(0, customers));
  write("shop.json", R"({"customer": [{"id": "acme", "plan": "p"}],
"resource": [{"customer": "acme", "match": {"source": "host:stor-01"}}]})");
  open();
  minute(0);
  settle();
  ASSERT_EQ(published().size(), 3U);
  EXPECT_EQ(published()[0].at("data").at("quantity").at("billed"), "1800");
  const json before = answer(billing_->status_json()).at("catalogue");
  write("meters.toml", "broken");
  open();
  const json status = answer(billing_->status_json());
  EXPECT_EQ(status.at("catalogue").at("version"), before.at("version"));
  EXPECT_THAT(status.at("error").get<std::string>(), HasSubstr("meters.toml:1:"));
  minute(1);
  settle();
  EXPECT_EQ(published().size(), 6U);
}

/// Given a plan that changes within a period, then one record has two segments, and the same again
/// after a restart.
TEST_F(BillingContract, APlanThatChangesGivesOneRecordOfTwoSegments) {
  std::string text = kCatalogue;
  const std::string plan = "id = \"acme\"\nplan = \"p\"\n";
  text.replace(text.find(plan), plan.size(),
               "id = \"acme\"\n[[customer.plans]]\nplan = \"p\"\n[[customer.plans]]\n"
               "plan = \"q\"\nfrom = 2026-11-22T12:00:20Z\n");
  write("all.toml", text +
                        "[[plan]]\nid = \"q\"\n[[plan.item]]\nmeter = \"transfer\"\npricing = "
                        "\"package\"\npackage = \"500\"\nprice = \"3\"\n");
  open();
  minute(0);
  settle();
  open();
  settle();
  ASSERT_EQ(published().size(), 3U);
  const json data = published()[0].at("data");
  EXPECT_EQ(data.at("quantity").at("billed"), "1800");
  const json& segments = data.at("segments");
  ASSERT_EQ(segments.size(), 2U);
  EXPECT_EQ(segments[0].at("quantity").at("billed"), "600");
  EXPECT_EQ(segments[0].at("allowance"), "333.333333333");
  EXPECT_EQ(segments[1].at("quantity").at("billed"), "1200");
  EXPECT_EQ(segments[1].at("tiers")[0].at("quantity"), "3");
  EXPECT_EQ(segments[1].at("amount"), "9");
  EXPECT_EQ(data.at("amount"), "11.67");
}

/// Given a closed month, then a customer's anchor cannot change, and a new customer has any.
TEST_F(BillingContract, AnchorsCannotChangeWhileMonthsAreClosed) {
  const auto with = [&](const std::string& anchor) {
    std::string text = catalogue_with("period = \"1m\"", "period = \"month\"");
    return text.replace(text.find("plan = \"p\"\n[[res"), 10, "plan = \"p\"\n" + anchor);
  };
  options_.close_automatically = options_.release_automatically = false;
  write("all.toml", with("anchor_day = 15"));
  open();
  minute(0);
  clock_.advance(10 * kDay);
  answer(billing_->close("2026-11"));
  write("all.toml", with("anchor_day = 16"));
  EXPECT_THAT(billing_->reload_catalogue().error().what, HasSubstr("anchor of customer `acme`"));
  write("all.toml",
        with("anchor_day = 15") + "[[customer]]\nid = \"new\"\nplan = \"p\"\nanchor_hour = 3\n");
  EXPECT_TRUE(billing_->reload_catalogue());
}

/// Given a customer whose months begin on the fifteenth, then running figures are those of the
/// month that runs for it.
TEST_F(BillingContract, RunningFiguresAreOfTheCustomersOwnMonth) {
  std::string text = catalogue_with("period = \"1m\"", "period = \"month\"");
  text.replace(text.find("plan = \"p\"\n[[res"), 10, "plan = \"p\"\nanchor_day = 15");
  options_.close_automatically = options_.release_automatically = false;
  write("all.toml", text);
  open();
  minute(0);
  const json usage = answer(billing_->usage_json("acme", ""));
  ASSERT_EQ(usage.at("usage").size(), 1U);
  const json& key = usage.at("usage")[0].at("key");
  EXPECT_EQ(key.at("period").at("start"), "2026-11-15T00:00:00Z");
  EXPECT_EQ(key.at("period").at("id"), "2026-12");
  EXPECT_EQ(usage.at("usage")[0].at("quantity").at("billed"), "1800");
}

}  // namespace
}  // namespace tallyman::rater
