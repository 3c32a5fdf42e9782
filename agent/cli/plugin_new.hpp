#pragma once
// `tallyman plugin new`: a plugin to start from, which builds, passes `plugin check` and runs.

#include <map>
#include <string>

#include "base/result.hpp"

namespace tallyman::cli {

struct PluginNew {
  std::string name;
  std::string directory;  ///< empty = ./NAME
};

/// The files by their path in the folder. `include`: where <tallyman/plugin.hpp> was found, empty =
/// nowhere. Pure; an error for a name that no plugin may have.
[[nodiscard]] Result<std::map<std::string, std::string>> scaffold(const std::string& name,
                                                                  const std::string& include);

/// The exit status. Overwrites nothing.
[[nodiscard]] int plugin_new(const PluginNew& fresh);

}  // namespace tallyman::cli
