#pragma once
// Who may steer: disabling a plugin ends its metering. To look, it is enough to reach the socket.

#include <string_view>

#include "app/control.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

/// Root and the agent's own user may; for others an error that says who asked for what, and what to
/// do. Pure.
[[nodiscard]] Status may_steer(const app::Peer& peer, unsigned own_uid, std::string_view command);

}  // namespace tallyman::agent
