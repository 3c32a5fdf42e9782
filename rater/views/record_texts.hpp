#pragma once
// What a stored record says, for who shows it or holds other figures against it. Pure;
// record_texts.cpp includes nlohmann-json.

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tallyman::rater {

/// Every value of an event's `data` by its path, such as "exact.billed" or "segments.0.plan", as it
/// stands there; of an adjustment those of what is billed from then on, `new`. What is null reads
/// "unknown". Empty when the body is no event, or nothing is billed any more.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> record_lines(
    const std::string& body);
[[nodiscard]] std::map<std::string, std::string> record_texts(const std::string& body);

/// The same of all of the data: an adjustment's old and new sides by "old." and "new.".
[[nodiscard]] std::map<std::string, std::string> data_texts(const std::string& body);

}  // namespace tallyman::rater
