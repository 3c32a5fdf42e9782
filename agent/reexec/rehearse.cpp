// The side of the program that rehearses.

#include <unistd.h>

#include <cerrno>

#include "agent/reexec/rehearsal.hpp"
#include "agent/spool/spool_inspect.hpp"

namespace tallyman::agent {
namespace {

Status stays(const std::string& before, const std::string& now, const char* key,
             const AgentConfig& config) {
  if (before == now) return {};
  return Error{std::string("`") + key + "` was " + before + " and is " + now + " now", config.file,
               "that takes a restart"};
}

}  // namespace

Status rehearse(const AgentConfig& config, int descriptor) {
  Result<AgentState> state = load_state(descriptor);
  if (!state) return state.error();
  for (const Status& same :
       {stays(state->agent, config.agent, "agent", config),
        stays(state->socket, config.socket, "socket", config),
        stays(state->spool_directory, config.spool.directory, "state_directory", config)}) {
    if (!same.ok()) return same;
  }
  if (access(config.plugin_host.c_str(), X_OK) != 0) {
    return errno_error("cannot execute the plugin host", config.plugin_host, errno);
  }
  Result<SpoolFolder> spool = look_at_spool(real_files(), config.spool.directory);
  if (!spool) return spool.error();
  if (spool->incarnation != state->incarnation) {
    return Error{"the spool is another one than the agent's", config.spool.directory,
                 "that takes a restart"};
  }
  return {};
}

Status say_ready(int descriptor) {
  const std::string line = "ready " + std::to_string(kStateVersion) + " " TALLYMAN_VERSION "\n";
  const ssize_t n = write(descriptor, line.data(), line.size());
  if (n == static_cast<ssize_t>(line.size())) return {};
  return errno_error("cannot say that it is ready", "rehearsal", n < 0 ? errno : EIO);
}

}  // namespace tallyman::agent
