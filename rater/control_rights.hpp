#pragma once
// Who may decide what is billed: close, release and import change what customers pay.

#include <optional>
#include <string_view>

#include "app/control.hpp"
#include "base/result.hpp"

namespace tallyman::rater {

/// The group whose members may decide beside root and the daemon's own user.
constexpr const char* kDecidersGroup = "tallyman-billing";

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
