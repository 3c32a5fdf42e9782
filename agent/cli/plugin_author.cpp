#include "agent/cli/plugin_author.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "agent/cli/plugin_check.hpp"
#include "agent/cli/plugin_new.hpp"
#include "agent/config.hpp"

namespace tallyman::cli {
namespace {

std::string plugin_host(const std::string& config) {
  app::ConfigErrors ignored;
  return agent::load_config(config, agent::ConfigDefaults::of_this_process(), ignored).plugin_host;
}

}  // namespace

void declare_plugin_author(CLI::App& plugin, const std::function<std::string()>& config,
                           int& code) {
  auto check = std::make_shared<PluginCheck>();
  auto* check_command = plugin.add_subcommand(
      "check",
      "Try a plugin without an agent: what it declares, a few polls, its state in another process");
  check_command->add_option("file", check->file, "The shared object")
      ->type_name("FILE")
      ->required();
  check_command->add_option("--config", check->config, "Its file of plugins.d: options and limits")
      ->type_name("X.toml");
  check_command->add_option("--option", check->options, "An option, in place of what the file says")
      ->type_name("K=V")
      ->allow_extra_args(false);
  check_command->add_option("--polls", check->polls, "How often it is polled")
      ->type_name("N")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  check_command->add_flag("--json", check->json, "One JSON document");
  check_command->callback([check, config, &code] {
    check->plugin_host = plugin_host(config());
    code = plugin_check(*check);
  });

  auto fresh = std::make_shared<PluginNew>();
  auto* new_command =
      plugin.add_subcommand("new", "Make a folder with a plugin in C++ to start from");
  new_command->add_option("name", fresh->name, "Of the plugin: [a-z][a-z0-9_-]*")
      ->type_name("NAME")
      ->required();
  new_command->add_option("--dir", fresh->directory, "The folder (default: ./NAME)")
      ->type_name("D");
  new_command->callback([fresh, &code] { code = plugin_new(*fresh); });
}

}  // namespace tallyman::cli
