#pragma once
// Batches as an agent would send them, for tests of the rater.

#include <string>
#include <vector>

#include "wire/batch.hpp"
#include "wire/model.hpp"

namespace tallyman::rater::testing {

constexpr Ns kNoon = 1'795'348'800 * kSecond;  ///< 2026-11-22T12:00:00Z

inline wire::Incarnation incarnation(std::uint8_t n) {
  wire::Incarnation out{};
  out.fill(n);
  return out;
}

/// One instance that reads one counter: definitions 1 to 5, the epoch is 5.
inline std::vector<wire::Definition> definitions() {
  return {{1, wire::InstanceDef{"netif", "netif", "1.0", {}, 10 * kSecond}},
          {2, wire::SourceDef{wire::Scope::host, "host:stor-01"}},
          {3, wire::MetricDef{"netif_transmit_bytes_total",
                              "bytes",
                              "sent",
                              wire::Kind::counter,
                              0,
                              {"ifindex"},
                              {"interface"}}},
          {4, wire::SeriesDef{2, 3, {"3"}}},
          {5, wire::EpochDef{4, 77, 0}}};
}

inline wire::Poll poll(Ns scheduled, std::uint64_t value) {
  wire::Poll out;
  out.instance = 1;
  out.scheduled = scheduled;
  out.wall = scheduled + kMillisecond;
  out.boot = scheduled - kNoon + kHour;
  out.values = {{5, value, 0}};
  return out;
}

/// A batch and what the chain calls it.
struct Made {
  std::uint64_t first = 0, last = 0;
  Hash hash = kNoHash;
  Bytes bytes;
};

/// Makes the batches of one stream, each following the one before.
class StreamMaker {
 public:
  explicit StreamMaker(std::string agent = "stor-01", std::uint8_t life = 1)
      : agent_(std::move(agent)), incarnation_(incarnation(life)) {}

  [[nodiscard]] wire::BatchHead head() const {
    wire::BatchHead out;
    out.agent = agent_;
    out.incarnation = incarnation_;
    out.sequence = out.last = last_ + 1;
    out.previous = hash_;
    out.opened = kNoon;
    return out;
  }

  /// The next batch; the first one brings the definitions.
  Made next(std::uint64_t value) {
    wire::Batch batch{head(), {}, {kNoon + static_cast<Ns>(last_) * kMinute, 1}};
    if (last_ == 0) {
      for (const auto& definition : definitions()) batch.entries.emplace_back(definition);
    }
    batch.entries.emplace_back(poll(kNoon + static_cast<Ns>(last_) * kMinute, value));
    return follow(batch);
  }

  /// A range in place of the next `count` batches.
  Made range(std::uint64_t count) {
    wire::Batch batch{head(), {}, {}};
    batch.head.kind = wire::BatchKind::stand_in;
    batch.head.last = last_ + count;
    batch.head.original.fill(static_cast<std::uint8_t>(batch.head.last % 251 + 1));
    batch.head.why = "lost";
    return follow(batch);
  }

  Made follow(const wire::Batch& batch) {
    Made out{batch.head.sequence, batch.head.last, kNoHash, wire::encode_batch(batch)};
    out.hash = batch.head.kind == wire::BatchKind::normal ? wire::batch_hash(out.bytes)
                                                          : batch.head.original;
    hash_ = out.hash;
    last_ = out.last;
    return out;
  }

  [[nodiscard]] const std::string& agent() const { return agent_; }
  [[nodiscard]] const wire::Incarnation& life() const { return incarnation_; }
  [[nodiscard]] const Hash& hash() const { return hash_; }
  [[nodiscard]] std::uint64_t last() const { return last_; }

 private:
  std::string agent_;
  wire::Incarnation incarnation_;
  Hash hash_ = kNoHash;
  std::uint64_t last_ = 0;
};

}  // namespace tallyman::rater::testing
