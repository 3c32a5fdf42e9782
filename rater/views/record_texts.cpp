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

using Lines = std::vector<std::pair<std::string, std::string>>;

Json data_of(const std::string& body) {
  const Json event = Json::parse(body, nullptr, false);
  return event.is_object() && event.contains("data") ? event["data"] : Json();
}

Lines lines_of(const Json& data) {
  Lines lines;
  if (!data.is_object()) return lines;
  const Json flat = data.flatten();
  for (const auto& [path, value] : flat.items()) {
    if (value.is_structured()) continue;
    std::string name = path.substr(std::min<std::size_t>(path.size(), 1));
    std::replace(name.begin(), name.end(), '/', '.');
    lines.emplace_back(std::move(name), text_of(value));
  }
  return lines;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> record_lines(const std::string& body) {
  const Json data = data_of(body);
  const bool adjusts = data.is_object() && data.contains("new") && data.contains("original");
  return lines_of(adjusts ? data["new"] : data);
}

std::map<std::string, std::string> record_texts(const std::string& body) {
  const Lines lines = record_lines(body);
  return {lines.begin(), lines.end()};
}

std::map<std::string, std::string> data_texts(const std::string& body) {
  const Lines lines = lines_of(data_of(body));
  return {lines.begin(), lines.end()};
}

}  // namespace tallyman::rater
