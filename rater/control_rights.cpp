#include "rater/control_rights.hpp"

#include <fmt/core.h>
#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "app/log.hpp"

namespace tallyman::rater {
namespace {

std::optional<unsigned> gid_of(const char* name) {
  constexpr std::size_t kMost = std::size_t{1} << 24U;  // a group's list of members is in there
  for (std::vector<char> buffer(16384); buffer.size() <= kMost; buffer.resize(buffer.size() * 4)) {
    group entry{};
    group* found = nullptr;
    const int error = ::getgrnam_r(name, &entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE) continue;
    return error == 0 && found != nullptr ? std::optional<unsigned>(found->gr_gid) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

void share_with_readers(const std::string& socket) {
  const auto group = gid_of(kReadersGroup);
  if (!group || *group == ::getegid()) return;
  if (::chown(socket.c_str(), static_cast<uid_t>(-1), *group) == 0) return;
  log::warning("{}: not handed to the group {}: {}", socket, kReadersGroup, std::strerror(errno));
}

Deciders Deciders::of_system() { return {::geteuid(), gid_of(kDecidersGroup)}; }

Status Deciders::check(const app::Peer& peer, std::string_view command) const {
  if (peer.uid == 0 || peer.uid == own_uid) return {};
  const bool member =
      group && std::find(peer.groups.begin(), peer.groups.end(), *group) != peer.groups.end();
  if (member) return {};
  return Error{fmt::format("user {} may not {}", peer.user, command), "",
               fmt::format("ask root, the rater's own user or a member of the group {}{}",
                           kDecidersGroup, group ? "" : " (which does not exist yet)")};
}

}  // namespace tallyman::rater
