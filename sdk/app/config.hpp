#pragma once
// Configuration with positions: TOML is read once, each value is asked for by key and type, and
// every error is kept as "file:line:column: what, expected", so that a person sees all of them at
// once. toml++ is included by config.cpp only.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace tallyman::app {

/// One thing wrong in a configuration file.
struct ConfigError {
  std::string file;
  unsigned line = 0, column = 0;           ///< 1-based; 0 = the file as a whole
  std::string what;                        ///< "unknown key `intervall`"
  std::string expected;                    ///< "one of interval, deadline"; may be empty
  [[nodiscard]] std::string text() const;  ///< "file:line:column: what, expected …"
};

/// Where errors are gathered. Not thread-safe.
class ConfigErrors {
 public:
  void add(ConfigError error) { errors_.push_back(std::move(error)); }
  [[nodiscard]] bool empty() const { return errors_.empty(); }
  /// In the order of file, line and column.
  [[nodiscard]] std::vector<ConfigError> sorted() const;
  /// All of them, a line each.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<ConfigError> errors_;
};

/// A key with its values as text, as plugins get their options: tables flatten to dotted keys, an
/// array to several values.
struct FlatOption {
  std::string key;
  std::vector<std::string> values;
  unsigned line = 0, column = 0;
};

class ConfigFile;

/// One table of a file. Getters mark the key as known; a wrong type or range adds an error and
/// gives the fallback. finish() adds an error for every key that nobody asked for, with the nearest
/// known key as a hint. Copies refer to the same table; valid while its ConfigFile lives.
class ConfigTable {
 public:
  [[nodiscard]] bool has(std::string_view key) const;
  std::string text(std::string_view key, std::string_view fallback);
  std::string required_text(std::string_view key);
  /// One of `choices`.
  std::string choice(std::string_view key, std::span<const std::string_view> choices,
                     std::string_view fallback);
  bool boolean(std::string_view key, bool fallback);
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t min,
                       std::int64_t max);
  /// "10s", "1m30s" (base/time_text.hpp).
  Ns duration(std::string_view key, Ns fallback, Ns min, Ns max);
  /// Bytes: an integer, or "64KiB", "1GiB", "10MB".
  std::uint64_t size(std::string_view key, std::uint64_t fallback, std::uint64_t min,
                     std::uint64_t max);
  std::vector<std::string> texts(std::string_view key, std::vector<std::string> fallback = {});
  /// An RFC 3339 text or a TOML date-time with an offset; nothing when absent.
  std::optional<Ns> instant(std::string_view key);
  /// A number or a decimal text, verbatim ("0.0215"): money and allowances never pass through a
  /// double. A TOML float is refused (quote it); an integer is taken.
  std::optional<std::string> decimal(std::string_view key);
  /// A sub-table; empty (and without a position) when absent.
  ConfigTable table(std::string_view key);
  /// An array of tables, in order.
  std::vector<ConfigTable> tables(std::string_view key);
  /// All keys of this table, in file order: for tables whose keys are names.
  [[nodiscard]] std::vector<std::string> keys() const;
  /// Everything in this table, flattened, all of it marked as known.
  std::vector<FlatOption> flatten();

  /// Adds an error at the key (or at this table when it is absent): for checks of the caller's own.
  void complain(std::string_view key, std::string what, std::string expected = {});
  void finish();
  [[nodiscard]] unsigned line() const;
  [[nodiscard]] unsigned column() const;
  [[nodiscard]] const std::string& file() const;

 private:
  friend class ConfigFile;
  struct State;
  explicit ConfigTable(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

/// One parsed file.
class ConfigFile {
 public:
  /// Reads and parses; a file that cannot be read or is not TOML adds an error and gives an empty
  /// root.
  static ConfigFile load(const std::string& path, ConfigErrors& errors);
  static ConfigFile parse(std::string_view toml, const std::string& name, ConfigErrors& errors);
  [[nodiscard]] ConfigTable root() const { return root_; }

 private:
  explicit ConfigFile(ConfigTable root) : root_(std::move(root)) {}
  ConfigTable root_;
};

}  // namespace tallyman::app
