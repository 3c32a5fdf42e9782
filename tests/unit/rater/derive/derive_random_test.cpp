// Given thousands of random histories, then derivation and a slow model written from the rules
// agree on every slot of every view, exactly.

#include <gtest/gtest.h>

#include "derive_history.hpp"
#include "derive_model.hpp"
#include "rater/derive/derive.hpp"

namespace tallyman::rater {
namespace {

using testing::Delivered;
using testing::History;
using testing::SlowModel;

constexpr Ns kSlot = 50;

/// Adds up what a Deriver tells, under the model's names.
class Sum {
 public:
  void add(const Derived& derived) {
    for (const auto& view : derived.views) {
      names_[view.id] = SlowModel::name(view.key.instance, view.key.series);
    }
    for (const auto& [view, usage] : derived.usage) {
      SlotUsage& sum = usage_[names_.at(view)][usage.slot];
      sum.slot = usage.slot;
      sum.amount += usage.amount;
      sum.covered += usage.covered;
      sum.estimated += usage.estimated;
      sum.peak = std::max(sum.peak, usage.peak);
      sum.before += usage.before;
      sum.after += usage.after;
    }
    EXPECT_EQ(derived.unknown, 0U);
    for (const Anomaly& each : derived.anomalies) anomalies_[names_.at(each.view)] += each.value;
  }
  [[nodiscard]] const std::map<std::string, SlowModel::Slots>& usage() const { return usage_; }
  [[nodiscard]] const std::map<std::string, u128>& anomalies() const { return anomalies_; }

 private:
  std::map<std::uint64_t, std::string> names_;
  std::map<std::string, SlowModel::Slots> usage_;
  std::map<std::string, u128> anomalies_;
};

std::string text(const SlotUsage& u) {
  return "slot " + std::to_string(u.slot) + " amount " + to_decimal(u.amount) + " covered " +
         std::to_string(u.covered) + " estimated " + std::to_string(u.estimated) + " peak " +
         std::to_string(u.peak) + " before " + std::to_string(u.before) + " after " +
         std::to_string(u.after);
}

std::vector<std::string> lines(const std::map<std::string, SlowModel::Slots>& usage) {
  std::vector<std::string> out;
  for (const auto& [view, slots] : usage) {
    for (const auto& [slot, each] : slots) {
      if (each.covered != 0 || each.amount != 0) out.push_back(view + ": " + text(each));
    }
  }
  return out;
}

std::string difference(const std::vector<std::string>& got, const std::vector<std::string>& want) {
  std::string out;
  for (std::size_t i = 0; i < std::max(got.size(), want.size()); ++i) {
    const std::string a = i < got.size() ? got[i] : "nothing";
    const std::string b = i < want.size() ? want[i] : "nothing";
    if (a != b) out += "got " + a + "\nwant " + b + "\n";
    if (out.size() > 1000) break;
  }
  return out;
}

void give(Deriver& deriver, const Delivered& each) {
  for (const auto& definition : each.definitions) deriver.define(each.stream, definition);
  deriver.apply(each.stream, each.batch, each.received);
}

// Given random histories, when derived in one go, then every slot equals the slow model's.
TEST(DeriveRandom, EqualsTheSlowModel) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    const History history(seed);
    Deriver deriver("h", kSlot);
    SlowModel model(kSlot);
    for (const Delivered& each : history.delivered) {
      give(deriver, each);
      for (const auto& definition : each.definitions) model.define(each.stream, definition);
      model.apply(each.stream, each.batch, each.received);
    }
    Sum sum;
    sum.add(deriver.take());
    ASSERT_EQ(difference(lines(sum.usage()), lines(model.usage())), "") << "seed " << seed;
    ASSERT_TRUE(sum.anomalies() == model.anomalies()) << "seed " << seed;
    const auto totals = model.totals();
    for (const auto& [view, slots] : sum.usage()) {
      if (view.find("total") == std::string::npos) continue;
      u128 all = 0;
      for (const auto& [slot, usage] : slots) {
        all += usage.amount;
        ASSERT_LE(usage.covered, kSlot);
        ASSERT_LE(usage.estimated, usage.covered);
      }
      ASSERT_EQ(to_decimal(all), to_decimal(totals.at(view))) << "seed " << seed << " " << view;
    }
  }
}

// Given random histories, when the state is taken, stored and restored between batches, then
// nothing changes: contributions, watermarks and the final state are the same to the byte.
TEST(DeriveRandom, SurvivesSnapshotsAnywhere) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const History history(seed);
    Deriver whole("h", kSlot), cut("h", kSlot);
    Sum whole_sum, cut_sum;
    std::mt19937_64 random(seed);
    std::vector<std::pair<std::uint64_t, wire::Definition>> known;
    for (const Delivered& each : history.delivered) {
      give(whole, each);
      give(cut, each);
      for (const auto& d : each.definitions) known.emplace_back(each.stream, d);
      for (const auto& entry : each.batch.entries) {
        if (const auto* d = std::get_if<wire::Definition>(&entry)) {
          known.emplace_back(each.stream, *d);
        }
      }
      if (random() % 4 != 0) continue;
      cut_sum.add(cut.take());
      auto restored = Deriver::restore(cut.snapshot());
      ASSERT_TRUE(restored.ok());
      cut = std::move(*restored);
      for (const auto& [stream, d] : known) cut.define(stream, d);
    }
    whole_sum.add(whole.take());
    cut_sum.add(cut.take());
    ASSERT_EQ(difference(lines(cut_sum.usage()), lines(whole_sum.usage())), "") << "seed " << seed;
    ASSERT_EQ(cut.snapshot(), whole.snapshot()) << "seed " << seed;
  }
}

// Given a snapshot with random bytes changed, cut short or added, when it is restored, then it
// gives a Deriver or an error, never a fault.
TEST(DeriveRandom, RestoresNothingButSnapshots) {
  const History history(7);
  Deriver deriver("h", kSlot);
  for (const Delivered& each : history.delivered) give(deriver, each);
  static_cast<void>(deriver.take());
  const Bytes good = deriver.snapshot();
  EXPECT_TRUE(Deriver::restore(good).ok());
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    Bytes bad = good;
    for (std::uint64_t n = 1 + random() % 3; n > 0; --n) {
      bad[random() % bad.size()] = static_cast<std::uint8_t>(random());
    }
    if (random() % 3 == 0) bad.resize(random() % bad.size());
    auto restored = Deriver::restore(bad);
    if (!restored.ok()) continue;
    for (const Delivered& each : history.delivered) give(*restored, each);
    static_cast<void>(restored->take());
  }
  for (std::size_t n = 0; n < good.size(); ++n) {
    EXPECT_FALSE(Deriver::restore(ByteView(good).first(n)).ok());
  }
}

}  // namespace
}  // namespace tallyman::rater
