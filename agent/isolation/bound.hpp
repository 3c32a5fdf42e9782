#pragma once
// What the agent itself may do, and what it gives up for good.

#include "agent/isolation/capability.hpp"

namespace tallyman::agent {

/// What an agent of root's uses: to change its children's users and capabilities, to end and look
/// at them, to give them namespaces, and to reach its own files whoever owns the folder.
[[nodiscard]] Capabilities agent_capabilities();

/// Gives up every capability but those and `granted`, for this process and whatever it executes.
/// Where it may not, or has none, nothing changes. Before any thread is started: the others would
/// keep theirs.
void give_up_capabilities(Capabilities granted);

}  // namespace tallyman::agent
