#pragma once
// How far something has come, on stderr.

#include <cstdint>
#include <functional>
#include <string>

namespace tallyman::rater::cli {

/// "\r12 of 345 batches", wiped when all are done. Nothing when stderr is no terminal.
[[nodiscard]] std::function<void(std::uint64_t, std::uint64_t)> progress_line(
    const std::string& what, std::uint64_t worth_it);

/// On a terminal one line that stays in its place, else a plain line for each tenth that is done.
class ProgressTeller {
 public:
  void tell(const std::string& what, std::uint64_t done, std::uint64_t total);
  /// Before anything else is printed, and at the end.
  void wipe();

 private:
  std::string what_;
  std::uint64_t tenth_ = 0;
  bool shown_ = false;
};

}  // namespace tallyman::rater::cli
