#pragma once
// A bound on what strangers can make the log grow by.

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <utility>

#include "app/log.hpp"
#include "base/clock.hpp"

namespace tallyman::rater {

/// At most `burst` lines in any ten seconds; the next one says how many were left out. Plain value,
/// one thread.
class LogLimit {
 public:
  LogLimit(log::Level level, unsigned burst) : level_(level), burst_(burst) {}

  void line(const std::string& text, Ns boot) {
    if (boot >= until_) {
      until_ = boot + kEvery;
      lines_ = 0;
    }
    if (lines_ >= burst_) {
      ++left_out_;
      return;
    }
    ++lines_;
    const std::uint64_t more = std::exchange(left_out_, 0);
    log::write(level_, more == 0 ? text : fmt::format("{} ({} more like it)", text, more));
  }

 private:
  static constexpr Ns kEvery = 10 * kSecond;
  log::Level level_;
  unsigned burst_;
  unsigned lines_ = 0;
  Ns until_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace tallyman::rater
