#pragma once
// What command line tools print: aligned tables, units people read, colour on a terminal only.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tallyman::app {

enum class Colour { none, good, warn, bad, faint };

/// A text in a colour; unchanged when `on` is false.
[[nodiscard]] std::string paint(std::string_view text, Colour colour, bool on);

struct Cell {
  std::string text;
  Colour colour = Colour::none;
};

/// Rows of cells under a heading, columns as wide as their widest cell (UTF-8 counted by code
/// points). Plain value; not thread-safe.
class Table {
 public:
  /// A heading that begins with '>' makes its column right-aligned.
  explicit Table(std::vector<std::string> headings);
  void row(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::string text(bool colour) const;

 private:
  std::vector<std::string> headings_;
  std::vector<bool> right_;
  std::vector<std::vector<Cell>> rows_;
};

/// 1536 → "1.5 KiB": for reading only, cut and not rounded.
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);
/// 93784 → "1d2h": the two largest units.
[[nodiscard]] std::string human_seconds(std::int64_t seconds);

/// Whether standard output is a terminal, and colour is not declined (NO_COLOR, TERM=dumb).
[[nodiscard]] bool stdout_is_terminal();
[[nodiscard]] bool stdout_has_colour();

}  // namespace tallyman::app
