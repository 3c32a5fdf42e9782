// `tallyman-agent`: the daemon on a storage host, in the foreground.

#include <malloc.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include "agent/agent.hpp"
#include "agent/config.hpp"
#include "agent/reexec/handover.hpp"
#include "agent/reexec/rehearsal.hpp"
#include "agent/reexec/state.hpp"
#include "app/exit.hpp"
#include "app/log.hpp"
#include "app/loop.hpp"
#include "app/notify.hpp"
#include "base/clock.hpp"
#include "base/footprint.hpp"

namespace tallyman::agent {
namespace {

// After the start of its plugins, and before it has been idle for long.
constexpr Ns kUnderWay = 5 * kSecond;

/// What the program before this one handed over; nothing for a start from nothing.
std::optional<AgentState> former_state(int descriptor) {
  if (descriptor < 0) return std::nullopt;
  Result<AgentState> state = load_state(descriptor);
  Fd(descriptor).reset();
  if (state) return std::move(*state);
  const std::size_t ended = end_former_hosts();
  log::error("{}: the agent starts anew, and {} plugin processes with it", state.error().text(),
             ended);
  return std::nullopt;
}

int run(const AgentConfig& config, const ConfigDefaults& defaults, int handed_over) {
  // Its few threads allocate little: an arena for each costs more than waiting for one another.
  mallopt(M_ARENA_MAX, 1);
  log::start(config.log_level);
  std::optional<AgentState> former = former_state(handed_over);
  RealClock clock;
  app::EventLoop loop(clock);
  app::Notifier manager(loop, app::NotifySettings::of_environment());
  std::unique_ptr<Agent> agent;
  // Before any thread is started, so that signals are the loop's alone.
  auto end = [&] {
    if (agent) agent->shut_down();
  };
  loop.on_signal(SIGTERM, end);
  loop.on_signal(SIGINT, end);
  loop.on_signal(SIGHUP, [&] {
    if (agent) agent->reload();
  });
  loop.on_signal(SIGUSR2, [&] {
    if (agent) agent->replace();
  });
  std::signal(SIGPIPE, SIG_IGN);
  auto started = Agent::start(loop, config, defaults, std::move(former));
  if (!started) {
    app::complain("tallyman-agent", started.error());
    return app::kFound;
  }
  agent = std::move(*started);
  agent->report_to(manager);
  loop.after(kUnderWay, [] { give_back_what_the_start_took(); });
  loop.run();
  return app::kDone;
}

int try_out(const AgentConfig& config) {
  Status status = rehearse(config, kRehearsalState);
  if (status.ok()) status = say_ready(kRehearsalReady);
  if (status.ok()) return app::kDone;
  app::complain("tallyman-agent", status.error());
  return app::kFound;
}

int main_of(int argc, char** argv) {
  std::string file = "/etc/tallyman/agent.toml";
  bool check = false;
  bool rehearsal = false;
  int handed_over = -1;
  ConfigDefaults defaults = ConfigDefaults::of_this_process();
  CLI::App cli{"Supervises collector plugins, keeps their readings, sends them to the rater."};
  cli.set_version_flag("--version", "tallyman-agent " TALLYMAN_VERSION);
  cli.add_option("--config", file, "The configuration")->type_name("FILE")->capture_default_str();
  cli.add_option("--socket", defaults.socket, "The control socket, instead of the configured one")
      ->type_name("PATH");
  cli.add_flag("--check", check, "Check the configuration and everything it names, and exit");
  // Between one program of this process and the next: not for people.
  cli.add_flag("--rehearse", rehearsal)->group("");
  cli.add_option("--resume", handed_over)->group("");
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error) == 0 ? app::kDone : app::kUsage;
  }
  app::ConfigErrors errors;
  AgentConfig config = load_config(file, defaults, errors);
  load_key(config, errors);
  if (check) check_files(config, errors);
  if (!errors.empty()) {
    std::fputs(errors.text().c_str(), stderr);
    return app::kUsage;
  }
  if (check) return app::kDone;
  if (rehearsal) return try_out(config);
  return run(config, defaults, handed_over);
}

}  // namespace
}  // namespace tallyman::agent

int main(int argc, char** argv) { return tallyman::agent::main_of(argc, argv); }
