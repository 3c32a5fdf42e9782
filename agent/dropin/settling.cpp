#include "agent/dropin/settling.hpp"

#include <algorithm>
#include <utility>

namespace tallyman::agent {

void SettlingFiles::look(const Seen& files, Ns boot) {
  for (auto& [path, file] : files_) {
    if (!files.contains(path) && std::exchange(file.there, false)) file.since = boot;
  }
  for (const auto& [path, stamp] : files) {
    const auto [at, fresh] = files_.try_emplace(path);
    File& file = at->second;
    const bool heard = std::exchange(file.heard, false);
    const bool changed = fresh || !file.there || file.stamp != stamp;
    if (changed) {
      file.since = boot;
      // One that came back as it was, was not away.
      file.taken = file.taken && file.stamp == stamp;
      file.whole = false;
    }
    file.there = true;
    file.stamp = stamp;
    file.whole = file.whole || heard;
  }
}

void SettlingFiles::whole(const std::string& path) {
  const auto [at, fresh] = files_.try_emplace(path);
  if (fresh) at->second.there = false;  // until it is seen
  at->second.heard = true;
}

void SettlingFiles::again() {
  for (auto& entry : files_) entry.second.taken = false;
}

std::vector<std::string> SettlingFiles::take(Ns boot,
                                             const std::function<Writer(const std::string&)>& who) {
  std::vector<std::string> taken;
  for (auto& [path, file] : files_) {
    if (!file.there || file.taken) continue;
    const Ns quiet = boot - file.since;
    if (!file.whole && quiet < kQuietUnwritten) continue;
    const Writer writer = who(path);
    if (writer == Writer::some) continue;
    if (writer == Writer::unknown && !file.whole && quiet < kQuietUnknown) continue;
    file.taken = true;
    taken.push_back(path);
  }
  return taken;
}

std::vector<std::string> SettlingFiles::gone(Ns boot) {
  std::vector<std::string> gone;
  for (auto at = files_.begin(); at != files_.end();) {
    const File& file = at->second;
    if (file.there || boot - file.since < kGoneAfter) {
      ++at;
      continue;
    }
    gone.push_back(at->first);
    at = files_.erase(at);
  }
  return gone;
}

bool SettlingFiles::as_taken(const std::string& path) const {
  const auto found = files_.find(path);
  return found != files_.end() && found->second.there && found->second.taken;
}

bool SettlingFiles::unsettled() const {
  return std::any_of(files_.begin(), files_.end(),
                     [](const auto& entry) { return !entry.second.there || !entry.second.taken; });
}

}  // namespace tallyman::agent
