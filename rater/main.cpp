// tallyman-rater: the daemon in the foreground, and the command line that asks a running one.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>
#include <tuple>

#include "app/exit.hpp"
#include "app/key.hpp"
#include "rater/bus/amqp_link.hpp"
#include "rater/cli/client.hpp"
#include "rater/cli/decide.hpp"
#include "rater/cli/import.hpp"
#include "rater/cli/statement.hpp"
#include "rater/cli/verify.hpp"
#include "rater/cli/view_commands.hpp"
#include "rater/config.hpp"
#include "rater/daemon.hpp"
#include "rater/rating/catalogue.hpp"

namespace {

using namespace tallyman;

constexpr const char* kProgram = "tallyman-rater";
constexpr const char* kConfig = "/etc/tallyman/rater.toml";

struct Arguments {
  std::string config = kConfig;
  bool config_given = false;
  bool check = false;
  std::string socket;
  bool json = false, follow = false;
  std::string customer, period, file, agent, ledger;
  std::string whom, as, key;      // of `agent …`
  std::string why;                // of `agent …` and `import`
  std::string format = "text";    // of `statement`
  std::string kind = "readings";  // of `import`
  bool pending = false, force = false;
  rater::cli::DecisionWords decisions;
};

/// For whom the configuration is read.
enum class Reader {
  client,  ///< wants the socket; may not be allowed to read the key
  daemon,
  check,  ///< wants every mistake at once, the catalogue's too
};

int load(const Arguments& arguments, Reader reader, rater::RaterConfig& config) {
  app::ConfigErrors errors;
  config = rater::load_config(arguments.config, errors);
  if (reader != Reader::client) rater::load_secrets(config, errors);
  const std::string& catalogue = config.billing.catalogue_path;
  if (reader == Reader::check && !catalogue.empty()) {
    const auto read = rater::load_catalogue(catalogue, config.billing.slot, errors);
    for (const std::string& warning : read.warnings) {
      std::fprintf(stderr, "%s\n", warning.c_str());
    }
  }
  if (errors.empty()) return app::kDone;
  std::fputs(errors.text().c_str(), stderr);
  return app::kUsage;
}

/// What cannot be published to now is found before it matters: a line for each node.
int check_bus(const rater::BillingOptions& options) {
  if (options.bus_type != "amqp") return app::kDone;
  const std::vector<Error> wrong = rater::check_amqp(options.amqp);
  for (const Error& error : wrong) app::complain(kProgram, error);
  return wrong.empty() ? app::kDone : app::kUsage;
}

int run_rater(const Arguments& arguments) {
  rater::RaterConfig config;
  const Reader reader = arguments.check ? Reader::check : Reader::daemon;
  if (const int wrong = load(arguments, reader, config); wrong != app::kDone) return wrong;
  if (!arguments.socket.empty()) config.socket = arguments.socket;
  if (!arguments.check) return rater::run_daemon(config);
  if (const int wrong = check_bus(config.billing); wrong != app::kDone) return wrong;
  std::printf("%s: fine\n", arguments.config.c_str());
  return app::kDone;
}

/// Where the daemon listens: --socket, else what --config says, else the default.
int target_of(const Arguments& arguments, rater::cli::Target& target) {
  rater::RaterConfig config;
  if (arguments.socket.empty() && arguments.config_given) {
    if (const int wrong = load(arguments, Reader::client, config); wrong != app::kDone)
      return wrong;
  }
  target.socket = arguments.socket.empty() ? config.socket : arguments.socket;
  target.json = arguments.json;
  return app::kDone;
}

/// The file named, else what the configuration names, else rater.key beside it.
std::string key_file_of(const Arguments& arguments) {
  if (!arguments.file.empty()) return arguments.file;
  app::ConfigErrors ignored;
  const std::string named = rater::load_config(arguments.config, ignored).key_file;
  if (!named.empty()) return named;
  return (std::filesystem::path(arguments.config).parent_path() / "rater.key").string();
}

int run_key(const Arguments& arguments, const CLI::App& app) {
  const std::string file = key_file_of(arguments);
  if (!app.get_subcommand("key")->got_subcommand("new")) return app::key_show(kProgram, file);
  return app::key_new(
      kProgram, file, arguments.force,
      "Next: name it as `key` in rater.toml, give the key above to every agent as `rater_key` "
      "under\n"
      "[rater] in its agent.toml, and start the rater; then see `tallyman-rater agent ls "
      "--pending`.\n");
}

int run_agent(const rater::cli::Target& target, const Arguments& arguments, const CLI::App& agent) {
  const auto& [whom, as, key, why] =
      std::tie(arguments.whom, arguments.as, arguments.key, arguments.why);
  if (agent.got_subcommand("approve")) {
    return rater::cli::ask(target, "agent approve", {{"whom", whom}, {"as", as}, {"why", why}});
  }
  if (agent.got_subcommand("revoke")) {
    return rater::cli::ask(target, "agent revoke", {{"whom", whom}, {"why", why}});
  }
  if (agent.got_subcommand("replace")) {
    return rater::cli::ask(target, "agent replace", {{"agent", whom}, {"key", key}, {"why", why}});
  }
  for (const char* verb : {"move", "retire"}) {
    if (!agent.got_subcommand(verb)) continue;
    return rater::cli::ask(target, std::string("agent ") + verb, {{"agent", whom}, {"why", why}});
  }
  return rater::cli::ask(target, arguments.pending ? "agent ls pending" : "agent ls", {});
}

int run_outbox(const rater::cli::Target& target, const Arguments& arguments,
               const CLI::App& outbox) {
  if (outbox.got_subcommand("retry")) return rater::cli::ask(target, "outbox retry", {});
  for (const char* verb : {"skip", "resend"}) {
    if (!outbox.got_subcommand(verb)) continue;
    return rater::cli::ask(target, std::string("outbox ") + verb,
                           {{"id", arguments.whom}, {"why", arguments.why}});
  }
  return rater::cli::ask(target, "outbox", {});
}

int run_client(const Arguments& arguments, const CLI::App& app) {
  rater::cli::Target target;
  if (const int wrong = target_of(arguments, target); wrong != app::kDone) return wrong;
  if (app.got_subcommand("status")) return rater::cli::status(target, arguments.follow);
  if (app.got_subcommand("statement")) {
    return rater::cli::statement(target, arguments.customer, arguments.period, arguments.format);
  }
  if (app.got_subcommand("usage") && !arguments.customer.empty()) {
    return rater::cli::usage_of_customer(target, arguments.customer, arguments.period);
  }
  if (app.got_subcommand("usage")) {
    return rater::cli::ask(target, "usage",
                           {{"customer", arguments.customer}, {"period", arguments.period}});
  }
  if (app.got_subcommand("outbox")) {
    return run_outbox(target, arguments, *app.get_subcommand("outbox"));
  }
  if (app.got_subcommand("agent")) {
    return run_agent(target, arguments, *app.get_subcommand("agent"));
  }
  if (app.got_subcommand("import")) {
    std::error_code none;
    // The file itself: the daemon follows no link.
    const std::string file = std::filesystem::canonical(arguments.file, none).string();
    return rater::cli::import_file(target, file, arguments.agent, arguments.kind, arguments.why);
  }
  if (const auto decided = arguments.decisions.run(target, app)) return *decided;
  if (app.got_subcommand("records")) {
    return rater::cli::ask(target, "records", {{"period", arguments.period}});
  }
  return rater::cli::ask(target, "periods", {});
}

/// What the configuration names.
int ledger_of(const Arguments& arguments, std::string& ledger) {
  rater::RaterConfig config;
  const int wrong = load(arguments, Reader::client, config);
  ledger = config.ledger;
  return wrong;
}

/// Asks no daemon: the ledger's file is read as it stands.
int run_verify(const Arguments& arguments) {
  std::string ledger = arguments.ledger;
  if (ledger.empty()) {
    if (const int wrong = ledger_of(arguments, ledger); wrong != app::kDone) return wrong;
  }
  return rater::cli::verify(ledger, arguments.json);
}

/// The same; false when none of these commands was given.
bool run_view(const Arguments& arguments, const rater::cli::ViewArguments& views,
              const CLI::App& app, int& exit) {
  const auto find = [&](const rater::cli::ViewArguments& given, std::string& ledger) {
    Arguments with = arguments;
    if (!given.config.empty()) with.config = given.config;
    return ledger_of(with, ledger);
  };
  return rater::cli::run_view(app, views, find, exit);
}

CLI::App* client(CLI::App& app, Arguments& arguments, const char* name, const char* does) {
  CLI::App* command = app.add_subcommand(name, does);
  command->add_flag("--json", arguments.json, "the answer as JSON");
  command->add_option("--socket", arguments.socket, "the rater's Unix socket");
  command->add_option("--config", arguments.config, "rater.toml, for its `socket`");
  return command;
}

void declare_key(CLI::App& app, Arguments& arguments) {
  CLI::App* key = app.add_subcommand("key", "the rater's CURVE key");
  key->add_option("--config", arguments.config, "rater.toml, for its `key`");
  key->require_subcommand(1);
  CLI::App* make = key->add_subcommand("new", "make a key pair, and print its public half");
  make->add_option("--out", arguments.file, "where; else as rater.toml says");
  make->add_flag("--force", arguments.force, "replace the pair that is there");
  make->fallthrough();
  CLI::App* show = key->add_subcommand("show", "print the public key");
  show->add_option("file", arguments.file, "the key file; else as rater.toml says");
  show->fallthrough();
}

void declare_agent(CLI::App& app, Arguments& arguments) {
  CLI::App* agent = client(app, arguments, "agent", "which agents may send, and under which key");
  agent->require_subcommand(1);
  const auto add = [&](const char* name, const char* does, const char* whom, const char* what) {
    CLI::App* verb = agent->add_subcommand(name, does);
    verb->fallthrough();
    if (whom == nullptr) return verb;
    verb->add_option(whom, arguments.whom, what)->required();
    rater::cli::want_why(*verb, arguments.why);
    return verb;
  };
  add("ls", "keys, whose they are, and what was decided", nullptr, nullptr)
      ->add_flag("--pending", arguments.pending, "only those that wait for a decision");
  add("approve", "let a key send", "whom", "a key, or the agent id that it gives")
      ->add_option("--as", arguments.as, "with a key: the agent id it is for");
  add("revoke", "let a key send no more", "whom", "a key, or the id of its agent");
  add("replace",
      "take the next hello of a host that was rebuilt, restored or copied; end the others", "agent",
      "the agent id")
      ->add_option("key", arguments.key, "its new key; the old one is revoked");
  add("move", "let an agent come over from another ledger", "agent", "the agent id");
  add("retire", "it is gone for good: no close waits for it, and its key is revoked", "agent",
      "the agent id");
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
  CLI::App* statement =
      client(app, arguments, "statement", "a customer's statement of a period, to be sent");
  statement->add_option("customer", arguments.customer, "whose")->required();
  statement->add_option("period", arguments.period, "which period; else the running one");
  statement->add_option("--format", arguments.format, "text, html or json")
      ->check(CLI::IsMember({"text", "html", "json"}))
      ->capture_default_str();
  arguments.decisions.declare(app, [&](CLI::App& under, const char* name, const char* does) {
    return client(under, arguments, name, does);
  });
  client(app, arguments, "records", "the usage records of a period")
      ->add_option("period", arguments.period, "which period")
      ->required();
  CLI::App* import =
      client(app, arguments, "import", "readings from a file of JSON lines, or slots from CSV");
  import->add_option("file", arguments.file, "the file, which the rater reads")
      ->required()
      ->check(CLI::ExistingFile);
  import->add_option("--agent", arguments.agent, "in place of the agents that the lines name");
  import
      ->add_option("--kind", arguments.kind,
                   "readings, or slots: source,metric,slot,seconds,bytes[,coverage,labels,info]")
      ->check(CLI::IsMember({"readings", "slots"}))
      ->capture_default_str();
  rater::cli::want_why(*import, arguments.why);
  client(app, arguments, "periods", "all periods and their states");
  declare_agent(app, arguments);
  declare_key(app, arguments);
  CLI::App* outbox = client(app, arguments, "outbox", "what waits to be published");
  outbox->add_subcommand("ls", "list it, with what the bus says of each")->fallthrough();
  outbox->add_subcommand("retry", "try at once what is to be tried later")->fallthrough();
  CLI::App* skip = outbox->add_subcommand("skip", "leave a message out for good");
  skip->fallthrough();
  skip->add_option("id", arguments.whom, "its id; the first digits will do")->required();
  rater::cli::want_why(*skip, arguments.why);
  CLI::App* resend =
      outbox->add_subcommand("resend", "send once more what was lost behind the bus");
  resend->fallthrough();
  resend->add_option("what", arguments.whom, "a period, or an id; its first digits will do")
      ->required();
  rater::cli::want_why(*resend, arguments.why);
  outbox->require_subcommand(1);
  CLI::App* verify = app.add_subcommand(
      "verify", "check the ledger and its chain; exit 1 and name what is damaged");
  verify->add_option("--ledger", arguments.ledger, "the ledger's file, in use or a copy");
  verify->add_option("--config", arguments.config, "rater.toml, for its `ledger`");
  verify->add_flag("--json", arguments.json, "one JSON document");
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Tallyman's rater: takes readings from agents, and makes usage records of them.",
               "tallyman-rater");
  rater::cli::ViewArguments views;
  declare(app, arguments);
  rater::cli::declare_views(app, views);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? app::kDone : app::kUsage;
  }
  arguments.config_given = arguments.config != kConfig;
  if (app.got_subcommand("key")) return run_key(arguments, app);
  if (app.got_subcommand("verify")) return run_verify(arguments);
  if (int exit = app::kDone; run_view(arguments, views, app, exit)) return exit;
  return app.get_subcommands().empty() ? run_rater(arguments) : run_client(arguments, app);
}
