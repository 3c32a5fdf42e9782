// How many bytes and how much time a reading costs on the mix that the design was sized with.

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "wire/batch.hpp"

namespace tallyman::wire {
namespace {

constexpr Ns kStart = 1'795'359'600'000'000'000;

/// 100 counters every 10 s: 50 busy (each increment uniform in 0 … 1.25·10⁹), 25 slow (one poll in
/// ten adds up to 1000), 25 idle. All have counted for a while before the batch begins.
class Mix {
 public:
  explicit Mix(std::uint64_t seed) : random_(seed) {
    for (std::size_t i = 0; i < 100; ++i) {
      const std::uint64_t history = i < 50 ? random_() % (1ULL << 46U) : random_() % 1'000'000;
      values_.push_back({.epoch = 20 + 2 * i, .value = history});
    }
  }

  Entry poll() {
    for (std::size_t i = 0; i < 50; ++i) values_[i].value += random_() % 1'250'000'001;
    for (std::size_t i = 50; i < 75; ++i) {
      if (random_() % 10 == 0) values_[i].value += 1 + random_() % 1000;
    }
    Poll poll;
    poll.instance = 1;
    poll.scheduled = kStart + polls_++ * 10 * kSecond;
    poll.wall = poll.scheduled + static_cast<Ns>(random_() % 3'000'000);
    poll.boot = poll.wall - kStart + 500'000 * kSecond + static_cast<Ns>(random_() % 100'000);
    poll.values = values_;
    return poll;
  }

  BatchHead head(std::uint64_t sequence) {
    BatchHead out;
    out.agent = "stor-0123";
    out.sequence = out.last = sequence;
    for (std::uint8_t& byte : out.previous) byte = static_cast<std::uint8_t>(random_());
    out.opened = kStart + polls_ * 10 * kSecond;
    return out;
  }

 private:
  std::mt19937_64 random_;
  std::vector<Value> values_;
  Ns polls_ = 0;
};

/// A sealed batch of `polls` polls, a page each.
Bytes batch_of(Mix& mix, std::uint64_t sequence, int polls) {
  BatchWriter writer(mix.head(sequence));
  Bytes out = writer.head();
  for (int i = 0; i < polls; ++i) {
    const Entry poll = mix.poll();
    const Bytes page = writer.page({&poll, 1});
    out.insert(out.end(), page.begin(), page.end());
  }
  const Bytes seal = writer.seal(kStart);
  out.insert(out.end(), seal.begin(), seal.end());
  return out;
}

// Given a minute of polls a batch and a page a poll, then a reading costs at most 3.6 bytes with
// head, seal and frames.
TEST(Density, AMinuteOfPollsTakesAtMostThreeAndAHalfBytesAReading) {
  Mix mix(1);
  std::size_t bytes = 0;
  for (std::uint64_t i = 1; i <= 500; ++i) bytes += batch_of(mix, i, 6).size();
  const double each = static_cast<double>(bytes) / (500 * 600);
  RecordProperty("bytes_per_reading_in_thousandths", static_cast<int>(each * 1000));
  std::printf("%.3f bytes a reading\n", each);
  EXPECT_LE(each, 3.6);
}

// Given an hour of batches, then writing and reading them takes a small part of the pipeline's
// budget (loosely bound here, for builds with sanitizers; the benchmark measures it).
TEST(Density, WritingAndReadingIsQuick) {
  Mix mix(2);
  std::vector<std::vector<Entry>> polls;
  for (int i = 0; i < 360; ++i) polls.push_back({mix.poll()});
  std::size_t readings = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i + 6 <= polls.size(); i += 6) {
    BatchWriter writer(mix.head(i + 1));
    Bytes out = writer.head();
    for (std::size_t k = i; k < i + 6; ++k) {
      const Bytes page = writer.page(polls[k]);
      out.insert(out.end(), page.begin(), page.end());
    }
    const Bytes seal = writer.seal(0);
    out.insert(out.end(), seal.begin(), seal.end());
    const Result<Batch> read = decode_batch(out);
    ASSERT_TRUE(read.ok());
    for (const Entry& entry : read->entries) readings += std::get<Poll>(entry).values.size();
  }
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
  ASSERT_EQ(readings, 36'000U);
  std::printf("%.1f ns a reading, both ways\n", spent.count() / static_cast<double>(readings));
  EXPECT_LT(spent.count() / static_cast<double>(readings), 2000.0);
}

}  // namespace
}  // namespace tallyman::wire
