#pragma once
// The one plugin of this process, from its table to the end: what the agent asks of it.

#include <memory>

#include "agent/host/channel.hpp"
#include "agent/host/declaration.hpp"
#include "agent/host/host_api.hpp"
#include "base/clock.hpp"

namespace tallyman::host {

/// Owned by main; one thread. No exception of the plugin passes it.
class Instance {
 public:
  Instance(const Declaration& plugin, Channel& channel, const Clock& clock);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  [[nodiscard]] bool exists() const { return created_; }
  [[nodiscard]] bool polled() const { return polled_; }

  /// Creates and, when there is a state, restores; what exists is destroyed first. Not after a
  /// poll. Does not exist afterwards when the answer is not ok. A refused state leaves a fresh
  /// instance.
  [[nodiscard]] Created configure(const Configure& request);

  /// Only while it exists. Sends everything of the poll, PollDone last.
  void poll(const PollRequest& request);

 private:
  HostApi::Outcome create(const OptionValues& options);
  HostApi::Outcome save();
  void destroy();
  template <typename Function>
  HostApi::Outcome call(Call which, Function function);

  const Declaration& plugin_;
  Channel& channel_;
  const Clock& clock_;
  std::unique_ptr<HostApi> api_;
  void* self_ = nullptr;
  bool created_ = false;
  bool polled_ = false;
};

}  // namespace tallyman::host
