// Given records of every measure, aggregate and plan change, then raw readings come to each of
// their figures, and a figure that was changed is named.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/time_text.hpp"
#include "billing_fixture.hpp"
#include "rater/views/explain.hpp"
#include "rater/views/record_texts.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using ::testing::HasSubstr;
using testing::kNoon;

constexpr const char* kPeriod = "2026-11-21T00:00:00Z/2d";
constexpr Ns kStart = kNoon - 36 * kHour;
constexpr Ns kEnd = kStart + 2 * kDay;
constexpr Ns kBeat = 5 * kMinute;

constexpr const char* kBoth = "in = \"rx\"\nout = \"tx\"\nunit = \"kbit/s\"\nmeasure = \"p95\"\n";
constexpr const char* kHeld = "metric = \"held\"\nunit = \"KiB\"\n";

std::string meters() {
  std::string text;
  const auto meter = [&](const std::string& id, const std::string& lines) {
    text += "[[meter]]\nid = \"" + id + "\"\n" + lines;
  };
  const std::string both = kBoth, held = kHeld;
  meter("volume", "measure = \"volume\"\nin = \"rx\"\nout = \"tx\"\nunit = \"kB\"\n");
  meter("volume-out",
        "measure = \"volume\"\ndirection = \"out\"\nout = \"tx\"\nunit = \"B\"\n"
        "increment = \"1000\"\nminimum = \"5000\"\ncap = \"900000000\"\n");
  for (const char* direction : {"in", "out", "max_of_p95", "p95_of_sum", "p95_of_max"}) {
    for (const char* missing : {"exclude", "zero", "spread"}) {
      const bool whole = std::string(missing) == "zero";
      meter(std::string("p95-") + direction + "-" + missing,
            both + "direction = \"" + direction + "\"\nmissing = \"" + missing +
                "\"\nplan_change = \"" + (whole ? "whole" : "segments") + "\"\n");
    }
  }
  meter("p95-each", both + "aggregate = \"each\"\nincrement = \"1\"\nminimum = \"2\"\n");
  meter("peak", held + "measure = \"peak\"\n");
  meter("peak-each", held + "measure = \"peak\"\naggregate = \"each\"\nplan_change = \"whole\"\n");
  meter("held-p95", held + "measure = \"p95\"\nbytes = \"replicated\"\ncopies = \"1.5\"\n");
  meter("held-p95-each", held + "measure = \"p95\"\naggregate = \"each\"\nmissing = \"zero\"\n");
  meter("held-daily", held + "measure = \"daily_snapshot\"\nsnapshot_hour = 3\n");
  meter("held-copies", held + "measure = \"daily_snapshot\"\nbytes = \"replicated\"\n" +
                           "copies = \"3\"\nsnapshot_hour = 17\ncap = \"1000000\"\n");
  const std::string months =
      "measure = \"time_weighted\"\nmetric = \"held\"\nunit = \"KiB-month\"\n";
  meter("held", months);
  meter("held-730", months + "hours = \"730\"\nbytes = \"replicated\"\ncopies = \"3\"\n");
  return text;
}

std::vector<std::string> ids_of(const std::string& meters) {
  std::vector<std::string> ids;
  for (std::size_t at = 0; (at = meters.find("id = \"", at)) != std::string::npos;) {
    at += 6;
    ids.push_back(meters.substr(at, meters.find('"', at) - at));
  }
  return ids;
}

std::string instant(Ns at) { return to_rfc3339_short(at); }

class ExplainMeasures : public BillingTest {
 protected:
  ExplainMeasures() {
    options_.slot = 10 * kMinute;
    options_.release_automatically = options_.close_automatically = false;
  }

  /// Two customers: port 2 and one of the two buckets move from one to the other at `moves`, and
  /// acme's plan changes at `changes`.
  static std::string catalogue(Ns moves, Ns changes) {
    const std::string all = meters();
    std::string text = "[billing]\nperiod = \"2d\"\n" + all;
    for (const char* plan : {"p", "q"}) {
      text += "[[plan]]\nid = \"" + std::string(plan) + "\"\n";
      for (const std::string& id : ids_of(all)) {
        text += "[[plan.item]]\nmeter = \"" + id + "\"\nallowance = \"1\"\nprice = \"0.01\"\n";
      }
    }
    text += "[[customer]]\nid = \"acme\"\n[[customer.plans]]\nplan = \"p\"\n";
    text += "[[customer.plans]]\nplan = \"q\"\nfrom = " + instant(changes) + "\n";
    text += "[[customer]]\nid = \"other\"\nplan = \"q\"\n";
    const auto resource = [&](const char* customer, const std::string& more,
                              const std::string& match) {
      text += "[[resource]]\ncustomer = \"" + std::string(customer) + "\"\n" + more +
              "[resource.match]\nsource = \"host:stor-01\"\n" + match + "\n";
    };
    resource("acme", "", "no = \"1\"");
    resource("acme", "to = " + instant(moves) + "\n", "no = \"2\"");
    resource("other", "from = " + instant(moves) + "\n", "no = \"2\"");
    return text;
  }

  void fresh() {
    billing_.reset();
    intake_.reset();
    ledger_.reset();
    for (const char* name : {"ledger", "ledger-wal", "ledger-shm"}) {
      std::filesystem::remove(folder_.file(name));
    }
    clock_ = FakeClock(kNoon, kHour);
    clock_.advance(kEnd + kHour - kNoon);
    open();
  }

  /// Counters and gauges of two ports, two buckets; readings missed now and then, resets, new
  /// lives.
  wire::Batch random_batch(std::uint32_t seed) { return random_batch(maker_, seed, seed); }
  /// `counted`: what the counters and gauges did; `seen`: what of it was read.
  static wire::Batch random_batch(const testing::StreamMaker& maker, std::uint32_t counted,
                                  std::uint32_t seen) {
    std::mt19937_64 random(counted), eyes(seen);
    wire::Batch batch{maker.head(), {}, {kEnd + 20 * kMinute, 1}};
    const auto define = [&](wire::DefNo number, wire::DefBody body) {
      batch.entries.emplace_back(wire::Definition{number, std::move(body)});
    };
    define(1, wire::InstanceDef{"netif", "netif", "1.0", {}, kBeat});
    define(2, wire::SourceDef{wire::Scope::shared, "host:stor-01"});
    define(3, wire::MetricDef{"rx", "bytes", "", wire::Kind::counter, 0, {"no"}, {}});
    define(4, wire::MetricDef{"tx", "bytes", "", wire::Kind::counter, 0, {"no"}, {}});
    define(5, wire::MetricDef{"held", "bytes", "", wire::Kind::gauge, 0, {"no"}, {}});
    struct Series {
      wire::DefNo series, epoch;
      bool gauge;
      std::uint64_t value;
    };
    std::vector<Series> all;
    wire::DefNo next = 6;
    for (const wire::DefNo metric : {3U, 4U, 5U}) {
      for (const char* no : {"1", "2"}) {
        const wire::DefNo series = next++, epoch = next++;
        define(series, wire::SeriesDef{2, metric, {no}});
        define(epoch, wire::EpochDef{series, random(), 0});
        all.push_back({series, epoch, metric == 5, random() % 1'000'000});
      }
    }
    const Ns quiet = kStart + static_cast<Ns>(eyes() % 40) * kHour;
    for (Ns at = kStart - 2 * kBeat; at <= kEnd + 2 * kBeat; at += kBeat) {
      const bool away = at > quiet && at < quiet + 90 * kMinute;
      const bool missed = away || eyes() % 20 == 0;
      wire::Poll poll = testing::poll(at, 0);
      poll.boot = at - kStart + kHour;
      poll.values.clear();
      for (Series& each : all) {
        if (each.gauge) {
          if (random() % 5 == 0) each.value = random() % 2'000'000'000;
        } else {
          each.value += random() % 10'000'019;
          if (random() % 90 == 0) each.value /= 3;
          if (random() % 90 == 0) {
            const Ns start = random() % 2 == 0 ? 0 : at - static_cast<Ns>(random() % (9 * kMinute));
            each.epoch = next++;
            each.value = random() % 1'000'003;
            define(each.epoch, wire::EpochDef{each.series, random(), start});
          }
        }
        if (eyes() % 30 != 0) poll.values.push_back({each.epoch, each.value, 0});
      }
      std::sort(poll.values.begin(), poll.values.end(),
                [](const wire::Value& a, const wire::Value& b) { return a.epoch < b.epoch; });
      if (!missed && !poll.values.empty()) batch.entries.emplace_back(poll);
    }
    return batch;
  }

  void commit(testing::StreamMaker& maker, const wire::Batch& batch) {
    const auto made = maker.follow(batch);
    const auto taken = intake_->commit_batch(maker.agent(), maker.life(), made.bytes);
    ASSERT_TRUE(taken) << taken.error().text();
    ASSERT_EQ(taken->outcome, Accepted::Outcome::applied) << taken->text;
  }
  void take(const wire::Batch& batch) {
    commit(maker_, batch);
    settle();
    answer(billing_->close(kPeriod));
  }

  Explanation explained(const std::string& customer, const std::string& meter) {
    auto snapshot = Snapshot::open(folder_.file("ledger"), clock_);
    EXPECT_TRUE(snapshot.ok());
    auto done = explain(**snapshot, {"", customer, meter, kPeriod}, -1);
    EXPECT_TRUE(done.ok()) << customer << " " << meter << ": " << done.error().text();
    return done.ok() ? std::move(*done) : Explanation{};
  }
  void expect_all_agree(const std::string& what) {
    for (const char* customer : {"acme", "other"}) {
      for (const std::string& meter : ids_of(meters())) {
        const Explanation e = explained(customer, meter);
        const std::string name = what + ", " + customer + " " + meter;
        EXPECT_THAT(e.faults, ::testing::IsEmpty()) << name;
        ASSERT_TRUE(e.figures) << name;
        EXPECT_TRUE(e.without.empty()) << name;
        EXPECT_EQ(e.figures->parts.size(), std::string(customer) == "acme" ? 2U : 1U) << name;
      }
    }
  }
};

/// Given random readings, owners that change and a plan that does, then all measures come out.
TEST_F(ExplainMeasures, EveryMeasureComesOutOfRawReadings) {
  const std::uint32_t seeds = std::getenv("TALLYMAN_FULL") != nullptr ? 20 : 2;
  for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
    std::mt19937_64 random(seed);
    const auto within = [&] { return kStart + static_cast<Ns>(random() % 172'000) * kSecond; };
    const Ns moves = within();
    write_catalogue(catalogue(moves, seed % 2 == 0 ? within() : kStart + kDay));
    maker_ = testing::StreamMaker("stor-01", static_cast<std::uint8_t>(seed));
    fresh();
    take(random_batch(seed));
    expect_all_agree("seed " + std::to_string(seed));
  }
}

/// Given two agents that each miss other readings of one shared source, and time that is waived,
/// then the raw readings of whichever is billed in a slot come to all figures.
TEST_F(ExplainMeasures, WaivedTimeAndSeveralWitnessesComeOut) {
  write_catalogue(catalogue(kStart + 30 * kHour + 7 * kSecond, kStart + kDay));
  fresh();
  testing::StreamMaker second("stor-02", 9);
  commit(second, random_batch(second, 11, 12));
  take(random_batch(maker_, 11, 13));
  DecisionRequest request;
  request.command = "waive";
  request.decision = {"ann", "a move of racks", 1000};
  request.fields = {{"resource", "acme:no=1"},
                    {"from", instant(kStart + 5 * kHour + 123 * kSecond)},
                    {"to", instant(kStart + 9 * kHour)}};
  answer(billing_->decide(request));
  answer(billing_->close(kPeriod));
  expect_all_agree("witnesses");
  const Explanation e = explained("acme", "volume");
  ASSERT_FALSE(e.series.empty());
  EXPECT_EQ(e.series[0].views.size(), 2U);
  EXPECT_TRUE(record_texts(e.record.body).contains("waived.amount"));
}

/// Given any one figure of a record changed, then the raw readings contradict it by its path.
TEST_F(ExplainMeasures, NamesTheFigureThatWasChanged) {
  write_catalogue(catalogue(kStart + kDay, kStart + kDay));
  fresh();
  take(random_batch(7));
  for (const std::string& meter : ids_of(meters())) {
    const Explanation e = explained("acme", meter);
    for (const auto& [path, text] : record_texts(e.record.body)) {
      if (!path.ends_with(".billed")) continue;
      Explanation changed = e;
      auto texts = record_texts(e.record.body);
      texts[path] = text + "1";
      check_figures(texts, changed);
      ASSERT_EQ(changed.faults.size(), 1U) << meter << " " << path;
      EXPECT_THAT(changed.faults[0], HasSubstr(": " + path));
    }
  }
}

/// Given a person's figure, then the computed one is what readings come to, and who put it there.
TEST_F(ExplainMeasures, TellsAPersonsFigureFromWhatWasMeasured) {
  write_catalogue(catalogue(kStart + kDay, kStart + kDay));
  fresh();
  take(random_batch(3));
  for (const char* meter : {"volume", "p95-each", "held-copies", "peak"}) {
    const std::string id = explained("acme", meter).record.id;
    DecisionRequest request;
    request.command = "correct";
    request.fields = {{"record", id}, {"quantity", "12.5"}};
    request.decision = {"ann", "the probe was wrong", 1000};
    answer(billing_->decide(request));
    settle();
    answer(billing_->close(kPeriod));
    const Explanation e = explained("acme", meter);
    EXPECT_THAT(e.faults, ::testing::IsEmpty()) << meter;
    ASSERT_TRUE(e.correction) << meter;
    EXPECT_EQ(e.correction->who, "ann");
    EXPECT_EQ(e.correction->why, "the probe was wrong");
    EXPECT_EQ(record_texts(e.record.body)["quantity.billed"], "12.5");
    EXPECT_EQ(record_texts(e.record.body)["correction.computed"], e.figures->quantity.text(9));
  }
}

}  // namespace
}  // namespace tallyman::rater
