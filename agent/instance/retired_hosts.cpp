#include "agent/instance/retired_hosts.hpp"

#include <utility>

namespace tallyman::agent {

RetiredHosts::RetiredHosts(app::EventLoop& loop, Handlers handlers)
    : loop_(loop), handlers_(std::move(handlers)) {}

RetiredHosts::~RetiredHosts() {
  for (const auto& host : hosts_) loop_.cancel(host->timer);
}

RetiredHosts::Host* RetiredHosts::add(std::unique_ptr<HostProcess> process) {
  if (!process || !process->alive()) return nullptr;
  Host* host = hosts_.emplace_back(std::make_unique<Host>()).get();
  host->process = std::move(process);
  host->pid = host->process->pid();
  HostProcess::Handlers handlers;
  handlers.frame = [](FromHost&) {};
  handlers.garbage = [this, host](const Error&) { kill(host); };
  handlers.printed = [](const std::string&) {};
  handlers.ended = [this, host](const Ended&) { remove(host); };
  host->process->hand_over(std::move(handlers));
  return host;
}

void RetiredHosts::retire(std::unique_ptr<HostProcess> process, Ns patience) {
  Host* host = add(std::move(process));
  if (host == nullptr) return;
  host->process->send(Stop{});
  host->timer = loop_.after(patience, [this, host] {
    host->timer = 0;
    kill(host);
  });
}

void RetiredHosts::kill(std::unique_ptr<HostProcess> process) {
  if (Host* host = add(std::move(process))) kill(host);
}

void RetiredHosts::kill(const Host* host) {
  host->process->kill();
  handlers_.killed(host->pid);
}

void RetiredHosts::remove(const Host* host) {
  loop_.cancel(host->timer);
  const pid_t pid = host->pid;
  std::erase_if(hosts_, [&](const auto& each) { return each.get() == host; });
  handlers_.ended(pid);
}

}  // namespace tallyman::agent
