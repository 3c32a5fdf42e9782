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

}  // namespace tallyman::rater::cli
