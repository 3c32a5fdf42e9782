#include "agent/instance/fence.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <sstream>
#include <utility>

#include "agent/config.hpp"
#include "agent/instance/kernel_wait.hpp"
#include "agent/instance/spawn.hpp"
#include "app/log.hpp"
#include "base/bytes.hpp"

namespace tallyman::agent {
namespace {

constexpr std::size_t kMaxBytes = 1U << 20U;
constexpr std::size_t kMaxHosts = 4096;

Fd open_notice(pid_t pid) { return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0U))); }

}  // namespace

Fence::Fence(app::EventLoop& loop, Files& files, std::string path, std::string boot, Ended ended)
    : loop_(loop),
      files_(files),
      path_(std::move(path)),
      boot_(std::move(boot)),
      ended_(std::move(ended)) {
  read();
}

Fence::~Fence() {
  for (const auto& host : hosts_) {
    if (host->watch != 0) loop_.unwatch(host->watch);
  }
}

void Fence::read() {
  if (!files_.exists(path_)) return;
  const Result<Bytes> bytes = read_file(files_, path_, kMaxBytes);
  if (!bytes) return log::warning("what was left running is not known: {}", bytes.error().text());
  std::istringstream lines{std::string(as_text(*bytes))};
  bool ours = false;
  for (std::string line; std::getline(lines, line) && hosts_.size() < kMaxHosts;) {
    std::istringstream words(line);
    std::string kind, name;
    pid_t pid = 0;
    std::uint64_t started = 0;
    words >> kind;
    if (kind == "boot" && (!(words >> name) || name != boot_)) return;
    if (kind == "agent" && words >> pid >> started && start_time(pid) == started) ours = true;
    if (kind != "host" || !(words >> name >> pid >> started)) continue;
    if (!is_name(name) || pid <= 1 || start_time(pid) != started) continue;
    hosts_.push_back(std::make_unique<Host>(Host{name, pid, started}));
  }
  if (ours) return;
  for (std::size_t i = 0; i < hosts_.size(); i++) watch(*hosts_[i]);
  std::erase_if(hosts_, [](const auto& host) { return host->watch == 0; });
  for (const auto& host : hosts_) {
    // The pidfd and then the start time say that it is still the one meant.
    syscall(SYS_pidfd_send_signal, host->notice.get(), SIGKILL, nullptr, 0U);
    kill_group(host->pid);
    log::warning("plugin {}: process {} of an earlier agent is still there: killed", host->instance,
                 host->pid);
  }
}

void Fence::write() {
  std::string text = "boot " + boot_ + "\nagent " + std::to_string(getpid()) + " " +
                     std::to_string(start_time(getpid()).value_or(0)) + "\n";
  for (const auto& host : hosts_) {
    text += "host " + host->instance + " " + std::to_string(host->pid) + " " +
            std::to_string(host->started) + "\n";
  }
  const Status written = write_file_atomically(files_, path_, as_bytes(text), Durable::no);
  if (!written.ok() && !std::exchange(complained_, true)) {
    log::warning("an agent after this one could not tell what it left running: {}",
                 written.error().text());
  }
}

void Fence::watch(Host& host) {
  if (host.watch != 0) return;
  host.notice = open_notice(host.pid);
  if (!host.notice.valid() || start_time(host.pid) != host.started) return;
  host.watch = loop_.watch(host.notice.get(), true, false, [this, pid = host.pid](app::Ready) {
    const auto is_it = [&](const auto& each) { return each->pid == pid; };
    const auto found = std::find_if(hosts_.begin(), hosts_.end(), is_it);
    if (found == hosts_.end()) return;
    const std::string instance = (*found)->instance;
    forget(pid);
    ended_(instance);
  });
}

void Fence::forget(pid_t pid) {
  std::erase_if(hosts_, [&](const auto& host) {
    if (host->pid != pid) return false;
    if (host->watch != 0) loop_.unwatch(host->watch);
    return true;
  });
}

void Fence::started(const std::string& instance, pid_t pid) {
  const std::uint64_t at = start_time(pid).value_or(0);
  const auto known = [&](const auto& host) {
    return host->instance == instance && host->pid == pid && host->started == at && at != 0;
  };
  // The file says so already: a program of this process before this one wrote it.
  if (std::any_of(hosts_.begin(), hosts_.end(), known)) return;
  forget(pid);  // a pid that comes again is another process
  hosts_.push_back(std::make_unique<Host>(Host{instance, pid, at}));
  write();
}

void Fence::hold(const std::string& instance, pid_t pid) {
  const auto is_it = [&](const auto& host) { return host->pid == pid; };
  auto found = std::find_if(hosts_.begin(), hosts_.end(), is_it);
  if (found == hosts_.end()) {
    hosts_.push_back(std::make_unique<Host>(Host{instance, pid, start_time(pid).value_or(0)}));
    found = hosts_.end() - 1;
  }
  watch(**found);
}

std::vector<Fence::Entry> Fence::hosts() const {
  std::vector<Entry> out;
  for (const auto& host : hosts_) out.push_back({host->instance, host->pid});
  return out;
}

pid_t Fence::in_the_way(const std::string& instance) const {
  for (const auto& host : hosts_) {
    if (host->instance == instance && host->watch != 0) return host->pid;
  }
  return 0;
}

}  // namespace tallyman::agent
