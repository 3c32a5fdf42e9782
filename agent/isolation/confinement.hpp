#pragma once
// What one host is confined to: made by the agent before it forks, entered by the child.

#include <linux/filter.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/isolation/capability.hpp"
#include "agent/isolation/cgroup.hpp"
#include "agent/isolation/landlock.hpp"
#include "agent/isolation/user.hpp"
#include "base/fd.hpp"

namespace tallyman::agent {

/// What of it is told, and compared.
struct Confined {
  Access access;
  std::string words;   ///< what is in force
  std::string weaker;  ///< what is not to be had here, and why; empty = all is
};

/// Handed from the agent to a host when it is spawned. What is absent is not in force.
struct Confinement {
  std::optional<User> user;       ///< to become; nothing = stays who the agent is
  Capabilities capabilities = 0;  ///< all it has, whoever it is
  bool bounded = false;           ///< no exec can bring others: the agent may see to that
  std::vector<sock_filter> filter;
  /// Instead, when one of the paths is a socket; empty when none can be.
  std::vector<sock_filter> socket_filter;
  Fd plugin;                       ///< the plugin's open file
  Fd program;                      ///< the host's; nothing = its path is opened
  Fd ruleset;                      ///< Landlock, for the host to enter
  std::vector<GrantedPath> paths;  ///< that the ruleset is still to let it through to
  std::shared_ptr<Cgroup> group;
  Confined told;
};

/// Joins the group. In the child, between fork and exec, while it still is who the agent is:
/// async-signal-safe. nullptr, or what failed.
[[nodiscard]] const char* enter_group(const Confinement& confinement);

/// Lets the ruleset on descriptor `ruleset` through to the paths; what is not there is printed to
/// stderr. As above; not before nothing of the agent's is open any more, for it may never return.
/// Whether one that may be written is a socket to connect to, or not there yet.
[[nodiscard]] bool enter_paths(const Confinement& confinement, int ruleset);

/// Becomes the user, with the capabilities and no others. As above; clears the parent-death signal.
[[nodiscard]] const char* enter_user(const Confinement& confinement);

/// Installs the filter; last. As above, after no_new_privs.
[[nodiscard]] const char* enter_filter(const Confinement& confinement, bool sockets);

}  // namespace tallyman::agent
