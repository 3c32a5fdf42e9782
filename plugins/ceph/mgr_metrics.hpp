#pragma once
// What a mgr's prometheus module answers: text → pools and images, pure. The bytes are not trusted.
// Any thread.
//
// Values are floats there. A whole number up to 2^53 is exact; beyond, digits are missing, and a
// number with missing digits is unknown here.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>

#include "fault.hpp"

namespace ceph {

struct Amount {
  std::uint64_t value = 0;
  bool exact = false;  ///< else it is negative, broken, no number or beyond 2^53
};

struct PoolFigures {
  std::string name, type;
  std::optional<Amount> stored, used, objects, read, written, quota_bytes, quota_objects;
  std::optional<Amount> groups, unknown_groups;  ///< placement groups, and those not heard of yet
};

struct ImageName {
  std::string pool, space, image;
  friend auto operator<=>(const ImageName&, const ImageName&) = default;
};

struct ImageFigures {
  std::optional<Amount> read, written;
};

struct MgrMetrics {
  std::string active;                 ///< the mgr that speaks; "" when it does not say
  std::optional<Amount> collections;  ///< how often it has looked, since it began
  std::optional<Amount> total;        ///< bytes of the cluster; 0 = it has heard of no OSD yet
  std::map<std::string, PoolFigures> pools;  ///< by id
  std::map<ImageName, ImageFigures> images;
  /// A mgr that stands by answers nothing.
  [[nodiscard]] bool stands_by() const { return pools.empty() && active.empty(); }
};

/// A fault when a line that is metered cannot be read.
[[nodiscard]] std::variant<MgrMetrics, Fault> parse_mgr_metrics(std::string_view text);

}  // namespace ceph
