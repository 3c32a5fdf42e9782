#include <algorithm>

#include "rater/rating/catalogue_draft.hpp"

namespace tallyman::rater {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

std::vector<std::size_t> lines_of(std::string_view text) {
  std::vector<std::size_t> lines{0};
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') lines.push_back(i + 1);
  }
  return lines;
}

bool begins_rune(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

}  // namespace

CatalogueDocument::CatalogueDocument(std::string_view text, const std::string& name)
    : name_(name), file_(app::ConfigFile::parse("", name, errors_)) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (!is_json(text)) {
    file_ = app::ConfigFile::parse(text, name, errors_);
    return;
  }
  app::ConfigErrors grammar;
  TomlOfJson toml = toml_of_json(text, name, grammar);
  for (const app::ConfigError& error : grammar.sorted()) errors_.add(error);
  if (!grammar.empty()) return;
  text_ = text;
  read_ = std::move(toml.toml);
  origin_ = std::move(toml.origin);
  read_lines_ = lines_of(read_);
  file_lines_ = lines_of(text_);
  file_ = app::ConfigFile::parse(read_, name, errors_);
}

std::string CatalogueDocument::place(const app::ConfigTable& table) const {
  const app::ConfigError at = placed({name_, table.line(), table.column(), "", ""});
  return at.file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

void CatalogueDocument::hand_over(app::ConfigErrors& errors) const {
  for (const app::ConfigError& error : errors_.sorted()) errors.add(placed(error));
}

app::ConfigError CatalogueDocument::placed(app::ConfigError error) const {
  if (origin_.empty() || error.line == 0 || error.line > read_lines_.size()) return error;
  std::size_t at = read_lines_[error.line - 1];
  for (unsigned column = 1; column < error.column && at + 1 < read_.size(); ++column) {
    do {
      ++at;
    } while (at + 1 < read_.size() && !begins_rune(read_[at]));
  }
  const std::size_t origin = origin_[std::min(at, origin_.size() - 1)];
  const auto line = std::upper_bound(file_lines_.begin(), file_lines_.end(), origin) - 1;
  error.line = static_cast<unsigned>(line - file_lines_.begin()) + 1;
  error.column = 1 + static_cast<unsigned>(std::count_if(
                         text_.begin() + static_cast<std::ptrdiff_t>(*line),
                         text_.begin() + static_cast<std::ptrdiff_t>(origin), begins_rune));
  if (error.expected == "TOML 1.0") error.expected = "JSON without a key twice";
  return error;
}

}  // namespace tallyman::rater
