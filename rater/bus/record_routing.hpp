#pragma once
// Routing keys: "v1.<type>.<meter>.<customer>", each part percent-encoded.

#include <string>
#include <string_view>

namespace tallyman::rater {

/// All but letters, digits, `-`, `_` and `~` as %XX.
[[nodiscard]] std::string percent_encode(std::string_view text);
[[nodiscard]] std::size_t percent_encoded_size(std::string_view text);

/// At most 255 bytes, as the catalogue bounds its ids. An empty meter or customer stands as "-".
[[nodiscard]] std::string routing_key(std::string_view type, std::string_view meter,
                                      std::string_view customer);

}  // namespace tallyman::rater
