#include "nfsd_files.hpp"

#include <charconv>
#include <set>
#include <tuple>
#include <utility>

namespace nfs {
namespace {

/// Lines without their ends. What follows the last end is a line cut short.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  bool next(std::string_view& line) {
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return false;
    line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }
  [[nodiscard]] bool whole() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return {};
  return value;
}

/// Up to the separator, which goes, too; all of it when there is none.
std::string_view word(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view out = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return out;
}

std::optional<KernelExport> read_head(std::string_view line) {
  const auto path = unescaped(word(line, '\t'));
  const auto client = unescaped(word(line, '\t'));
  const auto began = number(line);
  if (!path || path->empty() || !client || client->empty() || !began) return {};
  return KernelExport{*path, *client, *began, 0, 0};
}

/// An export being read, and what of it has been seen.
struct Open {
  KernelExport value;
  bool read = false, written = false;
  [[nodiscard]] bool whole() const { return read && written; }
};

bool read_statistic(std::string_view line, Open& open) {
  line.remove_prefix(1);
  const std::string_view name = word(line, ':');
  if (!line.starts_with(' ')) return false;
  const auto value = number(line.substr(1));
  if (!value) return false;
  if (name == "io_read") {
    open.value.read_bytes = *value;
    open.read = true;
  } else if (name == "io_write") {
    open.value.written_bytes = *value;
    open.written = true;
  }
  return true;
}

}  // namespace

std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (text.size() - i < 4) return {};
    unsigned value = 0;
    for (std::size_t digit = 1; digit <= 3; ++digit) {
      const char c = text[i + digit];
      if (c < '0' || c > '7') return {};
      value = value * 8 + static_cast<unsigned>(c - '0');
    }
    if (value == 0 || value > 0xffU) return {};
    out += static_cast<char>(value);
    i += 3;
  }
  return out;
}

std::variant<std::vector<KernelExport>, Fault> parse_export_stats(std::string_view text) {
  std::vector<KernelExport> out;
  std::optional<Open> open;
  const auto close = [&] {
    if (open && !open->whole()) return false;
    if (open) out.push_back(std::move(open->value));
    open.reset();
    return true;
  };
  Lines lines(text);
  std::size_t count = 0;
  for (std::string_view line; lines.next(line);) {
    ++count;
    bool good = false;
    if (line.empty() || line.starts_with('#')) {
      good = close();
    } else if (line.starts_with('\t')) {
      good = open && read_statistic(line, *open);
    } else if (auto head = read_head(line); head && close()) {
      open = Open{*std::move(head), false, false};
      good = true;
    }
    if (!good) return Fault{"line " + std::to_string(count) + " is not as expected"};
  }
  if (!lines.whole() || !close()) return Fault{"it is cut short"};
  return out;
}

std::vector<KernelExport> each_once(std::vector<KernelExport> exports) {
  std::set<std::tuple<std::string, std::string, std::uint64_t>> seen;
  std::erase_if(exports, [&](const KernelExport& one) {
    return !seen.emplace(one.path, one.client, one.began).second;
  });
  return exports;
}

std::variant<KernelServer, Fault> parse_rpc_nfsd(std::string_view text) {
  Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    if (!line.starts_with("io ")) continue;
    line.remove_prefix(3);
    const auto read = number(word(line, ' '));
    const auto written = number(line);
    if (!read || !written) return Fault{"its line io is not as expected"};
    return KernelServer{*read, *written};
  }
  return Fault{"it has no line io"};
}

}  // namespace nfs
