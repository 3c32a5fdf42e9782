// Behaves. Counters whose sums are known: zero at the first poll, then each later good poll adds
// its step; a restart goes on from the state. Of `series` counters the first `busy` add 0 to 1.25e9
// at random, the next `slow` add up to 1000 in one poll of ten, the rest add `step` (0 = idle). The
// mix of the benchmarks: series 100, busy 50, slow 25, step 0.
#include <cstring>

#include "fault.hpp"

namespace tp = tallyman::plugin;

class Counter {
 public:
  static constexpr const char *name = "counter", *version = "1.0";
  static constexpr tm_metric metrics[] = {
      tp::counter("counter_bytes_total", "bytes", "Bytes made up", tp::labels<"series">)};
  static constexpr tm_option options[] = {tp::option("series", "1", "counters, at most 8000"),
                                          tp::option("step", "1000", "added at every poll"),
                                          tp::option("busy", "0", "counters that are busy"),
                                          tp::option("slow", "0", "counters that are slow"),
                                          tp::option("seed", "1", "of what is random")};
  static constexpr std::uint32_t state_version = 1;

  explicit Counter(tp::Host host)
      : step_(fault::number(host, "step")),
        busy_(fault::number(host, "busy")),
        slow_(fault::number(host, "slow")),
        seed_(fault::number(host, "seed")) {
    const std::uint64_t series = fault::number(host, "series");
    if (series > 8000) throw tp::BadConfig("series: more than the state can hold, 8000");
    words_.resize(2 + series);  // instant of the first poll · polls since · values
  }
  void poll(tp::Poll& poll) {
    if (words_[0] == 0)
      words_[0] = static_cast<std::uint64_t>(poll.scheduled());
    else
      ++words_[1];
    const std::uint64_t epoch = tp::epoch(words_[0], seed_);
    for (std::uint64_t i = 0; i + 2 < words_.size(); ++i) {
      if (words_[1] > 0) words_[i + 2] += increment(i);
      poll.emit({.metric = 0,
                 .value = words_[i + 2],
                 .epoch = epoch,
                 .start = static_cast<std::int64_t>(words_[0]),
                 .identity = {std::to_string(i)}});
    }
  }
  void save(tp::StateWriter& out) const { out.write(std::as_bytes(std::span(words_))); }
  void restore(std::uint32_t, std::span<const std::byte> bytes) {
    if (bytes.size() != words_.size() * 8) throw tp::BadState("made with other series");
    std::memcpy(words_.data(), bytes.data(), bytes.size());
  }

 private:
  /// splitmix64 (Steele, Lea, Flood 2014): made up for next to nothing, so that it is the meter
  /// that is measured.
  static constexpr std::uint64_t mix(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31U);
  }
  std::uint64_t increment(std::uint64_t i) const {
    const std::uint64_t random = mix(mix(seed_ + i) + words_[1]);
    if (i < busy_) return random % 1'250'000'001;
    if (i < busy_ + slow_) return random % 10 == 0 ? random / 10 % 1001 : 0;
    return step_;
  }
  std::uint64_t step_, busy_, slow_, seed_;
  std::vector<std::uint64_t> words_;
};
TALLYMAN_PLUGIN(Counter);
