// tallyman-rater: the daemon in the foreground, and the command line that asks a running one.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "app/exit.hpp"
#include "rater/cli/client.hpp"
#include "rater/config.hpp"
#include "rater/daemon.hpp"
#include "rater/rating/catalogue.hpp"

namespace {

using namespace tallyman;

constexpr const char* kConfig = "/etc/tallyman/rater.toml";

struct Arguments {
  std::string config = kConfig;
  bool config_given = false;
  bool check = false;
  std::string socket;
  bool json = false, follow = false;
  std::string customer, period, file, agent;
};

/// Reads rater.toml; with `all`, the catalogue too, so that every mistake is told at once.
int load(const Arguments& arguments, bool all, rater::RaterConfig& config) {
  app::ConfigErrors errors;
  config = rater::load_config(arguments.config, errors);
  const std::string& catalogue = config.billing.catalogue_path;
  if (all && !catalogue.empty()) {
    static_cast<void>(rater::load_catalogue(catalogue, config.billing.slot, errors));
  }
  if (errors.empty()) return app::kDone;
  std::fputs(errors.text().c_str(), stderr);
  return app::kUsage;
}

int run_rater(const Arguments& arguments) {
  rater::RaterConfig config;
  if (const int wrong = load(arguments, arguments.check, config); wrong != app::kDone) return wrong;
  if (!arguments.socket.empty()) config.socket = arguments.socket;
  if (!arguments.check) return rater::run_daemon(config);
  std::printf("%s: fine\n", arguments.config.c_str());
  return app::kDone;
}

/// Where the daemon listens: --socket, else what --config says, else the default.
int target_of(const Arguments& arguments, rater::cli::Target& target) {
  rater::RaterConfig config;
  if (arguments.socket.empty() && arguments.config_given) {
    if (const int wrong = load(arguments, false, config); wrong != app::kDone) return wrong;
  }
  target.socket = arguments.socket.empty() ? config.socket : arguments.socket;
  target.json = arguments.json;
  return app::kDone;
}

int run_client(const Arguments& arguments, const CLI::App& app) {
  rater::cli::Target target;
  if (const int wrong = target_of(arguments, target); wrong != app::kDone) return wrong;
  if (app.got_subcommand("status")) return rater::cli::status(target, arguments.follow);
  if (app.got_subcommand("usage")) {
    return rater::cli::ask(target, "usage",
                           {{"customer", arguments.customer}, {"period", arguments.period}});
  }
  if (app.got_subcommand("outbox")) return rater::cli::ask(target, "outbox", {});
  if (app.got_subcommand("import")) {
    std::error_code none;
    // The file itself: the daemon follows no link.
    const std::string file = std::filesystem::canonical(arguments.file, none).string();
    return rater::cli::ask(target, "import", {{"file", file}, {"agent", arguments.agent}});
  }
  for (const char* command : {"close", "release", "review", "records"}) {
    if (app.got_subcommand(command)) {
      return rater::cli::ask(target, command, {{"period", arguments.period}});
    }
  }
  return rater::cli::ask(target, "periods", {});
}

CLI::App* client(CLI::App& app, Arguments& arguments, const char* name, const char* does) {
  CLI::App* command = app.add_subcommand(name, does);
  command->add_flag("--json", arguments.json, "the answer as JSON");
  command->add_option("--socket", arguments.socket, "the rater's Unix socket");
  command->add_option("--config", arguments.config, "rater.toml, for its `socket`");
  return command;
}

void declare(CLI::App& app, Arguments& arguments) {
  app.set_version_flag("--version", std::string("tallyman-rater ") + TALLYMAN_VERSION);
  app.add_option("--config", arguments.config, "rater.toml")->capture_default_str();
  app.add_option("--socket", arguments.socket, "the rater's Unix socket");
  app.add_flag("--check", arguments.check, "check configuration and catalogue, and end");
  app.require_subcommand(0, 1);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("tallyman-rater: ") + error.what() + "; see tallyman-rater --help\n";
  });
  client(app, arguments, "status", "the rater's health")
      ->add_flag("-f,--follow", arguments.follow, "follow: a live screen, or a line an event");
  CLI::App* usage = client(app, arguments, "usage", "running figures");
  usage->add_option("customer", arguments.customer, "one customer; else all");
  usage->add_option("--period", arguments.period, "another period than the running one");
  const auto with_period = [&](const char* name, const char* does) {
    client(app, arguments, name, does)->add_option("period", arguments.period, "which period");
  };
  with_period("close", "a period that has ended becomes drafts");
  with_period("review", "the drafts of a period, to look at");
  with_period("release", "the drafts of a period become immutable and go out");
  client(app, arguments, "records", "the usage records of a period")
      ->add_option("period", arguments.period, "which period")
      ->required();
  CLI::App* import = client(app, arguments, "import", "readings from a file of JSON lines");
  import->add_option("file", arguments.file, "the file, which the rater reads")
      ->required()
      ->check(CLI::ExistingFile);
  import->add_option("--agent", arguments.agent, "in place of the agents that the lines name");
  client(app, arguments, "periods", "all periods and their states");
  CLI::App* outbox = client(app, arguments, "outbox", "what waits to be published");
  outbox->add_subcommand("ls", "list it")->fallthrough();
  outbox->require_subcommand(1);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Tallyman's rater: takes readings from agents, and makes usage records of them.",
               "tallyman-rater");
  declare(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? app::kDone : app::kUsage;
  }
  arguments.config_given = arguments.config != kConfig;
  return app.get_subcommands().empty() ? run_rater(arguments) : run_client(arguments, app);
}
