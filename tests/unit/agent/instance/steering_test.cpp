#include "agent/instance/steering.hpp"

#include <gtest/gtest.h>

#include <random>

#include "agent/instance/steering_file.hpp"
#include "base/fake_files.hpp"
#include "base/hash.hpp"

namespace tallyman::agent {
namespace {

SteeringTable sample() {
  SteeringTable table;
  table["netif"].disabled = Disabled{"ann", "döner \"quoted\"", 1'700'000'000 * kSecond};
  Record record;
  record.counts = {true, 9, {1, 2, 2, 5 * kSecond}, 77 * kSecond};
  record.last = {wire::Cause::hang, "poll over its deadline of 5 s"};
  table["crasher"].record = record;
  table["both"].disabled = Disabled{"0", "x", 1};
  table["both"].record = record;
  table["both"].record->counts.failed = false;
  table["swapped"].before = hash_of(as_bytes("1.0"));
  table["refused"].pin = Pin{hash_of(as_bytes("1.1")),
                             hash_of(as_bytes("1.0")),
                             true,
                             "1.1 (3f29c01a)",
                             "",
                             "crash: exited with status 0",
                             5 * kSecond};
  table["back"].before = hash_of(as_bytes("1.1"));
  table["back"].pin = table["refused"].pin;
  table["back"].pin->refused = false;
  table["back"].pin->who = "ann";
  table["back"].record = record;
  return table;
}

void expect_equal(const SteeringTable& a, const SteeringTable& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, one] : a) {
    ASSERT_TRUE(b.contains(name));
    const Steering& other = b.at(name);
    EXPECT_EQ(one.disabled, other.disabled);
    EXPECT_EQ(one.before, other.before);
    EXPECT_EQ(one.pin, other.pin);
    ASSERT_EQ(one.record.has_value(), other.record.has_value());
    if (!one.record) continue;
    EXPECT_EQ(one.record->counts, other.record->counts);
    EXPECT_EQ(one.record->last.cause, other.record->last.cause);
    EXPECT_EQ(one.record->last.why, other.record->last.why);
  }
}

void reseal(Bytes& bytes) {
  for (int i = 0; i < 4; i++) bytes.pop_back();
  ByteWriter(bytes).u32(crc32c(bytes));
}

// Given decisions and counts, then what is written is read again; who has nothing to say is left
// out.
TEST(Steering, round_trip) {
  SteeringTable table = sample();
  table["silent"];
  auto read = decode_steering(encode_steering(table));
  ASSERT_TRUE(read) << read.error().text();
  expect_equal(sample(), *read);
  ASSERT_TRUE(decode_steering(encode_steering({})));
}

// Given any byte changed or any tail cut off or added, then the file is damaged as a whole.
TEST(Steering, notices_every_damage) {
  const Bytes good = encode_steering(sample());
  for (std::size_t i = 0; i < good.size(); i++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      Bytes bad = good;
      bad[i] = static_cast<std::uint8_t>(bad[i] ^ (1U << bit));
      ASSERT_FALSE(decode_steering(bad)) << i << ':' << bit;
    }
    ASSERT_FALSE(decode_steering(ByteView(good).first(i))) << i;
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(decode_steering(longer));
  reseal(longer);
  EXPECT_FALSE(decode_steering(longer));
}

// Given random changes under a checksum that fits, then reading ends in a table that is fit to be
// written again, or in an error.
TEST(Steering, hostile_bytes) {
  const Bytes good = encode_steering(sample());
  std::mt19937_64 random(5);
  std::size_t taken = 0;
  for (int round = 0; round < 20000; round++) {
    Bytes bad = good;
    for (std::size_t n = 1 + random() % 3; n > 0; n--) {
      bad[random() % bad.size()] = static_cast<std::uint8_t>(random());
    }
    if (random() % 4 == 0) bad.resize(5 + random() % bad.size());
    reseal(bad);
    auto read = decode_steering(bad);
    if (!read) continue;
    taken++;
    auto again = decode_steering(encode_steering(*read));
    ASSERT_TRUE(again) << again.error().text();
    expect_equal(*read, *again);
  }
  EXPECT_GT(taken, 100U);
}

class SteeringOnDisk : public testing::Test {
 protected:
  SteeringOnDisk() { EXPECT_TRUE(files_.make_directories("/state").ok()); }
  /// Saves, and waits for the outcome.
  Status save(SteeringFile& file) {
    Status result;
    file.save([&](const Status& saved) {
      result = saved;
      loop_.stop();
    });
    loop_.run();
    return result;
  }

  RealClock clock_;
  app::EventLoop loop_{clock_};
  FakeFiles files_;
  const std::string path_ = "/state/plugins.state";
};

// Given a decision that was saved, then it is there after a power loss; given no file, then there
// is no decision and no trouble.
TEST_F(SteeringOnDisk, saved_is_durable) {
  SteeringFile file(loop_, files_, path_);
  EXPECT_TRUE(file.table().empty());
  EXPECT_EQ(file.trouble(), "");
  file.of("netif").disabled = Disabled{"ann", "maintenance", 5};
  ASSERT_TRUE(save(file).ok());
  auto after = files_.after(Crash::lost);
  SteeringFile again(loop_, *after, path_);
  EXPECT_EQ(again.trouble(), "");
  EXPECT_EQ(again.table().at("netif").disabled, file.of("netif").disabled);
}

// Given a damaged file, then nothing is disabled, one line says so, and the next save mends it.
TEST_F(SteeringOnDisk, damage_disables_nothing) {
  {
    SteeringFile file(loop_, files_, path_);
    file.of("netif").disabled = Disabled{"ann", "maintenance", 5};
    ASSERT_TRUE(save(file).ok());
  }
  files_.bytes_of(path_)->at(7) ^= 1U;
  SteeringFile file(loop_, files_, path_);
  EXPECT_TRUE(file.table().empty());
  EXPECT_NE(file.trouble().find(path_), std::string::npos) << file.trouble();
  EXPECT_EQ(file.trouble().find('\n'), std::string::npos);
  ASSERT_TRUE(save(file).ok());
  EXPECT_EQ(SteeringFile(loop_, files_, path_).trouble(), "");
}

// Given each changing call of a save failing in turn, then the save says so, and after a power loss
// the file holds the decision before or the one being made, whole.
TEST_F(SteeringOnDisk, a_failed_save_leaves_something_whole) {
  const Disabled first{"ann", "first", 1};
  const Disabled second{"bob", "second", 2};
  SteeringFile file(loop_, files_, path_);
  file.of("netif").disabled = first;
  ASSERT_TRUE(save(file).ok());
  const std::uint64_t before = files_.calls();
  file.of("netif").disabled = first;
  ASSERT_TRUE(save(file).ok());
  const std::uint64_t calls = files_.calls() - before;
  ASSERT_GE(calls, 4U);
  for (std::uint64_t call = 0; call < calls; call++) {
    file.of("netif").disabled = first;
    ASSERT_TRUE(save(file).ok());
    files_.fail(files_.calls() + call, 28);
    file.of("netif").disabled = second;
    EXPECT_FALSE(save(file).ok()) << call;
    files_.heal();
    for (std::uint64_t seed = 1; seed < 20; seed++) {
      auto after = files_.after(Crash::torn, seed);
      SteeringFile again(loop_, *after, path_);
      ASSERT_EQ(again.trouble(), "");
      const auto& held = again.table().at("netif").disabled;
      EXPECT_TRUE(held == first || held == second);
    }
  }
}

}  // namespace
}  // namespace tallyman::agent
