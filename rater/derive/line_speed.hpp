#pragma once
// What a line can carry, by the info labels of its series. Pure.

#include <cstdint>
#include <map>
#include <string>

namespace tallyman::rater {

/// Mbit/s of a physical interface; 0 = not told, or a kind whose speed is only a nominal figure
/// (veth, tun, bridge …).
[[nodiscard]] std::uint64_t line_mbit(const std::map<std::string, std::string>& info);

}  // namespace tallyman::rater
