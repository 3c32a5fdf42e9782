#include "agent/reexec/reexec.hpp"

#include <utility>

#include "agent/reexec/handover.hpp"

namespace tallyman::agent {
namespace {

constexpr Ns kLook = 2 * kMillisecond;

}  // namespace

Reexec::Reexec(app::EventLoop& loop, std::string program, std::vector<std::string> arguments,
               Handlers handlers)
    : loop_(loop),
      program_(std::move(program)),
      arguments_(std::move(arguments)),
      handlers_(std::move(handlers)) {}

Reexec::~Reexec() { loop_.cancel(timer_); }

void Reexec::begin(Refused refused) {
  refused_ = std::move(refused);
  timer_ = loop_.after(0, [this] {
    timer_ = 0;
    const Result<AgentState> state = handlers_.freeze(false);
    if (!state) return refuse(state.error());
    const Result<Fd> file = store_state(encode_state(*state));
    if (!file) return refuse(file.error());
    std::vector<std::string> arguments = arguments_;
    arguments.emplace_back("--rehearse");
    auto started =
        Rehearsal::start(loop_, program_, arguments, *file,
                         [this](const Result<std::string>& version) { rehearsed(version); });
    if (!started) return refuse(started.error());
    rehearsal_ = std::move(*started);
  });
}

void Reexec::rehearsed(const Result<std::string>& version) {
  const auto ended = std::move(rehearsal_);  // until this returns
  if (!version) return refuse(version.error());
  patience_ = loop_.clock().boot() + kReexecPatience;
  look();
}

void Reexec::look() {
  timer_ = 0;
  const Ns now = loop_.clock().boot();
  std::string hindrance = handlers_.hindrance();
  if (!hindrance.empty()) {
    put_off();
  } else if (prepared_ == 0) {
    prepared_ = now;
    handlers_.prepare();
  }
  if (hindrance.empty() && handlers_.writing()) {
    hindrance = "what was read is still being written to the disk";
  }
  if (now >= patience_ && !hindrance.empty()) {
    return refuse({"cannot be replaced now: " + hindrance, "agent", "try again later"});
  }
  const bool late = prepared_ != 0 && now >= prepared_ + kCalmPatience;
  if (hindrance.empty() && (handlers_.calm() || late)) return go();
  timer_ = loop_.after(kLook, [this] { look(); });
}

void Reexec::put_off() {
  if (std::exchange(prepared_, 0) != 0) handlers_.go_on();
}

// Nothing of the loop runs between the freezing and the exec.
void Reexec::go() {
  const Result<AgentState> state = handlers_.freeze(true);
  if (!state) return refuse(state.error());
  const Result<Fd> file = store_state(encode_state(*state));
  if (!file) return refuse(file.error());
  std::vector<int> keep = state->descriptors();
  keep.push_back(file->get());
  std::vector<std::string> arguments = arguments_;
  arguments.insert(arguments.end(), {"--resume", std::to_string(file->get())});
  refuse(execute(program_, arguments, keep));
}

void Reexec::refuse(const Error& error) {
  put_off();
  const Refused refused = std::exchange(refused_, nullptr);
  refused(error);
}

}  // namespace tallyman::agent
