#include "rater/cli/answer_view.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/table.hpp"
#include "base/time_text.hpp"

namespace tallyman::rater::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kUnknown = "unknown";  ///< a bound that nobody knows: never left out

bool is_table(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& row) { return row.is_object(); });
}

/// What has nothing to say is left out; an empty list says that there is none.
bool says_nothing(const Json& value) {
  return value.is_null() || (value.is_object() && value.empty()) ||
         (value.is_string() && value.get_ref<const std::string&>().empty());
}

/// A list of sentences, which stand one below the other.
bool is_prose(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& part) {
           return part.is_string() &&
                  part.get_ref<const std::string&>().find(' ') != std::string::npos;
         });
}

bool is_period(const Json& value) {
  return value.is_object() && value.contains("id") && value.contains("start") &&
         value.contains("end");
}

/// Hashes are cut to what tells them apart, instants to the second; --json has them whole.
std::string brief_text(const std::string& text) {
  constexpr std::size_t kHash = 64, kShown = 12;
  const bool hash =
      text.size() == kHash && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (hash) return text.substr(0, kShown);
  const auto instant = from_rfc3339(text);
  return instant ? to_rfc3339_short(*instant - *instant % kSecond) : text;
}

/// One line for anything: objects as "name=value", lists with commas.
std::string brief(const Json& value) {
  if (value.is_string()) return brief_text(value.get<std::string>());
  if (is_period(value)) {
    // A period's id says its bounds.
    std::string out = brief(value["id"]);
    for (const char* key : {"state", "awaited", "closed_without", "import"}) {
      const bool says = value.contains(key) && !value[key].empty();
      if (says) out += std::string(" ") + key + "=" + brief(value[key]);
    }
    return out;
  }
  if (value.is_null()) return "-";
  if (value.is_array() && value.empty()) return "none";
  if (!value.is_structured()) return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string out;
  for (const auto& [key, part] : value.items()) {
    if (value.is_object() && says_nothing(part)) continue;
    if (!out.empty()) out += value.is_array() ? ", " : " ";
    if (value.is_object()) out += key + "=";
    out += brief(part);
  }
  return out;
}

/// Numbers, and decimal strings, stand at the right.
bool is_number(const Json& value) {
  if (value.is_number()) return true;
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  if (text == kUnknown) return true;
  return !text.empty() && text.find_first_not_of("0123456789.-") == std::string::npos &&
         std::count(text.begin(), text.end(), '-') <= 1;
}

/// A usage record, or a preview of one, as the few columns a person looks for.
Json record_row(const Json& record) {
  const auto pick = [](const Json& from, const char* key) {
    return from.is_object() && from.contains(key) ? from[key] : Json();
  };
  const Json key = pick(record, "key");
  const Json quantity = pick(record, "quantity");
  Json out;
  out["customer"] = pick(key, "customer");
  out["meter"] = pick(key, "meter");
  for (const char* bound : {"billed", "low", "high"}) {
    out[bound] = pick(quantity, bound);
    if (out[bound].is_null()) out[bound] = kUnknown;
  }
  for (const char* fact : {"unit", "allowance", "overuse", "amount", "currency", "coverage"}) {
    out[fact] = pick(record, fact);
  }
  // What people decided, and how the record stood in the period it is compared with.
  out["waived"] = pick(pick(record, "waived"), "amount");
  out["computed"] = pick(pick(record, "correction"), "computed");
  out["change"] = pick(pick(record, "previous"), "change");
  out["amount_change"] = pick(pick(record, "previous"), "amount_change");
  return out;
}

bool is_record(const Json& row) {
  return row.contains("key") && row["key"].is_object() && row["key"].contains("meter") &&
         row.contains("quantity");
}

/// What stands on the bus is wrapped in its event.
const Json& unwrapped(const Json& row) {
  const bool event = row.contains("specversion") && row.contains("data");
  return event && row["data"].is_object() ? row["data"] : row;
}

std::string table_text(const Json& rows, bool colour) {
  std::vector<std::string> keys;
  for (const Json& row : rows) {
    for (const auto& [key, value] : row.items()) {
      if (says_nothing(value) || (value.is_array() && value.empty())) continue;
      if (is_period(row) && (key == "start" || key == "end")) continue;
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  std::vector<std::string> headings;
  for (const std::string& key : keys) {
    const bool right = std::all_of(rows.begin(), rows.end(), [&](const Json& row) {
      return !row.contains(key) || says_nothing(row[key]) || is_number(row[key]);
    });
    std::string heading = key;
    std::transform(heading.begin(), heading.end(), heading.begin(), [](char c) {
      if (c == '_') return ' ';
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    headings.push_back((right ? ">" : "") + heading);
  }
  app::Table table(headings);
  for (const Json& row : rows) {
    std::vector<app::Cell> cells;
    for (const std::string& key : keys) {
      const bool said = row.contains(key) && !(row[key].is_array() && row[key].empty());
      cells.push_back({said ? brief(row[key]) : "", app::Colour::none});
    }
    table.row(std::move(cells));
  }
  return table.text(colour);
}

/// Records, and what sums them up, have different columns: a table each.
std::string tables_text(const Json& given, bool colour) {
  Json records = Json::array();
  Json others = Json::array();
  for (const Json& row : given) {
    const Json& inner = unwrapped(row);
    if (is_record(inner)) {
      records.push_back(record_row(inner));
    } else {
      others.push_back(inner);
    }
  }
  std::string out = records.empty() ? "" : table_text(records, colour);
  if (!records.empty() && !others.empty()) out += "\n";
  if (!others.empty()) out += table_text(others, colour);
  return out;
}

}  // namespace

std::string answer_text(std::string_view line, bool colour, bool& understood) {
  const Json answer = Json::parse(line, nullptr, false);
  if (!answer.is_object()) {
    understood = false;
    return {};
  }
  std::string facts;
  std::string tables;
  for (const auto& [key, value] : answer.items()) {
    if (is_table(value)) {
      // A lone list needs no title.
      const std::string title = answer.size() > 1 ? "\n" + key + "\n" : "";
      tables += title + tables_text(value, colour);
    } else if (is_prose(value)) {
      tables += "\n" + key + "\n";
      for (const Json& sentence : value) tables += "  " + sentence.get<std::string>() + "\n";
    } else if (!says_nothing(value) && value != false) {
      facts += key + ": " + brief(value) + "\n";
    }
  }
  return facts + tables;
}

}  // namespace tallyman::rater::cli
