// Given slots of an old system, then they are billed as what they are: no byte twice, what was not
// measured unknown, and every wrong line told.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "billing_fixture.hpp"
#include "rater/import.hpp"
#include "rater/import_slots.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using ::testing::HasSubstr;
using testing::json;
using testing::kNoon;

constexpr const char* kHeader = "source,metric,slot,seconds,bytes,coverage,labels,info\n";
constexpr const char* kPeriod = "2026-11-22T12:00:00Z/1m";

class ImportSlotsTest : public BillingTest {
 protected:
  ImportSlotsTest() {
    options_.close_automatically = options_.release_automatically = false;
    clock_.advance(kHour);
    open();
  }
  static std::string slot(int second, const std::string& bytes, const std::string& coverage = "1") {
    return "host:stor-01,netif_transmit_bytes_total,2026-11-22T12:00:" +
           std::string(second < 10 ? "0" : "") + std::to_string(second) + "Z,10," + bytes + "," +
           coverage + ",ifindex=3,interface=eth0\n";
  }
  Imported take_slots(const std::string& lines, const std::string& name = "slots.csv") {
    std::ofstream(folder_.file(name)) << kHeader << lines;
    const auto done = import_readings(
        *intake_, folder_.file(name), "old",
        [&](const Error& error) { errors_.push_back(error.text()); }, ImportKind::slots);
    EXPECT_TRUE(done.ok()) << done.error().text();
    return done.ok() ? *done : Imported{};
  }
  json record() {
    const json review = answer(billing_->close(kPeriod));
    return review.is_object() ? review.at("lines").at(0) : json();
  }
  std::vector<std::string> errors_;
};

/// Given six slots of ten seconds, then the minute is their sum, wholly covered.
TEST_F(ImportSlotsTest, BillsTheSumOfSlots) {
  std::string lines;
  for (int n = 0; n < 6; ++n) lines += slot(n * 10, std::to_string(100 + n));
  EXPECT_EQ(take_slots(lines).readings, 6U);
  const json r = record();
  EXPECT_EQ(r.at("exact").at("billed"), "615");
  EXPECT_EQ(r.at("coverage"), "1.000000");
}

/// Given slots that were measured in part or are missing, then the rest is unknown, and not zero.
TEST_F(ImportSlotsTest, WhatWasNotMeasuredIsUnknown) {
  take_slots(slot(0, "100") + slot(10, "50", "0.5") + slot(20, "0", "0") + slot(40, "7"));
  const json r = record();
  EXPECT_EQ(r.at("exact").at("billed"), "157");
  EXPECT_EQ(r.at("coverage"), "0.416666");
  EXPECT_TRUE(r.at("exact").at("high").is_null());
}

/// Given the same slots again, in the same file, another order or another file that goes on, then
/// each counts once.
TEST_F(ImportSlotsTest, CountsASlotOnce) {
  const std::string first = slot(0, "100") + slot(10, "200") + slot(20, "300");
  take_slots(first);
  EXPECT_GT(take_slots(first).held, 0U);
  take_slots(slot(20, "300") + slot(0, "100") + slot(10, "200") + slot(30, "400"), "more.csv");
  EXPECT_EQ(record().at("exact").at("billed"), "1000");
}

/// Given another value for a slot, within a file it is refused, of another file it is kept out.
TEST_F(ImportSlotsTest, NeverBelievesTwoValuesOfOneSlot) {
  EXPECT_EQ(take_slots(slot(0, "100") + slot(0, "101")).errors, 1U);
  EXPECT_EQ(take_slots(slot(0, "100") + slot(0, "50", "0.5")).errors, 1U);
  take_slots(slot(0, "100"));
  take_slots(slot(0, "170"), "other.csv");
  const json review = answer(billing_->close(kPeriod));
  EXPECT_EQ(review.at("lines").at(0).at("exact").at("billed"), "100");
  EXPECT_EQ(review.at("anomalies").size(), 1U);
}

/// Given lines that are wrong in every way, then each is told with line and column, and nothing is
/// taken.
TEST_F(ImportSlotsTest, TellsEveryWrongLine) {
  const std::string good = "host:s,m_total,2026-11-22T12:00:00Z,10,5,1,,\n";
  const Imported done =
      take_slots(good +
                 ",m_total,2026-11-22T12:00:10Z,10,5,1,,\n"
                 "host:s,m_total,yesterday,10,5,1,,\n"
                 "host:s,m_total,2026-11-22T12:00:10Z,20,5,1,,\n"
                 "host:s,m_total,2026-11-22T12:00:03Z,10,5,1,,\n"
                 "host:s,m_total,2026-11-22T12:00:10Z,10,-5,1,,\n"
                 "host:s,m_total,2026-11-22T12:00:10Z,10,18446744073709551616,1,,\n"
                 "host:s,m_total,2026-11-22T12:00:10Z,10,5,1.5,,\n"
                 "host:s,m_total,2026-11-22T12:00:10Z,10,5,0,,\n"
                 "host:s,m_total,2026-11-22T12:00:10Z,10,5,1,nolabel,\n"
                 "host:s,m_total,2026-11-22T12:00:10Z,10,5\n"
                 "host:s,m_total,2036-11-22T12:00:10Z,10,5,1,,\n");
  EXPECT_EQ(done.errors, 11U);
  ASSERT_EQ(errors_.size(), 11U);
  for (std::size_t i = 0; i < errors_.size(); ++i) {
    EXPECT_THAT(errors_[i], HasSubstr("slots.csv:" + std::to_string(i + 3) + ":")) << errors_[i];
  }
  EXPECT_TRUE(intake_->streams()->empty());
}

/// Given many malformed lines, then there are as many errors, each with its line, and no more.
TEST_F(ImportSlotsTest, AMillionMalformedLinesAreAMillionErrors) {
  const std::size_t many = std::getenv("TALLYMAN_FULL") != nullptr ? 1'000'000 : 100'000;
  std::ofstream out(folder_.file("bad.csv"));
  out << kHeader;
  for (std::size_t i = 0; i < many; ++i) out << "host:s,m_total,never,10," << i << ",1,,\n";
  out.close();
  std::size_t told = 0;
  const auto done = check_import(folder_.file("bad.csv"), "old", ImportKind::slots, clock_.wall(),
                                 [&](const Error& error) {
                                   ++told;
                                   const std::string line = ":" + std::to_string(told + 1) + ":16";
                                   ASSERT_TRUE(error.where.ends_with(line)) << error.where;
                                 });
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(told, many);
  EXPECT_EQ(done->errors, many);
}

/// Given a header that names no columns of slots, or no agent, then that is the one error.
TEST_F(ImportSlotsTest, WantsAHeaderAndAnAgent) {
  std::ofstream(folder_.file("none.csv")) << "a,b,c\n1,2,3\n4,5,6\n";
  std::size_t told = 0;
  const auto count = [&](const Error&) { ++told; };
  const auto done =
      check_import(folder_.file("none.csv"), "old", ImportKind::slots, clock_.wall(), count);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(told, 1U);
  EXPECT_FALSE(
      check_import(folder_.file("none.csv"), "", ImportKind::slots, clock_.wall(), count).ok());
}

}  // namespace
}  // namespace tallyman::rater
