#pragma once
// The keys of the gateway's user that meters, from a file that nobody else can read:
//
//   access_key = "…"
//   secret_key = "…"
//
// Blank lines and lines that begin with # are left out; quotes may be. A file below
// /run/credentials is systemd's, which keeps it from others by other means than the mode. The keys
// are never part of an error.

#include <string>
#include <string_view>
#include <variant>

#include "fault.hpp"

namespace ceph {

struct Secret {
  std::string access_key, secret_key;
};

[[nodiscard]] std::variant<Secret, Fault> parse_secret(std::string_view text);

/// Refuses a file that group or others may open, is no plain file, or is not there.
[[nodiscard]] std::variant<Secret, Fault> read_secret(const std::string& path);

}  // namespace ceph
