// What the batch codec costs a reading, by itself. `tests/bench/run codec` runs it.

#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "wire/batch.hpp"

namespace tallyman::wire {
namespace {

constexpr std::uint64_t kSeries = 100;
constexpr int kPolls = 6;

/// 100 counters every 10 s: 50 busy (each increment uniform in 0 … 1.25·10⁹), 25 slow (one poll in
/// ten adds up to 1000), 25 idle.
std::vector<Poll> mixed_polls(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> values(kSeries, 1U << 20U);
  std::vector<Poll> polls;
  for (int p = 0; p < kPolls; ++p) {
    Poll poll;
    poll.instance = 1;
    poll.scheduled = (1000 + p) * 10 * kSecond;
    poll.wall = poll.scheduled + 2 * kMillisecond + static_cast<Ns>(random() % kMillisecond);
    poll.boot = poll.wall - 900 * kSecond;
    for (std::uint64_t s = 0; s < kSeries; ++s) {
      if (s < 50) values[s] += random() % 1'250'000'001;
      if (s >= 50 && s < 75 && random() % 10 == 0) values[s] += random() % 1001;
      poll.values.push_back({10 + s, values[s], 0});
    }
    polls.push_back(std::move(poll));
  }
  return polls;
}

Bytes encode(const std::vector<Poll>& polls) {
  BatchHead head;
  head.agent = "stor-01";
  head.sequence = head.last = 1;
  BatchWriter writer(head);
  Bytes out = writer.head();
  for (const Poll& poll : polls) {
    const Entry entry = poll;
    const Bytes page = writer.page(std::span(&entry, 1));
    out.insert(out.end(), page.begin(), page.end());
  }
  const Bytes seal = writer.seal(polls.back().scheduled + 1);
  out.insert(out.end(), seal.begin(), seal.end());
  return out;
}

void count_readings(benchmark::State& state, std::size_t bytes) {
  state.counters["readings_per_second"] = benchmark::Counter(
      static_cast<double>(state.iterations() * kSeries * kPolls), benchmark::Counter::kIsRate);
  state.counters["bytes_per_reading"] = static_cast<double>(bytes) / (kSeries * kPolls);
}

void encode_batch_of_a_minute(benchmark::State& state) {
  const auto polls = mixed_polls(1);
  std::size_t bytes = 0;
  for (auto _ : state) {
    const Bytes batch = encode(polls);
    bytes = batch.size();
    benchmark::DoNotOptimize(batch.data());
  }
  count_readings(state, bytes);
}
BENCHMARK(encode_batch_of_a_minute);

void decode_batch_of_a_minute(benchmark::State& state) {
  const Bytes batch = encode(mixed_polls(1));
  for (auto _ : state) {
    auto decoded = decode_batch(batch);
    if (!decoded.ok()) state.SkipWithError(decoded.error().text().c_str());
    benchmark::DoNotOptimize(decoded);
  }
  count_readings(state, batch.size());
}
BENCHMARK(decode_batch_of_a_minute);

}  // namespace
}  // namespace tallyman::wire

BENCHMARK_MAIN();
