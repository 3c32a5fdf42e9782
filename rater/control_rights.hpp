#pragma once
// Who may look, and who may decide what is billed: close, release, import and people's other
// decisions change what customers pay.

#include <optional>
#include <string>
#include <string_view>

#include "app/control.hpp"
#include "base/result.hpp"

namespace tallyman::rater {

/// The group whose members may decide beside root and the daemon's own user.
constexpr const char* kDecidersGroup = "tallyman-billing";

/// The group whose members may look; those who decide are members of it too, or root.
constexpr const char* kReadersGroup = "tallyman";

/// Hands the socket to the readers' group, where the system has one and this process may; else the
/// socket stays its own group's.
void share_with_readers(const std::string& socket);

/// Plain value. Pure but for its making.
struct Deciders {
  unsigned own_uid = 0;
  std::optional<unsigned> group;  ///< nothing when the system has no such group

  /// As this process runs and the system's groups are now.
  [[nodiscard]] static Deciders of_system();
  /// An error that says who asked for what, and what to do, when the peer may not.
  [[nodiscard]] Status check(const app::Peer& peer, std::string_view command) const;
};

}  // namespace tallyman::rater
