#pragma once
// Any answer of the daemon as text: plain values as "name: value", lists of objects as tables,
// lists of sentences one below the other. What is empty is left out; --json has everything.

#include <string>
#include <string_view>

namespace tallyman::rater::cli {

/// `understood` becomes false when the line is not a JSON object.
[[nodiscard]] std::string answer_text(std::string_view line, bool colour, bool& understood);

}  // namespace tallyman::rater::cli
