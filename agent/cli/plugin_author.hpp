#pragma once
// The commands for whoever writes a plugin, as words on the command line: `plugin check`, `plugin
// new`.

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace tallyman::cli {

/// Adds them to the group `plugin`; `code` is the exit status of the one that is called. `config`
/// gives the agent's configuration, for the place of the plugin host. All of it outlives the parse.
void declare_plugin_author(CLI::App& plugin, const std::function<std::string()>& config, int& code);

}  // namespace tallyman::cli
