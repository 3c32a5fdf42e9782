// spool_bench fill DIRECTORY BYTES        fills a spool with the benchmarks' mix, 100 counters a
// poll spool_bench behind DIRECTORY BATCHES    fills one with so many small batches spool_bench
// open DIRECTORY              opens it and reads its first and last batches
//
// Each prints one JSON object: seconds of wall clock, bytes and batches in the spool, and the most
// memory the process ever had, in MiB.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

#include "agent/spool/spool.hpp"

namespace tallyman {
namespace {

constexpr Ns kInterval = 10 * kSecond;

agent::SpoolOptions options_of(const std::string& directory) {
  agent::SpoolOptions options;
  options.directory = directory;
  options.limit_bytes = 1ULL << 40U;
  return options;
}

/// 50 busy counters, 25 slow ones, 25 idle ones.
class Mix {
 public:
  explicit Mix(agent::Spool& spool) {
    agent::Dictionary& names = spool.dictionary();
    poll_.instance = names.intern(wire::InstanceDef{"mix", "mix", "1", {}, kInterval});
    const auto source = names.intern(wire::SourceDef{wire::Scope::host, "host:bench"});
    const auto metric = names.intern(
        wire::MetricDef{"mix_bytes_total", "bytes", "", wire::Kind::counter, 0, {"series"}, {}});
    for (int i = 0; i < 100; ++i) {
      const auto series = names.intern(wire::SeriesDef{source, metric, {std::to_string(i)}});
      poll_.values.push_back({names.intern(wire::EpochDef{series, 1, 1}), 0, 0});
    }
  }
  wire::Entry next(const Clock& clock) {
    for (std::size_t i = 0; i < 50; ++i) poll_.values[i].value += random_() % 1'250'000'001;
    for (std::size_t i = 50; i < 75; ++i) {
      if (random_() % 10 == 0) poll_.values[i].value += random_() % 1001;
    }
    poll_.scheduled = clock.wall() / kInterval * kInterval;
    poll_.wall = clock.wall() + static_cast<Ns>(random_() % 5'000'000);
    poll_.boot = clock.boot() + poll_.wall - clock.wall();
    return poll_;
  }

 private:
  std::mt19937_64 random_{1};
  wire::Poll poll_;
};

[[noreturn]] void fail(const Error& error) {
  std::fprintf(stderr, "spool_bench: %s\n", error.text().c_str());
  std::exit(1);
}
void must(const Status& status) {
  if (!status) fail(status.error());
}

std::unique_ptr<agent::Spool> open(const std::string& directory, const Clock& clock) {
  auto spool = agent::Spool::open(options_of(directory), "bench", {1}, clock);
  if (!spool) fail(spool.error());
  return std::move(*spool);
}

void sync(agent::Spool& spool) {
  if (const auto job = spool.sync_job()) spool.synced(*job, job->run());
}

/// VmHWM: unlike getrusage's it does not begin with what the parent had.
double peak_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  }
  return 0;
}

void report(const agent::Spool& spool, std::chrono::steady_clock::time_point start) {
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const auto stats = spool.stats();
  std::printf("{\"seconds\": %.3f, \"bytes\": %llu, \"batches\": %llu, \"peak_mib\": %.1f}\n",
              seconds.count(), static_cast<unsigned long long>(stats.bytes),
              static_cast<unsigned long long>(stats.sealed - stats.acknowledged), peak_mib());
}

void fill(const std::string& directory, std::uint64_t bytes, std::uint64_t batches) {
  const auto start = std::chrono::steady_clock::now();
  FakeClock clock(1'800'000'000 * kSecond, 1000 * kSecond);
  const auto spool = open(directory, clock);
  Mix mix(*spool);
  for (std::uint64_t i = 1; bytes > 0 ? spool->stats().bytes < bytes : i <= batches; ++i) {
    clock.advance(kInterval);
    const std::vector<wire::Entry> entries{mix.next(clock)};
    must(spool->append(entries, {}));
    must(spool->seal_if_due(clock.wall(), batches > 0));
    if (i % 1000 == 0) sync(*spool);
  }
  must(spool->seal_if_due(clock.wall(), true));
  sync(*spool);
  report(*spool, start);
}

void reopen(const std::string& directory) {
  const auto start = std::chrono::steady_clock::now();
  const RealClock clock;
  const auto spool = open(directory, clock);
  for (const std::uint64_t sequence : {std::uint64_t{0}, spool->stats().sealed - 1}) {
    const auto batch = spool->next_after(sequence);
    if (!batch) fail(batch.error());
    if (!*batch) fail({"batch " + std::to_string(sequence + 1) + " is not there", directory, ""});
  }
  report(*spool, start);
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  const std::uint64_t count = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0;
  if (verb == "fill" && count > 0) return tallyman::fill(argv[2], count, 0), 0;
  if (verb == "behind" && count > 0) return tallyman::fill(argv[2], 0, count), 0;
  if (verb == "open" && argc == 3) return tallyman::reopen(argv[2]), 0;
  std::fprintf(stderr, "usage: spool_bench fill DIR BYTES | behind DIR BATCHES | open DIR\n");
  return 2;
}
