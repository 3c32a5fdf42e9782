#pragma once
// The next program is tried before it is trusted: started as a child with a copy of the state, it
// reads the configuration and the state, looks at the spool, and says that it is ready.
//
// The child inherits the state as descriptor kRehearsalState and writes one line to
// kRehearsalReady:
//   "ready " · the version of the state that it took (kStateVersion) · " " · its own version
// and exits with 0. Whatever else it does is a refusal; what it prints to stderr is the reason. It
// is killed when it is not done in time, and with the agent.

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/reexec/state.hpp"
#include "app/loop.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

constexpr int kRehearsalState = 3;
constexpr int kRehearsalReady = 4;
constexpr Ns kRehearsalDeadline = 10 * kSecond;

/// The parent's side. Owned by a Reexec; main thread. Destroying it kills the child.
class Rehearsal {
 public:
  using Done = std::function<void(const Result<std::string>& version)>;

  /// Starts `program` with `arguments` (argv[0] left out). `done` is called once, in a later turn
  /// of the loop, with the version of a program that is ready; it may destroy this.
  static Result<std::unique_ptr<Rehearsal>> start(app::EventLoop& loop, const std::string& program,
                                                  const std::vector<std::string>& arguments,
                                                  const Fd& state, Done done);
  ~Rehearsal();
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

 private:
  Rehearsal(app::EventLoop& loop, std::string program, Done done);
  [[nodiscard]] Status spawn(const std::vector<std::string>& arguments, const Fd& state);
  void read(Fd& pipe, app::WatchId& watch, std::string& text);
  void ended();
  [[nodiscard]] Result<std::string> verdict(int status) const;

  app::EventLoop& loop_;
  std::string program_;
  Done done_;
  pid_t pid_ = -1;
  bool late_ = false;
  Fd exit_notice_, ready_, words_;
  std::string said_, complaint_;
  app::WatchId exit_watch_ = 0, ready_watch_ = 0, words_watch_ = 0;
  app::TimerId deadline_ = 0;
};

/// What the line on kRehearsalReady says: the program's version, or why it is no such line. Pure.
[[nodiscard]] Result<std::string> ready_version(const std::string& line);

/// The child's side: whether this program could go on with the state under this configuration.
/// Changes nothing.
[[nodiscard]] Status rehearse(const AgentConfig& config, int state);
/// Says that it could.
[[nodiscard]] Status say_ready(int descriptor);

}  // namespace tallyman::agent
