#pragma once
// What the plugin meters, and how it says so: the order of the metrics, and a poll's outlet.

#include <cstdint>
#include <map>
#include <string>
#include <tallyman/plugin.hpp>

namespace ceph {

enum Metric : std::uint32_t {
  kRgwSent,
  kRgwReceived,
  kRgwOperations,
  kRgwSuccessful,
  kBucketBytes,
  kBucketUtilized,
  kBucketObjects,
  kPoolStored,
  kPoolUsed,
  kPoolObjects,
  kPoolRead,
  kPoolWritten,
  kPoolQuotaBytes,
  kPoolQuotaObjects,
  kImageRead,
  kImageWritten,
  kMetrics
};

/// Hands readings and gaps of one poll on, within what a poll may hold. Borrows the poll.
class Outlet {
 public:
  explicit Outlet(tallyman::plugin::Poll& poll) : poll_(poll) {}

  [[nodiscard]] std::size_t room() const { return kMostReadings - readings_; }
  [[nodiscard]] std::int64_t scheduled() const { return poll_.scheduled(); }

  /// False, and nothing handed on, when the poll is full.
  bool emit(const tallyman::plugin::Reading& reading) {
    if (readings_ == kMostReadings) return false;
    ++readings_;
    poll_.emit(reading);
    return true;
  }

  /// All of a source.
  void gap(const std::string& why, std::uint32_t source) {
    poll_.gap(why.substr(0, kMostText), source);
  }

  /// One series; when a source has too many of those, all of it. What was emitted of it stays.
  void gap(Metric metric, const tallyman::plugin::Labels& identity, const std::string& why,
           std::uint32_t source) {
    const std::size_t told = ++gaps_[source];
    if (told > kMostSeriesGaps + 1) return;
    if (told <= kMostSeriesGaps) {
      poll_.gap(metric, identity, why.substr(0, kMostText), source);
    } else {
      gap("more than " + std::to_string(kMostSeriesGaps) + " series, as: " + why, source);
    }
  }

 private:
  static constexpr std::size_t kMostReadings = 49'000;  // of 65,536: the rest is for gaps
  static constexpr std::size_t kMostSeriesGaps = 200;
  static constexpr std::size_t kMostText = 1000;
  tallyman::plugin::Poll& poll_;
  std::size_t readings_ = 0;
  std::map<std::uint32_t, std::size_t> gaps_;  ///< of series, by source
};

}  // namespace ceph
