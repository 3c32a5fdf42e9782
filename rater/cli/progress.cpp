#include "rater/cli/progress.hpp"

#include <unistd.h>

#include <cstdio>

namespace tallyman::rater::cli {

std::function<void(std::uint64_t, std::uint64_t)> progress_line(const std::string& what,
                                                                std::uint64_t worth_it) {
  if (isatty(STDERR_FILENO) != 1) return {};
  return [what, worth_it](std::uint64_t done, std::uint64_t total) {
    if (total < worth_it) return;
    std::fprintf(stderr, "\r%llu of %llu %s%s", static_cast<unsigned long long>(done),
                 static_cast<unsigned long long>(total), what.c_str(),
                 done >= total ? "\r\x1b[K" : "\x1b[K");
  };
}

void ProgressTeller::tell(const std::string& what, std::uint64_t done, std::uint64_t total) {
  const std::string text = std::to_string(done) + " of " + std::to_string(total) + " " + what;
  if (isatty(STDERR_FILENO) == 1) {
    std::fprintf(stderr, "\r%s\x1b[K", text.c_str());
    shown_ = true;
    return;
  }
  const std::uint64_t tenth = total == 0 ? 0 : done / (total / 10 + 1);
  if (what == what_ && tenth == tenth_) return;
  what_ = what;
  tenth_ = tenth;
  std::fprintf(stderr, "%s\n", text.c_str());
}

void ProgressTeller::wipe() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
  shown_ = false;
}

}  // namespace tallyman::rater::cli
