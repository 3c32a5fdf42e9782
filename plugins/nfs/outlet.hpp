#pragma once
// What the plugin meters, and how it says so: the order of the metrics, and a poll's outlet.

#include <cstdint>
#include <map>
#include <string>
#include <tallyman/plugin.hpp>

namespace nfs {

enum Metric : std::uint32_t {
  kReadBytes,
  kWrittenBytes,
  kReadOperations,
  kWriteOperations,
  kClientReadBytes,
  kClientWrittenBytes,
  kClientReadOperations,
  kClientWriteOperations,
  kKernelReadBytes,
  kKernelWrittenBytes,
  kServerReadBytes,
  kServerWrittenBytes,
  kKernelClients,
  kStoredBytes,
  kMetrics
};

/// Hands readings and gaps of one poll on, within what a poll may hold. Borrows the poll.
class Outlet {
 public:
  explicit Outlet(tallyman::plugin::Poll& poll) : poll_(poll) {}

  [[nodiscard]] std::int64_t scheduled() const { return poll_.scheduled(); }
  void emit(const tallyman::plugin::Reading& reading) { poll_.emit(reading); }

  /// All of a source.
  void gap(const std::string& why, std::uint32_t source) {
    poll_.gap(why.substr(0, kMostText), source);
  }

  /// One series; where a metric of a source has too many of those, all of it. What was emitted of
  /// it stays.
  void gap(Metric metric, const tallyman::plugin::Labels& identity, const std::string& why,
           std::uint32_t source) {
    const std::size_t told = ++gaps_[{source, metric}];
    if (told > kMostSeriesGaps + 1) return;
    if (told <= kMostSeriesGaps) {
      poll_.gap(metric, identity, why.substr(0, kMostText), source);
    } else {
      poll_.gap(metric, {},
                "more than " + std::to_string(kMostSeriesGaps) +
                    " series, as: " + why.substr(0, kMostText),
                source);
    }
  }

 private:
  static constexpr std::size_t kMostSeriesGaps = 200;
  static constexpr std::size_t kMostText = 900;
  tallyman::plugin::Poll& poll_;
  std::map<std::pair<std::uint32_t, Metric>, std::size_t> gaps_;
};

}  // namespace nfs
