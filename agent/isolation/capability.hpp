#pragma once
// Linux capabilities by name. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tallyman::agent {

/// A set: bit N is the capability with that number (linux/capability.h).
using Capabilities = std::uint64_t;

/// The number of "CAP_NET_ADMIN"; nothing for what Linux 5.9 and later do not know.
[[nodiscard]] std::optional<unsigned> capability_number(std::string_view name);

[[nodiscard]] constexpr Capabilities capability(unsigned number) {
  return Capabilities{1} << number;
}

/// "CAP_KILL, CAP_SETUID", ascending by number; empty for none.
[[nodiscard]] std::string capability_names(Capabilities set);

/// How many there are: the numbers from 0.
[[nodiscard]] unsigned capability_count();

}  // namespace tallyman::agent
