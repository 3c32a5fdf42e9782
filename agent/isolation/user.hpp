#pragma once
// Which user a plugin's processes run as. Pure.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace tallyman::agent {

/// Both ends included. The default is a part of what systemd's UIDS-GIDS calls unused: no package,
/// no DynamicUser= and no container takes one of them.
struct UidRange {
  uid_t first = 1879048192U;
  uid_t last = 2147483646U;
  friend bool operator==(const UidRange&, const UidRange&) = default;
};

/// "FIRST-LAST" in decimal; nothing when it is no such range, holds fewer than kLeastUids, or a uid
/// below 1000 or above 4294967293: those are root's, the system's, or mean nobody.
constexpr std::uint64_t kLeastUids = 1000;
[[nodiscard]] std::optional<UidRange> uid_range_from_text(std::string_view text);
[[nodiscard]] std::string uid_range_text(const UidRange& range);

/// A uid of its own for an instance: drawn from a hash of its name, so that it stays the same
/// whatever else is configured, and the next free one where that is taken. Nothing when all are.
[[nodiscard]] std::optional<uid_t> draw_uid(const std::string& name, const std::set<uid_t>& taken,
                                            const UidRange& range);

/// A user with its primary group.
struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;  ///< as configured; empty = a uid of the instance's own
  friend bool operator==(const User&, const User&) = default;
};

/// Whether `map`, the text of /proc/self/uid_map or gid_map, gives this process the id.
[[nodiscard]] bool is_mapped(std::string_view map, std::uint32_t id);

}  // namespace tallyman::agent
