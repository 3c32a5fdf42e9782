#include "host_driver.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <stdexcept>

#include "agent/utf8.hpp"

namespace tallyman::agent {
namespace {

constexpr int kPatience = 20'000;  // ms

/// Executes the host with the socket as descriptor 3 and its output thrown away: a plugin's
/// printing is no matter of the test's.
[[noreturn]] void become_host(const std::string& program, const std::string& file, int socket) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  const int null = open("/dev/null", O_RDWR);
  dup2(null, STDIN_FILENO);
  dup2(null, STDERR_FILENO);
  if (socket == kHostSocket) {
    fcntl(socket, F_SETFD, 0);
  } else {
    dup2(socket, kHostSocket);
  }
  execl(program.c_str(), program.c_str(), file.c_str(), nullptr);
  _exit(127);
}

}  // namespace

HostDriver::HostDriver(const std::string& plugin_file) {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    throw std::runtime_error("no socketpair");
  }
  socket_.reset(pair[0]);
  const Fd theirs(pair[1]);
  const std::string program = host_program();
  pid_ = fork();
  if (pid_ == 0) become_host(program, plugin_file, theirs.get());
}

HostDriver::~HostDriver() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void HostDriver::send_bytes(const Bytes& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::send(socket_.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n <= 0) throw std::runtime_error("the host does not read");
    done += static_cast<std::size_t>(n);
  }
}

std::optional<FromHost> HostDriver::receive() {
  std::array<std::uint8_t, 65536> buffer;
  for (;;) {
    auto body = cutter_.next();
    if (!body) throw std::runtime_error(body.error().text());
    if (*body) {
      auto frame = decode_from_host(**body);
      if (!frame) throw std::runtime_error(frame.error().text());
      return std::move(*frame);
    }
    pollfd ready{socket_.get(), POLLIN, 0};
    if (::poll(&ready, 1, kPatience) != 1) throw std::runtime_error("the host does not answer");
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (n <= 0) return std::nullopt;
    cutter_.feed({buffer.data(), static_cast<std::size_t>(n)});
  }
}

Created HostDriver::configure(const std::vector<HostOption>& options, const State& state) {
  send(Configure{options, state.version, state.bytes});
  return expect<Created>();
}

SeenPoll HostDriver::poll(Ns scheduled) {
  send(PollRequest{++polls_, scheduled, 0});
  SeenPoll seen;
  for (;;) {
    std::optional<FromHost> frame = receive();
    if (!frame) throw std::runtime_error("the host ended in a poll");
    if (auto* define = std::get_if<Define>(&*frame)) {
      ++seen.defined;
      if (!series_.emplace(define->handle, *define).second) {
        throw std::runtime_error("a handle was given twice");
      }
    } else if (auto* readings = std::get_if<Readings>(&*frame)) {
      for (const HandleValue& v : readings->values) {
        seen.readings.push_back({series_.at(v.handle), v.value, v.time});
      }
    } else if (auto* gap = std::get_if<PartGap>(&*frame)) {
      seen.gaps.push_back(*gap);
    } else if (auto* line = std::get_if<LogLine>(&*frame)) {
      seen.log.push_back(*line);
    } else if (auto* state = std::get_if<State>(&*frame)) {
      seen.state = *state;
    } else {
      seen.done = std::get<PollDone>(*frame);
      if (seen.done.number != polls_) throw std::runtime_error("another poll's answer");
      for (const Handle handle : seen.done.forgotten) {
        if (series_.erase(handle) == 0) throw std::runtime_error("forgot what was not defined");
      }
      return seen;
    }
  }
}

int HostDriver::wait() {
  int status = 0;
  for (int i = 0; i < kPatience / 10; ++i) {
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    ::poll(nullptr, 0, 10);
  }
  throw std::runtime_error("the host does not end");
}

CommandResult run_command(const std::string& command) {
  CommandResult result;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  while (pipe != nullptr && fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
    result.out += buffer.data();
  }
  const int status = pipe == nullptr ? -1 : pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

std::string host_program() { return TALLYMAN_PLUGIN_HOST; }
std::string test_plugin(const std::string& name) {
  return TALLYMAN_BINARY_DIR "/tests/abi/" + name + ".so";
}

}  // namespace tallyman::agent
