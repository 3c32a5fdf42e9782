#pragma once
// Files that nobody but their owner may read: keys and passwords. What stands in them is never part
// of an error.

#include <cstddef>
#include <string>

#include "base/result.hpp"

namespace tallyman::app {

constexpr std::size_t kMostSecret = 4096;  ///< bytes

/// The text of a short file. Refuses one that group or others may open, that is no plain file or
/// not there. A file below /run/credentials is systemd's, which keeps it from others by other means
/// than the mode. `name` and `wanted` are for the error: "key file", "a file made by `key new`".
[[nodiscard]] Result<std::string> read_secret(const std::string& path, const std::string& name,
                                              const std::string& wanted,
                                              std::size_t most = kMostSecret);

/// A password: the file's only line, without its end.
[[nodiscard]] Result<std::string> read_password(const std::string& path);

}  // namespace tallyman::app
