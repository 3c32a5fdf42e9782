#pragma once
// What `tallyman-rater status` prints: a screen, or the events between two looks.

#include <string>
#include <string_view>
#include <vector>

namespace tallyman::rater::cli {

/// The whole of one status document; empty when it is not one.
[[nodiscard]] std::string status_screen(std::string_view document, bool colour);

/// One plain line for each thing that changed since `before` (empty = everything is new).
[[nodiscard]] std::vector<std::string> status_events(std::string_view before,
                                                     std::string_view after);

}  // namespace tallyman::rater::cli
