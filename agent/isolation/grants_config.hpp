#pragma once
// The table [grants] of plugins.d/NAME.toml, and whose uid each instance gets.

#include <optional>

#include "agent/isolation/grants.hpp"
#include "agent/isolation/user.hpp"
#include "app/config.hpp"

namespace tallyman::agent {

/// What the table grants, and the user it names, looked up on this machine.
struct GrantsConfig {
  Grants grants;
  std::optional<User> user;
};

/// Everything wrong is added to the table's errors, at its place. Absent = nothing is granted.
[[nodiscard]] GrantsConfig read_grants(app::ConfigTable table);

/// The key `plugin_uids` of agent.toml.
[[nodiscard]] UidRange read_uid_range(app::ConfigTable& root);

}  // namespace tallyman::agent
