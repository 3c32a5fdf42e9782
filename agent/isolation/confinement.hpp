#pragma once
// What one host is confined to: made by the agent before it forks, entered by the child.

#include <linux/filter.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/isolation/capability.hpp"
#include "agent/isolation/cgroup.hpp"
#include "agent/isolation/user.hpp"
#include "base/fd.hpp"

namespace tallyman::agent {

/// Handed from the agent to a host when it is spawned. What is absent is not in force.
struct Confinement {
  std::optional<User> user;       ///< to become; nothing = stays who the agent is
  Capabilities capabilities = 0;  ///< all it has, whoever it is
  bool bounded = false;           ///< no exec can bring others: the agent may see to that
  std::vector<sock_filter> filter;
  Fd plugin;             ///< the plugin's open file
  Fd program;            ///< the host's; nothing = its path is opened
  Fd ruleset;            ///< Landlock, for the host to enter
  std::vector<Fd> pins;  ///< to be kept open while the host runs (landlock.hpp)
  std::shared_ptr<Cgroup> group;
  std::string in_force;  ///< in words
  std::string weaker;    ///< what is not to be had here, and why; empty = all is
};

/// Joins the group. In the child, between fork and exec, while it still is who the agent is:
/// async-signal-safe. nullptr, or what failed.
[[nodiscard]] const char* enter_group(const Confinement& confinement);

/// Becomes the user, with the capabilities and no others. As above; clears the parent-death signal.
[[nodiscard]] const char* enter_user(const Confinement& confinement);

/// Installs the filter; last. As above, after no_new_privs.
[[nodiscard]] const char* enter_filter(const Confinement& confinement);

}  // namespace tallyman::agent
