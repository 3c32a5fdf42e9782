#include "rater/csv.hpp"

#include <algorithm>

namespace tallyman::rater {

namespace {

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

Error wrong(std::string what, std::size_t column, std::string todo) {
  return {std::move(what), std::to_string(column), std::move(todo)};
}

/// The quoted field that begins at `at`; moves behind its closing quote.
Result<std::string> quoted(std::string_view line, std::size_t& at) {
  const std::size_t begin = at++;
  std::string text;
  for (;; ++at) {
    if (at >= line.size()) return wrong("a quote is not closed", begin + 1, "close it");
    if (line[at] != '"') {
      text += line[at];
    } else if (at + 1 < line.size() && line[at + 1] == '"') {
      text += line[at++];
    } else {
      ++at;
      return text;
    }
  }
}

}  // namespace

Result<std::vector<CsvField>> csv_fields(std::string_view line) {
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  std::vector<CsvField> fields;
  for (std::size_t at = 0;; ++at) {
    while (at < line.size() && blank(line[at])) ++at;
    CsvField field{{}, at + 1};
    if (at < line.size() && line[at] == '"') {
      auto text = quoted(line, at);
      if (!text.ok()) return text.error();
      field.text = std::move(*text);
      while (at < line.size() && blank(line[at])) ++at;
      if (at < line.size() && line[at] != ',') {
        return wrong("there is something behind the closing quote", at + 1, "put a comma there");
      }
    } else {
      const std::size_t end = std::min(line.find(',', at), line.size());
      field.text = std::string(line.substr(at, end - at));
      while (!field.text.empty() && blank(field.text.back())) field.text.pop_back();
      at = end;
    }
    fields.push_back(std::move(field));
    if (at >= line.size()) return fields;
  }
}

Result<CsvHeader> CsvHeader::read(std::string_view line, const std::vector<std::string>& known,
                                  const std::vector<std::string>& needed) {
  const auto fields = csv_fields(line);
  if (!fields.ok()) return fields.error();
  std::string names;
  for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
  CsvHeader header;
  for (const CsvField& field : *fields) {
    if (std::find(known.begin(), known.end(), field.text) == known.end()) {
      return wrong("no column is named '" + field.text.substr(0, 64) + "'", field.column,
                   "the first line names the columns: " + names);
    }
    if (!header.places_.emplace(field.text, header.columns_++).second) {
      return wrong("the column '" + field.text + "' is there twice", field.column, "");
    }
  }
  for (const std::string& name : needed) {
    if (!header.places_.contains(name)) {
      return wrong("the column '" + name + "' is missing", 1,
                   "the first line names the columns: " + names);
    }
  }
  return header;
}

const CsvField* CsvHeader::find(const std::vector<CsvField>& fields,
                                const std::string& name) const {
  const auto it = places_.find(name);
  return it != places_.end() && it->second < fields.size() ? &fields[it->second] : nullptr;
}

}  // namespace tallyman::rater
