#include "agent/control/rights.hpp"

#include <string>

namespace tallyman::agent {

Status may_steer(const app::Peer& peer, unsigned own_uid, std::string_view command) {
  if (peer.uid == 0 || peer.uid == own_uid) return {};
  return Error{"user " + peer.user + " may not " + std::string(command), "agent",
               "ask root, or the agent's own user"};
}

}  // namespace tallyman::agent
