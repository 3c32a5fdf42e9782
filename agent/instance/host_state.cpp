// A plugin host that outlives the program that started it.

#include <fcntl.h>

#include <utility>

#include "agent/instance/host_process.hpp"

namespace tallyman::agent {
namespace {

/// A descriptor that was let through an exec; it goes through no other by chance.
Fd taken(int number) {
  if (number >= 0) fcntl(number, F_SETFD, FD_CLOEXEC);
  return Fd(number);
}

}  // namespace

std::vector<int> HostState::descriptors() const {
  std::vector<int> out;
  for (const int number : {exit_notice, socket, output, report}) {
    if (number >= 0) out.push_back(number);
  }
  return out;
}

HostState HostProcess::save() const {
  HostState state;
  state.pid = spawned_.pid;
  state.pid_namespace = spawned_.pid_namespace;
  state.exit_notice = spawned_.exit_notice.get();
  state.socket = spawned_.socket.get();
  state.output = output_.descriptor();
  state.report = spawned_.report.get();
  const ByteView partial = cutter_.rest();
  state.partial.assign(partial.begin(), partial.end());
  state.unsent.assign(out_.begin() + static_cast<std::ptrdiff_t>(written_), out_.end());
  state.garbled = garbled_;
  state.killed = killed_;
  state.printed = output_.save();
  state.received = received_;
  state.confined = confined_;
  if (spawned_.group) state.group = spawned_.group->folder();
  return state;
}

std::unique_ptr<HostProcess> HostProcess::adopt(app::EventLoop& loop, const HostState& state,
                                                Handlers handlers) {
  Spawned spawned;
  spawned.pid = state.pid;
  spawned.pid_namespace = state.pid_namespace;
  spawned.exit_notice = taken(state.exit_notice);
  spawned.socket = taken(state.socket);
  spawned.output = taken(state.output);
  spawned.report = taken(state.report);
  if (!state.group.empty()) spawned.group = Cgroup::adopt(state.group);
  std::unique_ptr<HostProcess> host(new HostProcess(loop, std::move(spawned), std::move(handlers)));
  host->garbled_ = state.garbled;
  host->killed_ = state.killed;
  host->received_ = state.received;
  host->confined_ = state.confined;
  host->output_.restore(state.printed);
  host->cutter_.feed(state.partial);
  host->out_ = state.unsent;
  if (!host->out_.empty() && host->socket_watch_ != 0) {
    loop.change(host->socket_watch_, true, true);
  }
  return host;
}

}  // namespace tallyman::agent
