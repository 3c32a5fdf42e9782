#pragma once
// JSON told piece by piece, so that an answer of 10,000 buckets is never a tree in memory. Pure;
// any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fault.hpp"

namespace ceph {

/// The keys from the outermost value to this one; kElement for an element of a list.
using JsonPath = std::vector<std::string>;
inline constexpr std::string_view kElement = "*";

struct JsonScalar {
  enum class Kind { none, truth, natural, other_number, text };
  Kind kind = Kind::none;
  std::uint64_t number = 0;  ///< natural: a whole number from 0 to 2^64 - 1
  std::string_view text;     ///< text: valid UTF-8, for the length of the call
};

class JsonListener {
 public:
  virtual ~JsonListener() = default;
  /// An object or a list begins or ends at `path`.
  virtual void begin(const JsonPath& path) = 0;
  virtual void end(const JsonPath& path) = 0;
  virtual void scalar(const JsonPath& path, const JsonScalar& value) = 0;
};

/// A fault when the text is not one whole JSON value, or is nested deeper than answers are. What
/// was told before it is then worth nothing.
[[nodiscard]] std::optional<Fault> walk_json(std::string_view text, JsonListener& listener);

/// Whether `path` is these keys.
[[nodiscard]] bool at(const JsonPath& path, std::initializer_list<std::string_view> keys);

}  // namespace ceph
