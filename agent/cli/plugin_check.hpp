#pragma once
// `tallyman plugin check`: for whoever writes a plugin. Asks no agent.

#include <string>
#include <vector>

namespace tallyman::cli {

struct PluginCheck {
  std::string file;
  std::string plugin_host;           ///< the program
  std::string config;                ///< a file of plugins.d; empty = none
  std::vector<std::string> options;  ///< "KEY=VALUE"; a key that stands there twice is a list
  unsigned polls = 3;
  bool json = false;
};

/// The exit status: 1 when anything is at fault.
[[nodiscard]] int plugin_check(const PluginCheck& check);

}  // namespace tallyman::cli
