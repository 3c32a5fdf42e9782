#pragma once
// What a pool or file system can hold, by the info labels of a series of bytes stored in it. Pure.

#include <cstdint>
#include <map>
#include <string>

namespace tallyman::rater {

/// Bytes, out of the info label `capacity`: the most that the gauge may come to, in what it counts
/// (logical bytes where it counts those); 0 = not told, or no decimal number. A plugin that tells
/// of it gives it to each series that has such a bound. As the capacity of a thing moves with
/// what others store, a label that follows it closely costs a definition each time it moves: one
/// that is rounded up seldom moves, and still finds what is absurd.
[[nodiscard]] std::uint64_t capacity_bytes(const std::map<std::string, std::string>& info);

}  // namespace tallyman::rater
