#pragma once
// The agent replaces itself by its new program: rehearsal, then a moment that suits, then the exec.
//
//   asked ─▶ rehearsing ─▶ waiting ─▶ exec ─▶ (the new program goes on, and answers)
//               │             │         │
//               └─ refused ◀──┴─────────┘    the old one goes on as if nothing had happened
//
// Waiting is for what cannot be carried over (a hindrance), then for the disk, while nothing new is
// given to it, and for the time right after polls began, so that none is due meanwhile.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/reexec/rehearsal.hpp"
#include "agent/reexec/state.hpp"
#include "app/loop.hpp"

namespace tallyman::agent {

/// How long a hindrance, or the disk, is waited for; then it is a refusal.
constexpr Ns kReexecPatience = 10 * kSecond;
/// How long, once there is none, polls may be due too soon; then it goes on all the same.
constexpr Ns kCalmPatience = 2 * kSecond;

/// Owned by the Agent; main thread.
class Reexec {
 public:
  struct Handlers {
    /// An exec is near: what can be done before it need not be done after it, and nothing is to be
    /// begun that it would have to wait for.
    std::function<void()> prepare;
    /// It comes to nothing after all.
    std::function<void()> go_on;
    /// Whether something is still being written to the disk: an exec would wait for it.
    std::function<bool()> writing;
    /// What else stands in the way now, in words; empty = nothing.
    std::function<std::string()> hindrance;
    /// Whether no poll is due soon.
    std::function<bool()> calm;
    /// The agent's state now, or why there can be none; with `last`, it will not go on after it.
    std::function<Result<AgentState>(bool last)> freeze;
  };
  using Refused = std::function<void(const Error&)>;

  /// `program` with `arguments` is this program as it was started.
  Reexec(app::EventLoop& loop, std::string program, std::vector<std::string> arguments,
         Handlers handlers);
  ~Reexec();
  Reexec(const Reexec&) = delete;
  Reexec& operator=(const Reexec&) = delete;

  [[nodiscard]] bool under_way() const { return refused_ != nullptr; }
  /// Only while none is under way. Calls back, in a later turn of the loop, if it comes to nothing.
  void begin(Refused refused);

 private:
  void rehearsed(const Result<std::string>& version);
  void look();
  void put_off();
  void go();
  void refuse(const Error& error);

  app::EventLoop& loop_;
  std::string program_;
  std::vector<std::string> arguments_;
  Handlers handlers_;
  Refused refused_;
  std::unique_ptr<Rehearsal> rehearsal_;
  Ns patience_ = 0;  ///< boot instant
  Ns prepared_ = 0;  ///< boot instant; 0 = not
  app::TimerId timer_ = 0;
};

}  // namespace tallyman::agent
