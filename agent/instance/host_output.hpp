#pragma once
// What a plugin host prints: taken away at once, so that it never blocks, kept as lines up to a
// limit, and dropped beyond it.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "app/loop.hpp"
#include "base/fd.hpp"

namespace tallyman::agent {

/// Cuts what is printed into lines and meters it: so many bytes a second are let through. Pure.
class OutputLines {
 public:
  static constexpr std::size_t kBytesPerSecond = 16U << 10U;
  static constexpr std::size_t kLongestLine = 1024;

  /// How many bytes of it are still wanted in this second.
  [[nodiscard]] std::size_t wanted(Ns boot);
  /// Takes what was printed, at most `wanted` bytes: the lines that are whole. A line's bytes
  /// beyond the longest are dropped.
  std::vector<std::string> feed(std::string_view text);
  /// So many bytes were thrown away unseen.
  void skipped(std::uint64_t bytes) { dropped_ += bytes; }
  /// The line that was begun, if any.
  std::vector<std::string> finish();
  /// Bytes that were printed and are in no line.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

  /// As values, but for what is left of this second; and again.
  struct Saved {
    std::string line;
    std::uint64_t dropped = 0;
  };
  [[nodiscard]] Saved save() const { return {line_, dropped_}; }
  void restore(const Saved& saved) {
    line_ = saved.line.substr(0, kLongestLine);
    dropped_ = saved.dropped;
  }

 private:
  std::string line_;
  Ns second_ = -1;
  std::size_t left_ = 0;
  std::uint64_t dropped_ = 0;
};

/// The reading end of a host's stdout and stderr. Owned by a HostProcess; main thread.
class HostOutput {
 public:
  /// `line` is given lines of any bytes, without their newline.
  HostOutput(app::EventLoop& loop, Fd pipe, std::function<void(const std::string&)> line);
  ~HostOutput();
  HostOutput(const HostOutput&) = delete;
  HostOutput& operator=(const HostOutput&) = delete;

  /// Takes what is left, and closes it. The process has ended.
  void close();
  [[nodiscard]] std::uint64_t dropped() const { return lines_.dropped(); }

  /// The pipe, which stays this object's; −1 = it is closed.
  [[nodiscard]] int descriptor() const { return pipe_.get(); }
  [[nodiscard]] OutputLines::Saved save() const { return lines_.save(); }
  void restore(const OutputLines::Saved& saved) { lines_.restore(saved); }

 private:
  void take(std::size_t limit);
  void hang_up();

  app::EventLoop& loop_;
  Fd pipe_;
  Fd sink_;  ///< /dev/null, from the first byte on that is not wanted
  std::function<void(const std::string&)> line_;
  app::WatchId watch_ = 0;
  OutputLines lines_;
};

}  // namespace tallyman::agent
