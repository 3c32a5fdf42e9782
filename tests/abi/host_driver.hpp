#pragma once
// Drives a real plugin host over a socketpair, as the agent does, but blocking. For tests.

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/host_protocol.hpp"
#include "base/fd.hpp"

namespace tallyman::agent {

/// A reading as the agent sees it.
struct SeenReading {
  Define series;
  std::uint64_t value = 0;
  Ns time = 0;
};

/// Everything of one poll.
struct SeenPoll {
  std::vector<SeenReading> readings;
  std::vector<PartGap> gaps;
  std::vector<LogLine> log;
  std::optional<State> state;
  std::size_t defined = 0;
  PollDone done;
};

/// Owns the process. Every wait ends after 20 s and fails the test.
class HostDriver {
 public:
  explicit HostDriver(const std::string& plugin_file);
  ~HostDriver();
  HostDriver(const HostDriver&) = delete;
  HostDriver& operator=(const HostDriver&) = delete;

  void send(const ToHost& frame) { send_bytes(encode_frame(frame)); }
  void send_bytes(const Bytes& bytes);
  /// Nothing at the end of the stream.
  std::optional<FromHost> receive();
  /// The next frame that is no LogLine, as a T; a failed test and a T{} when it is another.
  template <typename T>
  T expect();

  Created configure(const std::vector<HostOption>& options, const State& state = {});
  SeenPoll poll(Ns scheduled = 1'000'000'000);
  void hang_up() { socket_.reset(); }
  /// Waits for the end: the exit status, or minus the signal.
  int wait();

 private:
  Fd socket_;
  pid_t pid_ = -1;
  FrameCutter cutter_;
  std::map<Handle, Define> series_;
  std::uint64_t polls_ = 0;
};

template <typename T>
T HostDriver::expect() {
  for (;;) {
    std::optional<FromHost> frame = receive();
    if (frame && std::holds_alternative<LogLine>(*frame)) continue;
    if (frame && std::holds_alternative<T>(*frame)) return std::get<T>(std::move(*frame));
    throw std::runtime_error(frame ? "a frame of another type, index " +
                                         std::to_string(frame->index())
                                   : "the end of the stream");
  }
}

/// The output of a command, and its exit status.
struct CommandResult {
  std::string out;
  int status = -1;
};
CommandResult run_command(const std::string& command);

/// Paths of what the build made.
std::string host_program();
std::string test_plugin(const std::string& name);

}  // namespace tallyman::agent
