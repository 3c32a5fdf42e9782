#pragma once
// A line of progress on stderr, when that is a terminal and there is enough to do.

#include <cstdint>
#include <functional>
#include <string>

namespace tallyman::rater::cli {

/// "\r12 of 345 batches", wiped when all are done. Nothing when stderr is no terminal.
[[nodiscard]] std::function<void(std::uint64_t, std::uint64_t)> progress_line(
    const std::string& what, std::uint64_t worth_it);

}  // namespace tallyman::rater::cli
