// Given a period and somebody else's figures for it, then what differs is told, the biggest first,
// with the slip that makes it so.

#include "rater/views/compare.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "billing_fixture.hpp"
#include "rater/csv.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using ::testing::HasSubstr;

constexpr const char* kPeriod = "2026-11-22T12:00:00Z/1m";

class CompareTest : public BillingTest {
 protected:
  CompareTest() {
    minute(0);
    settle();
  }
  Comparison compared(const std::string& csv, const Rational& tolerance = {}) {
    std::istringstream in(csv);
    const OldFigures old = read_old_figures(in);
    EXPECT_TRUE(old.errors.empty());
    auto snapshot = Snapshot::open(folder_.file("ledger"), clock_);
    auto done = compare(**snapshot, kPeriod, old.lines, tolerance);
    EXPECT_TRUE(done.ok()) << done.error().text();
    return done.ok() ? std::move(*done) : Comparison{};
  }
};

/// Given the same figures, then nothing is beyond the tolerance; a cent more is.
TEST_F(CompareTest, AgreesWithTheSame) {
  EXPECT_EQ(compared("customer,meter,quantity,amount\nacme,transfer,1800,8.00\n").beyond, 0U);
  EXPECT_EQ(compared("customer,meter,quantity,unit\nacme,transfer,0.0018,MB\n").beyond, 0U);
  EXPECT_EQ(compared("customer,meter,quantity,amount\nacme,transfer,1800,8.01\n").beyond, 1U);
  EXPECT_EQ(compared("customer,meter,quantity,amount\nacme,transfer,1800,8.01\n", Rational(1, 100))
                .beyond,
            0U);
}

/// Given common slips, then each is named.
TEST_F(CompareTest, NamesTheLikelyCause) {
  const auto cause = [&](const std::string& quantity) {
    const Comparison c = compared("customer,meter,quantity\nacme,transfer," + quantity + "\n");
    return c.lines.empty() ? std::string() : c.lines[0].cause;
  };
  EXPECT_THAT(cause("14400"), HasSubstr("bits and bytes"));
  EXPECT_THAT(cause("1757.8125"), HasSubstr("1000 and 1024"));
  EXPECT_THAT(cause("1800000"), HasSubstr("off by 1000"));
  EXPECT_THAT(cause("3600"), HasSubstr("counts twice"));
}

/// Given a customer on one side only, then it comes first and says on which.
TEST_F(CompareTest, TellsWhatIsMissing) {
  const Comparison c = compared("customer,meter,quantity\nglobex,transfer,5\n");
  ASSERT_EQ(c.lines.size(), 2U);
  EXPECT_EQ(c.beyond, 2U);
  for (const Difference& d : c.lines) {
    EXPECT_THAT(d.cause, HasSubstr(d.here ? "not in the old" : "not known here"));
  }
}

/// Given malformed lines, then every one is told with its line and column, all at once.
TEST(OldFigures, TellsEveryWrongLine) {
  std::istringstream in(
      "customer,meter,quantity,unit\n"
      "a,m,1,GB\n"
      "a,m,2,GB\n"
      "b,m,many,GB\n"
      "c,m,1\n"
      "d,m,1,parsec\n"
      "\"e,m,1,GB\n");
  const OldFigures old = read_old_figures(in);
  ASSERT_EQ(old.errors.size(), 5U);
  EXPECT_EQ(old.errors[0].where, "3:1");
  EXPECT_EQ(old.errors[1].where, "4:5");
  EXPECT_EQ(old.errors[2].where, "5:1");
  EXPECT_EQ(old.errors[3].where, "6:7");
  EXPECT_EQ(old.errors[4].where, "7:1");
  std::istringstream none("customer;meter\n");
  EXPECT_EQ(read_old_figures(none).errors.size(), 1U);
  std::istringstream empty("");
  EXPECT_EQ(read_old_figures(empty).errors.size(), 1U);
}

/// Given quoted fields, then commas and quotes within them stay.
TEST(Csv, ReadsQuotedFields) {
  const auto fields = csv_fields(R"( a ,"b, ""c""" ,,d )"
                                 "\r");
  ASSERT_TRUE(fields.ok());
  ASSERT_EQ(fields->size(), 4U);
  EXPECT_EQ((*fields)[0].text, "a");
  EXPECT_EQ((*fields)[1].text, "b, \"c\"");
  EXPECT_EQ((*fields)[2].text, "");
  EXPECT_EQ((*fields)[3].text, "d");
  EXPECT_EQ((*fields)[1].column, 5U);
  EXPECT_FALSE(csv_fields("\"a\"b").ok());
  EXPECT_FALSE(csv_fields("\"a").ok());
}

/// Given another catalogue, then the shadow shows both prices and touches nothing.
TEST_F(CompareTest, ShadowsAnotherCatalogue) {
  app::ConfigErrors errors;
  const Catalogue other = parse_catalogue(catalogue_with("price = \"0.01\"", "price = \"0.05\""),
                                          "other", options_.slot, errors);
  ASSERT_TRUE(errors.empty());
  auto snapshot = Snapshot::open(folder_.file("ledger"), clock_);
  const auto done = shadow(**snapshot, kPeriod, other);
  ASSERT_TRUE(done.ok()) << done.error().text();
  const LineKey line{"acme", "transfer"};
  EXPECT_EQ(done->then.at(line).amount, "8.00");
  EXPECT_EQ(done->now.at(line).amount, "40.00");
  EXPECT_EQ(done->total_now.at("EUR").fixed(2), "40.00");
  EXPECT_FALSE(shadow(**snapshot, "2026-11", other).ok());
}

}  // namespace
}  // namespace tallyman::rater
