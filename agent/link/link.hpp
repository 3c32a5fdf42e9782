#pragma once
// The link to the rater: a DEALER socket, and the spool it empties.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/control/status.hpp"
#include "agent/link/link_state.hpp"
#include "agent/spool/spool.hpp"
#include "app/loop.hpp"
#include "app/socket.hpp"

namespace tallyman::agent {

/// Where the rater is, and what proves that it is the right one.
struct RaterAddress {
  std::vector<std::string> endpoints;  ///< raters that share a ledger, tried in turn
  app::KeyPair key;                    ///< this agent's; empty = the link is plain
  std::string rater_key;               ///< all those raters'
  bool compress = false;               ///< batches go packed, where the rater grants it
};

/// Owned by the Agent; main thread.
class Link {
 public:
  struct Handlers {
    std::function<wire::DefNo()> durable_definitions;
    std::function<void()> new_incarnation;  ///< the spool began one
    /// Runs a job that waits for the disk, elsewhere, and calls back once the spool knows its end.
    std::function<void(SyncJob, std::function<void(const Status&)>)> hold;
    std::function<void(const std::string& what)> event;
  };
  Link(app::EventLoop& loop, Spool& spool, std::string agent, RaterAddress rater,
       const LinkTimes& times, Handlers handlers);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void start();
  /// The spool may have a batch to send.
  void offer();
  /// Nothing durable is unacknowledged, or nobody is there to acknowledge it.
  [[nodiscard]] bool idle() const;
  [[nodiscard]] LinkStatus status() const;

 private:
  void perform(const LinkEffects& effects);
  [[nodiscard]] Status perform(const LinkEffect& effect);
  [[nodiscard]] bool hold(const LinkEffect& effect, LinkEffects rest);
  void trouble(const Error& error);
  void listen();
  [[nodiscard]] Status connect(std::size_t endpoint);
  [[nodiscard]] bool send(const wire::AgentMessage& message);
  [[nodiscard]] bool send_batch(Bytes batch);
  void send_hello();
  [[nodiscard]] bool send_definitions();
  void retry_soon();
  void send_batches();
  void receive();
  void rearm();
  [[nodiscard]] LinkFacts facts(const wire::RaterMessage& message) const;

  app::EventLoop& loop_;
  Spool& spool_;
  std::string agent_;
  RaterAddress rater_;
  Handlers handlers_;
  LinkState state_;
  std::optional<app::MessageSocket> socket_;
  app::WatchId watch_ = 0;
  app::TimerId timer_ = 0;
  app::TimerId retry_ = 0;           ///< after a full queue
  bool heard_ = false;               ///< anything over the present socket
  wire::DefNo owed_definition_ = 0;  ///< the rater lacks durable ones from here on; 0 = none
  LinkPhase told_ = LinkPhase::off;
  std::string told_why_;
  std::string told_note_;
  Ns noted_ = 0;  ///< wall instant of that
  /// What the welcome gave is being made durable: until then nothing is said or heard.
  bool holding_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tallyman::agent
