#include "rater/views/record_texts.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tallyman::rater {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "unknown";
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> record_lines(const std::string& body) {
  std::vector<std::pair<std::string, std::string>> lines;
  const Json event = Json::parse(body, nullptr, false);
  if (!event.is_object() || !event.contains("data") || !event["data"].is_object()) return lines;
  const Json& data = event["data"];
  const bool adjusts = data.contains("new") && data.contains("original");
  if (adjusts && !data["new"].is_object()) return lines;
  const Json flat = (adjusts ? data["new"] : data).flatten();
  for (const auto& [path, value] : flat.items()) {
    if (value.is_structured()) continue;
    std::string name = path.substr(std::min<std::size_t>(path.size(), 1));
    std::replace(name.begin(), name.end(), '/', '.');
    lines.emplace_back(std::move(name), text_of(value));
  }
  return lines;
}

std::map<std::string, std::string> record_texts(const std::string& body) {
  const auto lines = record_lines(body);
  return {lines.begin(), lines.end()};
}

}  // namespace tallyman::rater
