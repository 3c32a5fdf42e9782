// `tallyman`: the agent's command line. Everything but `config check`, `key`, `spool` and
// `plugin check` and `new` asks the running agent over its Unix socket.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <deque>
#include <string>
#include <variant>

#include "agent/cli/plugin_author.hpp"
#include "agent/cli/plugin_view.hpp"
#include "agent/cli/spool_command.hpp"
#include "agent/cli/status_view.hpp"
#include "agent/config.hpp"
#include "agent/control/requests.hpp"
#include "app/control.hpp"
#include "app/exit.hpp"
#include "app/key.hpp"
#include "app/table.hpp"
#include "base/time_text.hpp"
#include "wire/reading_json.hpp"

namespace tallyman::cli {
namespace {

struct Options {
  std::string config;
  std::string socket;
  bool follow = false;
  bool json = false;
  bool check = false;
  bool force = false;
  std::string plugin;
  std::string why;
  std::string file;
  SpoolCommand spool;
};

constexpr const char* kDefaultConfig = "/etc/tallyman/agent.toml";

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::string config_of(const Options& options) {
  return options.config.empty() ? kDefaultConfig : options.config;
}

/// --socket, else what --config says, else what the default configuration says if it is there, else
/// the default path. A configuration with errors elsewhere still names its socket.
std::string socket_of(const Options& options) {
  if (!options.socket.empty()) return options.socket;
  app::ConfigErrors ignored;
  const std::string file = config_of(options);
  return agent::load_config(file, agent::ConfigDefaults::of_this_process(), ignored).socket;
}

int call(const Options& options, const std::string& request,
         const std::function<bool(std::string_view)>& on_line) {
  const Status status = app::control_call(socket_of(options), request, on_line);
  if (status.ok()) return app::kDone;
  app::complain("tallyman", status.error());
  return app::kFound;
}

int check_health(const Options& options) {
  Health health;
  const Status status =
      app::control_call(socket_of(options), R"({"command":"status"})", [&](std::string_view line) {
        health = health_of(line);
        return false;
      });
  if (!status.ok()) health.line = "CRITICAL: " + status.error().text();
  print(health.line + "\n");
  return health.well ? app::kDone : app::kFound;
}

/// A live screen: the newest snapshot with the latest events below it.
int follow_on_terminal(const Options& options) {
  const bool colour = app::stdout_has_colour();
  std::string snapshot;
  std::deque<std::string> events;
  return call(options, R"({"command":"status","follow":true})", [&](std::string_view line) {
    if (line.rfind("{\"event\"", 0) == 0) {
      events.push_back(event_line(line, colour));
      if (events.size() > 12) events.pop_front();
    } else {
      snapshot = status_text(line, colour);
    }
    std::string screen = "\x1b[H\x1b[2J" + snapshot + "\n";
    for (const std::string& event : events) screen += event + "\n";
    print(screen + app::paint("Ctrl-C ends", app::Colour::faint, colour) + "\n");
    return true;
  });
}

int follow_on_pipe(const Options& options) {
  bool first = true;
  return call(options, R"({"command":"status","follow":true})", [&](std::string_view line) {
    if (options.json) {
      print(std::string(line) + "\n");
    } else if (line.rfind("{\"event\"", 0) == 0) {
      print(event_line(line, false) + "\n");
    } else if (std::exchange(first, false)) {
      print(status_lines(line));
    }
    return true;
  });
}

int status(const Options& options) {
  if (options.check) return check_health(options);
  if (options.follow) {
    return app::stdout_is_terminal() && !options.json ? follow_on_terminal(options)
                                                      : follow_on_pipe(options);
  }
  return call(options, R"({"command":"status"})", [&](std::string_view line) {
    print(options.json ? std::string(line) + "\n" : status_text(line, app::stdout_has_colour()));
    return true;
  });
}

/// Plain texts only go into the request: a name has no character that JSON would escape.
std::string readings_request(const Options& options) {
  std::string out = R"({"command":"readings")";
  if (options.follow) out += R"(,"follow":true)";
  if (!options.plugin.empty()) out += R"(,"plugin":")" + options.plugin + "\"";
  return out + "}";
}

int readings(const Options& options) {
  if (!options.plugin.empty() && !agent::is_name(options.plugin)) {
    app::complain("tallyman", {"not a plugin instance's name", options.plugin,
                               "`tallyman plugin list` shows them"});
    return app::kUsage;
  }
  app::Table table({"TIME", "PLUGIN", ">VALUE", "UNIT", "SERIES"});
  const int code = call(options, readings_request(options), [&](std::string_view line) {
    if (options.json) return print(std::string(line) + "\n"), true;
    const auto parsed = wire::parse_reading_line(line);
    if (!parsed.ok()) return true;
    if (const auto* gap = std::get_if<wire::GapLine>(&*parsed)) {
      print(to_rfc3339_short(gap->to) + " " + gap->instance + " gap: " + gap->gap + "\n");
      return true;
    }
    const auto& reading = std::get<wire::ReadingLine>(*parsed);
    const std::string value = std::to_string(reading.value);
    const std::string time = to_rfc3339_short(reading.time);
    if (options.follow) {
      print(time + " " + reading.instance + " " + series_text(reading) + " " + value + " " +
            reading.unit + "\n");
    } else {
      table.row({{time}, {reading.instance}, {value}, {reading.unit}, {series_text(reading)}});
    }
    return true;
  });
  if (code == app::kDone && !options.json && !options.follow) {
    print(table.empty() ? "no readings yet\n" : table.text(app::stdout_has_colour()));
  }
  return code;
}

int list_plugins(const Options& options) {
  return call(options, R"({"command":"plugin list"})", [&](std::string_view line) {
    print(options.json ? std::string(line) + "\n" : plugin_table(line, app::stdout_has_colour()));
    return true;
  });
}

int steer(const Options& options, agent::Request::Command command, const char* outcome) {
  agent::Request request;
  request.command = command;
  request.plugin = options.plugin;
  request.why = options.why;
  const int code =
      call(options, agent::request_line(request), [](std::string_view) { return true; });
  if (code == app::kDone) print(options.plugin + " " + outcome + "\n");
  return code;
}

void declare_plugin(CLI::App& cli, Options& options, int& code) {
  using Command = agent::Request::Command;
  auto* plugin = cli.add_subcommand("plugin", "See, try and steer plugins");
  plugin->require_subcommand(1);
  plugin->fallthrough();
  auto* list = plugin->add_subcommand("list", "Instances, and what else is installed");
  list->add_flag("--json", options.json, "One JSON document");
  list->callback([&] { code = list_plugins(options); });
  const auto add = [&](const char* name, const char* does, Command command, const char* outcome) {
    auto* sub = plugin->add_subcommand(name, does);
    sub->add_option("plugin", options.plugin, "The instance, as `plugin list` names it")
        ->type_name("P")
        ->required();
    sub->callback([&options, &code, command, outcome] { code = steer(options, command, outcome); });
    return sub;
  };
  add("disable",
      "Stop it, across restarts of the agent too; its polls become gaps that say who and why",
      Command::plugin_disable, "is disabled")
      ->add_option("--why", options.why, "The reason, for status and for the ledger")
      ->type_name("TEXT")
      ->required();
  add("enable", "Run it again", Command::plugin_enable, "is enabled");
  add("restart",
      "End its process and start it again, between two polls where it can be done; or try a "
      "version "
      "again that was refused",
      Command::plugin_restart, "is being restarted");
  add("reset",
      "Forget its failures, and try at once one that is in back-off, failed or quarantined",
      Command::plugin_reset, "is reset");
  add("rollback",
      "Let the version before take over again, until the plugin's file changes; once more to go "
      "forward",
      Command::plugin_rollback, "is being rolled back: `tallyman status` tells how it goes")
      ->add_option("--why", options.why, "The reason, for status")
      ->type_name("TEXT");
  declare_plugin_author(
      *plugin, [&] { return config_of(options); }, code);
}

int reexec(const Options& options) {
  agent::Request request;
  request.command = agent::Request::Command::reexec;
  return call(options, agent::request_line(request), [&](std::string_view line) {
    print(options.json ? std::string(line) + "\n" : reexec_text(line));
    return true;
  });
}

int check_config(const Options& options) {
  std::string file = options.file.empty() ? options.config : options.file;
  if (file.empty()) file = kDefaultConfig;
  app::ConfigErrors errors;
  auto config = agent::load_config(file, agent::ConfigDefaults::of_this_process(), errors);
  agent::load_key(config, errors);
  agent::check_files(config, errors);
  if (!errors.empty()) {
    std::fputs(errors.text().c_str(), stderr);
    return app::kUsage;
  }
  print(file + ": good, " + std::to_string(config.instances.size()) + " plugin instances\n");
  return app::kDone;
}

/// --out or the file named, else what the configuration names.
std::string key_file_of(const Options& options) {
  if (!options.file.empty()) return options.file;
  app::ConfigErrors ignored;
  const std::string file = config_of(options);
  return agent::load_config(file, agent::ConfigDefaults::of_this_process(), ignored).key_file;
}

int new_key(const Options& options) {
  return app::key_new(
      "tallyman", key_file_of(options), options.force,
      "Next: in agent.toml under [rater] name it as `key`, and as `rater_key` what\n"
      "`tallyman-rater key show` says on the rater's host; start the agent; on the rater's host\n"
      "compare the key above with `tallyman-rater agent ls --pending`, and `agent approve` it.\n");
}

void declare_key(CLI::App& cli, Options& options, int& code) {
  auto* key = cli.add_subcommand("key", "This host's CURVE key");
  key->require_subcommand(1);
  key->fallthrough();
  auto* make = key->add_subcommand("new", "Make a key pair, and print its public half");
  make->add_option("--out", options.file, "Where (default: as the configuration says)")
      ->type_name("FILE");
  make->add_flag("--force", options.force, "Replace the pair that is there");
  make->callback([&] { code = new_key(options); });
  auto* show = key->add_subcommand("show", "Print the public key");
  show->add_option("file", options.file, "The key file")->type_name("FILE");
  show->callback([&] { code = app::key_show("tallyman", key_file_of(options)); });
}

/// The folder that was named, else the configured one.
int spool(const Options& options, int (*command)(const SpoolCommand&)) {
  SpoolCommand spool = options.spool;
  spool.json = options.json;
  if (spool.directory.empty()) {
    app::ConfigErrors errors;
    const std::string file = config_of(options);
    spool.directory =
        agent::load_config(file, agent::ConfigDefaults::of_this_process(), errors).spool.directory;
    if (!errors.empty()) {
      std::fputs(errors.text().c_str(), stderr);
      return app::kUsage;
    }
  }
  while (spool.directory.size() > 1 && spool.directory.back() == '/') spool.directory.pop_back();
  return command(spool);
}

void declare_spool(CLI::App& cli, Options& options, int& code) {
  auto* group = cli.add_subcommand("spool", "Look into a spool, of a running agent or a copy");
  group->require_subcommand(1);
  group->fallthrough();
  const auto add = [&](const char* name, const char* does, int (*command)(const SpoolCommand&)) {
    auto* sub = group->add_subcommand(name, does);
    sub->callback([&options, &code, command] { code = spool(options, command); });
    return sub;
  };
  const auto where = [&](CLI::App* sub) {
    return sub
        ->add_option("dir", options.spool.directory,
                     "The spool's folder (default: as the configuration says)")
        ->type_name("DIR");
  };
  auto* list = add("ls", "Segments, what is acknowledged, what is in quarantine", spool_ls);
  where(list);
  list->add_flag("--json", options.json, "One JSON document");
  auto* verify =
      add("verify", "Check everything; exit 1 and name the range of what is damaged", spool_verify);
  where(verify);
  verify->add_flag("--json", options.json, "One JSON document");
  auto* dump =
      add("dump", "Readings and gaps as JSON lines, for `tallyman-rater import`", spool_dump);
  where(dump);
  dump->add_option("--from", options.spool.range.from, "First batch")->type_name("N");
  dump->add_option("--to", options.spool.range.to, "Last batch")->type_name("N");
  dump->add_flag("--raw", options.spool.raw, "Batches and their structure in place of readings");
  auto* repair = add("repair",
                     "Set damage aside and put stand-ins in its place, as the agent does when it "
                     "starts; the agent must not be running",
                     spool_repair);
  where(repair)->required();
  repair->add_flag("--dry-run", options.spool.dry_run,
                   "Say what would be done, and change nothing");
}

}  // namespace

int run(int argc, char** argv) {
  Options options;
  int code = app::kDone;
  CLI::App cli{"See and steer the Tallyman agent of this host."};
  cli.set_version_flag("--version", "tallyman " TALLYMAN_VERSION);
  cli.require_subcommand(1);
  cli.fallthrough();
  cli.add_option("--config", options.config, "The agent's configuration")->type_name("FILE");
  cli.add_option("--socket", options.socket,
                 "The agent's socket (default: as the configuration says)")
      ->type_name("PATH");

  auto* show = cli.add_subcommand("status", "Plugins, spool and link");
  show->add_flag("-f,--follow", options.follow,
                 "Follow: a live screen, or a line per event on a pipe");
  show->add_flag("--json", options.json, "One JSON document; with -f, JSON lines");
  show->add_flag("--check", options.check, "One line, exit 0 when all is well and 1 when not");
  show->callback([&] { code = status(options); });

  auto* values = cli.add_subcommand("readings", "The latest readings");
  values->add_flag("-f,--follow", options.follow, "Each as it comes");
  values->add_flag("--json", options.json, "JSON lines");
  values->add_option("--plugin", options.plugin, "Of this plugin instance only")->type_name("P");
  values->callback([&] { code = readings(options); });

  declare_plugin(cli, options, code);
  declare_spool(cli, options, code);

  auto* replace = cli.add_subcommand(
      "reexec",
      "Replace the running agent by the program that is installed now: tried first, without a "
      "missed poll, with the same plugin processes");
  replace->add_flag("--json", options.json, "One JSON document");
  replace->callback([&] { code = reexec(options); });

  auto* config = cli.add_subcommand("config", "See to the configuration");
  config->require_subcommand(1);
  config->fallthrough();
  auto* check = config->add_subcommand("check", "Every error at once, as file:line:column");
  check->add_option("file", options.file, "The agent's configuration")->type_name("FILE");
  check->callback([&] { code = check_config(options); });

  declare_key(cli, options, code);

  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error) == 0 ? app::kDone : app::kUsage;
  }
  return code;
}

}  // namespace tallyman::cli

int main(int argc, char** argv) { return tallyman::cli::run(argc, argv); }
