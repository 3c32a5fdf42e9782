#pragma once
// The last of a host's confinement, which it must do itself.

#include "base/result.hpp"

namespace tallyman::host {

/// Enters the Landlock ruleset on kHostRuleset, after adding to it this process's own /proc entry:
/// the agent could not know it. For this thread and what it starts, and for good: before anything
/// of the plugin is loaded. Closes the descriptor.
[[nodiscard]] Status enter_ruleset();

}  // namespace tallyman::host
