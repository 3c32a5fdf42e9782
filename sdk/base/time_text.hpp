#pragma once
// Instants and lengths of time as people and JSON write them.

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace tallyman {

/// RFC 3339 in UTC with nanoseconds: "2026-11-22T15:05:00.000000000Z".
[[nodiscard]] std::string to_rfc3339(Ns wall);
/// Without a fraction when it is zero: "2026-11-22T15:05:00Z".
[[nodiscard]] std::string to_rfc3339_short(Ns wall);
/// RFC 3339 with any fraction (nine digits count, further ones must be zero) and "Z" or an offset.
[[nodiscard]] std::optional<Ns> from_rfc3339(std::string_view text);

/// "10s", "1m30s", "250ms", "2h", "1d": units d h m s ms us ns, whole numbers, largest first.
[[nodiscard]] std::optional<Ns> duration_from_text(std::string_view text);
/// The same, exact: 90 s → "1m30s", 0 → "0s".
[[nodiscard]] std::string to_duration_text(Ns length);

}  // namespace tallyman
