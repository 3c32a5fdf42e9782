#include "agent/isolation/user.hpp"

#include <charconv>
#include <cstdint>
#include <sstream>

#include "base/bytes.hpp"
#include "base/hash.hpp"

namespace tallyman::agent {
namespace {

constexpr std::uint64_t kLeastUid = 1000;
constexpr std::uint64_t kMostUid = 4294967293U;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::uint64_t draw(const std::string& name) {
  const Hash hash = hash_of(as_bytes("uid of " + name));
  std::uint64_t drawn = 0;
  for (std::size_t i = 0; i < sizeof drawn; i++) drawn = drawn << 8U | hash[i];
  return drawn;
}

}  // namespace

std::optional<UidRange> uid_range_from_text(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = number(text.substr(0, dash)), last = number(text.substr(dash + 1));
  if (!first || !last || *first < kLeastUid || *last > kMostUid) return std::nullopt;
  if (*first > *last || *last - *first + 1 < kLeastUids) return std::nullopt;
  return UidRange{static_cast<uid_t>(*first), static_cast<uid_t>(*last)};
}

std::string uid_range_text(const UidRange& range) {
  return std::to_string(range.first) + "-" + std::to_string(range.last);
}

std::optional<uid_t> draw_uid(const std::string& name, const std::set<uid_t>& taken,
                              const UidRange& range) {
  const std::uint64_t size = std::uint64_t{range.last} - range.first + 1;
  const std::uint64_t drawn = draw(name) % size;
  for (std::uint64_t i = 0; i < size && i <= taken.size(); i++) {
    const auto uid = static_cast<uid_t>(range.first + (drawn + i) % size);
    if (!taken.contains(uid)) return uid;
  }
  return std::nullopt;
}

bool is_mapped(std::string_view map, std::uint32_t id) {
  std::istringstream lines{std::string(map)};
  std::uint64_t inside = 0, outside = 0, length = 0;
  while (lines >> inside >> outside >> length) {
    if (id >= inside && id - inside < length) return true;
  }
  return false;
}

}  // namespace tallyman::agent
