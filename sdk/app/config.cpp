#include "app/config.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "app/config_text.hpp"
#include "base/time_text.hpp"

namespace tallyman::app {

struct ConfigTable::State {
  std::shared_ptr<const toml::table> document;  // keeps `table` alive
  const toml::table* table = nullptr;           // null: absent from the file
  std::string file;
  ConfigErrors* errors = nullptr;
  unsigned line = 0, column = 0;
  std::set<std::string, std::less<>> known{};
  std::map<std::string, std::vector<std::shared_ptr<State>>, std::less<>> children{};

  [[nodiscard]] const toml::node* find(std::string_view key) {
    known.emplace(key);
    return table == nullptr ? nullptr : table->get(key);
  }
  void add(const toml::node& node, std::string what, std::string expected) {
    errors->add({file, node.source().begin.line, node.source().begin.column, std::move(what),
                 std::move(expected)});
  }
  std::shared_ptr<State> child(const toml::table* at) {
    auto out = std::make_shared<State>(State{document, at, file, errors});
    out->line = at != nullptr ? at->source().begin.line : line;
    out->column = at != nullptr ? at->source().begin.column : column;
    return out;
  }
};

namespace {

/// "a string", "an integer": what stands there.
std::string kind_of(const toml::node& node) {
  std::ostringstream out;
  out << node.type();
  const std::string kind = out.str();
  return (kind[0] == 'i' || kind[0] == 'a' ? "an " : "a ") + kind;
}

std::optional<Ns> to_instant(const toml::date_time& value) {
  if (!value.offset) return std::nullopt;
  char text[64];
  const int offset = value.offset->minutes;
  const int n = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%09u%c%02d:%02d",
                              value.date.year, value.date.month, value.date.day, value.time.hour,
                              value.time.minute, value.time.second, value.time.nanosecond,
                              offset < 0 ? '-' : '+', std::abs(offset) / 60, std::abs(offset) % 60);
  return from_rfc3339(std::string_view(text, static_cast<std::size_t>(n)));
}

/// One value as a plugin's option sees it; nothing for a table or an array.
std::optional<std::string> scalar_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  if (node.is_table() || node.is_array()) return std::nullopt;
  std::ostringstream out;
  node.visit([&out](const auto& value) {
    if constexpr (toml::is_value<decltype(value)>) out << value;
  });
  return out.str();
}

void flatten_into(const toml::table& table, const std::string& prefix,
                  std::vector<FlatOption>& out) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    FlatOption option{name, {}, node.source().begin.line, node.source().begin.column};
    if (const auto* inner = node.as_table()) {
      flatten_into(*inner, name + ".", out);
      continue;
    }
    if (const auto* array = node.as_array()) {
      for (const auto& element : *array) {
        if (auto text = scalar_text(element)) option.values.push_back(std::move(*text));
      }
    } else if (auto text = scalar_text(node)) {
      option.values.push_back(std::move(*text));
    }
    out.push_back(std::move(option));
  }
}

}  // namespace

bool ConfigTable::has(std::string_view key) const { return state_->find(key) != nullptr; }

std::string ConfigTable::text(std::string_view key, std::string_view fallback) {
  const toml::node* node = state_->find(key);
  if (node == nullptr) return std::string(fallback);
  if (const auto* text = node->as_string()) return text->get();
  state_->add(*node, quoted(key) + " is " + kind_of(*node), "a text in quotes");
  return std::string(fallback);
}

std::string ConfigTable::required_text(std::string_view key) {
  if (!has(key)) complain("", quoted(key) + " is missing", quoted(key) + " = \"…\"");
  return text(key, "");
}

std::string ConfigTable::choice(std::string_view key, std::span<const std::string_view> choices,
                                std::string_view fallback) {
  std::string value = text(key, fallback);
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return value;
  complain(key, quoted(key) + " is \"" + value + "\"", "one of " + listed(choices));
  return std::string(fallback);
}

bool ConfigTable::boolean(std::string_view key, bool fallback) {
  const toml::node* node = state_->find(key);
  if (node == nullptr) return fallback;
  if (const auto* truth = node->as_boolean()) return truth->get();
  state_->add(*node, quoted(key) + " is " + kind_of(*node), "true or false");
  return fallback;
}

std::int64_t ConfigTable::integer(std::string_view key, std::int64_t fallback, std::int64_t min,
                                  std::int64_t max) {
  const toml::node* node = state_->find(key);
  if (node == nullptr) return fallback;
  const std::string range = "an integer from " + std::to_string(min) + " to " + std::to_string(max);
  const auto* number = node->as_integer();
  if (number == nullptr) {
    state_->add(*node, quoted(key) + " is " + kind_of(*node), range);
    return fallback;
  }
  if (number->get() >= min && number->get() <= max) return number->get();
  state_->add(*node, quoted(key) + " is " + std::to_string(number->get()), range);
  return fallback;
}

Ns ConfigTable::duration(std::string_view key, Ns fallback, Ns min, Ns max) {
  const toml::node* node = state_->find(key);
  if (node == nullptr) return fallback;
  const auto* text = node->as_string();
  const auto value = text != nullptr ? duration_from_text(text->get()) : std::nullopt;
  if (value && *value >= min && *value <= max) return *value;
  state_->add(
      *node, quoted(key) + " is " + (text != nullptr ? "\"" + text->get() + "\"" : kind_of(*node)),
      "a duration from \"" + to_duration_text(min) + "\" to \"" + to_duration_text(max) + "\"");
  return fallback;
}

std::uint64_t ConfigTable::size(std::string_view key, std::uint64_t fallback, std::uint64_t min,
                                std::uint64_t max) {
  const toml::node* node = state_->find(key);
  if (node == nullptr) return fallback;
  std::optional<std::uint64_t> value;
  if (const auto* text = node->as_string()) value = size_from_text(text->get());
  if (const auto* number = node->as_integer(); number != nullptr && number->get() >= 0) {
    value = static_cast<std::uint64_t>(number->get());
  }
  if (value && *value >= min && *value <= max) return *value;
  state_->add(*node, quoted(key) + " is " + scalar_text(*node).value_or(kind_of(*node)),
              "a size like \"64KiB\" from " + std::to_string(min) + " to " + std::to_string(max) +
                  " bytes");
  return fallback;
}

std::vector<std::string> ConfigTable::texts(std::string_view key,
                                            std::vector<std::string> fallback) {
  const toml::node* node = state_->find(key);
  if (node == nullptr) return fallback;
  std::vector<std::string> out;
  const auto* array = node->as_array();
  if (array == nullptr) {
    state_->add(*node, quoted(key) + " is " + kind_of(*node), "a list of texts");
    return fallback;
  }
  for (const auto& element : *array) {
    if (const auto* text = element.as_string()) {
      out.push_back(text->get());
    } else {
      state_->add(element, quoted(key) + " holds " + kind_of(element), "a text in quotes");
    }
  }
  return out;
}

std::optional<Ns> ConfigTable::instant(std::string_view key) {
  const toml::node* node = state_->find(key);
  if (node == nullptr) return std::nullopt;
  std::optional<Ns> value;
  if (const auto* text = node->as_string()) value = from_rfc3339(text->get());
  if (const auto* date = node->as_date_time()) value = to_instant(date->get());
  if (!value) {
    state_->add(*node, quoted(key) + " is not an instant with an offset",
                "one like 2026-11-22T15:05:00Z");
  }
  return value;
}

std::optional<std::string> ConfigTable::decimal(std::string_view key) {
  const toml::node* node = state_->find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* number = node->as_integer(); number != nullptr && number->get() >= 0) {
    return std::to_string(number->get());
  }
  if (const auto* text = node->as_string(); text != nullptr && is_decimal(text->get())) {
    return text->get();
  }
  state_->add(*node, quoted(key) + " is not an exact decimal",
              "a decimal in quotes like \"0.0215\", at most 36 digits");
  return std::nullopt;
}

ConfigTable ConfigTable::table(std::string_view key) {
  const toml::node* node = state_->find(key);
  if (const auto it = state_->children.find(key); it != state_->children.end()) {
    return ConfigTable(it->second.front());
  }
  if (node != nullptr && !node->is_table()) {
    state_->add(*node, quoted(key) + " is " + kind_of(*node), "a table [" + std::string(key) + "]");
  }
  auto child = state_->child(node != nullptr ? node->as_table() : nullptr);
  state_->children[std::string(key)] = {child};
  return ConfigTable(std::move(child));
}

std::vector<ConfigTable> ConfigTable::tables(std::string_view key) {
  const toml::node* node = state_->find(key);
  std::vector<ConfigTable> out;
  if (node == nullptr) return out;
  auto& children = state_->children[std::string(key)];
  if (children.empty()) {
    const auto* array = node->as_array();
    const bool tables =
        array != nullptr && (array->empty() || array->is_homogeneous(toml::node_type::table));
    if (!tables) {
      state_->add(*node, quoted(key) + " is " + kind_of(*node),
                  "tables [[" + std::string(key) + "]]");
      return out;
    }
    for (const auto& element : *array) children.push_back(state_->child(element.as_table()));
  }
  for (const auto& child : children) out.push_back(ConfigTable(child));
  return out;
}

std::vector<std::string> ConfigTable::keys() const {
  std::vector<std::pair<toml::source_position, std::string>> found;
  if (state_->table != nullptr) {
    for (const auto& [key, node] : *state_->table) {
      found.emplace_back(key.source().begin, std::string(key.str()));
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> out;
  for (auto& [position, key] : found) out.push_back(std::move(key));
  return out;
}

std::vector<FlatOption> ConfigTable::flatten() {
  std::vector<FlatOption> out;
  if (state_->table == nullptr) return out;
  for (const auto& [key, node] : *state_->table) state_->known.emplace(key.str());
  flatten_into(*state_->table, "", out);
  return out;
}

void ConfigTable::complain(std::string_view key, std::string what, std::string expected) {
  const toml::node* node =
      state_->table == nullptr || key.empty() ? nullptr : state_->table->get(key);
  if (node != nullptr) return state_->add(*node, std::move(what), std::move(expected));
  state_->errors->add(
      {state_->file, state_->line, state_->column, std::move(what), std::move(expected)});
}

void ConfigTable::finish() {
  for (const auto& [key, children] : state_->children) {
    for (const auto& child : children) ConfigTable(child).finish();
  }
  if (state_->table == nullptr) return;
  for (const auto& [key, node] : *state_->table) {
    if (state_->known.contains(key.str())) continue;
    state_->errors->add({state_->file, key.source().begin.line, key.source().begin.column,
                         "unknown key " + quoted(key.str()),
                         expected_key(key.str(), state_->known)});
  }
}

unsigned ConfigTable::line() const { return state_->line; }
unsigned ConfigTable::column() const { return state_->column; }
const std::string& ConfigTable::file() const { return state_->file; }

ConfigFile ConfigFile::parse(std::string_view text, const std::string& name, ConfigErrors& errors) {
  auto document = std::make_shared<toml::table>();
  try {
    *document = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    errors.add({name, error.source().begin.line, error.source().begin.column,
                std::string(error.description()), "TOML 1.0"});
  }
  auto state = std::make_shared<ConfigTable::State>(
      ConfigTable::State{document, document.get(), name, &errors});
  state->line = state->column = 1;
  return ConfigFile(ConfigTable(std::move(state)));
}

ConfigFile ConfigFile::load(const std::string& path, ConfigErrors& errors) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in) {
    const Error error = errno_error("cannot read", path, errno);
    errors.add({path, 0, 0, error.what, "a readable TOML file"});
    return parse("", path, errors);
  }
  return parse(text.str(), path, errors);
}

}  // namespace tallyman::app
