#include "wire/model.hpp"

#include <algorithm>

namespace tallyman::wire {

const char* cause_name(Cause cause) {
  switch (cause) {
    case Cause::hang:
      return "hang";
    case Cause::crash:
      return "crash";
    case Cause::error:
      return "error";
    case Cause::protocol:
      return "protocol";
    case Cause::limit:
      return "limit";
    case Cause::part:
      return "part";
    case Cause::starting:
      return "starting";
    case Cause::backoff:
      return "backoff";
    case Cause::disabled:
      return "disabled";
    case Cause::refused:
      return "refused";
    case Cause::disk_full:
      return "disk_full";
    case Cause::agent_down:
      return "agent_down";
    case Cause::clock:
      return "clock";
  }
  return "unknown";
}

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::counter:
      return "counter";
    case Kind::gauge:
      return "gauge";
  }
  return "unknown";
}

const char* scope_name(Scope scope) {
  switch (scope) {
    case Scope::host:
      return "host";
    case Scope::shared:
      return "shared";
  }
  return "unknown";
}

bool is_agent_id(std::string_view id) {
  constexpr std::size_t kMaxId = 128;
  if (id.empty() || id.size() > kMaxId || id.front() == '.' || id.front() == '-') return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == ':';
  });
}

Position position_of(const Poll& poll, Ns last) {
  const Ns at = poll.in_time ? poll.scheduled : poll.wall;
  return {std::max(at, last), poll.stepped || at < last};
}

}  // namespace tallyman::wire
