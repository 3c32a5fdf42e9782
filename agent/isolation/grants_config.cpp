#include "agent/isolation/grants_config.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "agent/utf8.hpp"

namespace tallyman::agent {
namespace {

using app::ConfigTable;

std::optional<uid_t> uid_of(const std::string& text) {
  uid_t uid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return uid;
}

std::optional<User> read_user(ConfigTable& table, const std::string& name) {
  const std::optional<uid_t> number = uid_of(name);
  const passwd* entry = number ? getpwuid(*number) : getpwnam(name.c_str());
  if (entry == nullptr && !number) {
    table.complain("user", "there is no user `" + name + "`", "a user of this system, or a uid");
    return std::nullopt;
  }
  const User user{entry != nullptr ? entry->pw_uid : *number,
                  entry != nullptr ? entry->pw_gid : static_cast<gid_t>(*number), name};
  const bool agents = user.uid == 0 || user.uid == geteuid();
  if (!agents && user.uid != static_cast<uid_t>(-1)) return user;
  table.complain("user", "`" + name + "` may not be granted: the agent's key and spool are its own",
                 "another user, or none for a uid of its own");
  return std::nullopt;
}

void check_capabilities(ConfigTable& table, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (capability_number(name)) continue;
    table.complain("capabilities", "`" + name + "` is no capability",
                   "names as in capabilities(7), such as CAP_NET_ADMIN");
  }
}

void check_paths(ConfigTable& table, const std::vector<std::string>& paths) {
  for (const std::string& written : paths) {
    const std::string path = written.substr(written.starts_with('+') ? 1 : 0);
    const bool option = path.size() > 1 && path.starts_with('@');
    const bool fits = is_plain_text(path) && path.size() <= kMaxOptionBytes &&
                      (option || !plain_path(path).empty());
    if (fits) continue;
    table.complain("paths", "`" + written + "` cannot be granted",
                   "an absolute path without `..`, or @ and the key of an option; + before it "
                   "for writing and connecting");
  }
}

}  // namespace

GrantsConfig read_grants(ConfigTable table) {
  GrantsConfig out;
  out.grants.user = table.text("user", "");
  if (!out.grants.user.empty()) {
    out.user = read_user(table, out.grants.user);
  } else if (table.has("user")) {
    table.complain("user", "no user is named", "a user of this system, or a uid");
  }
  out.grants.capabilities = table.texts("capabilities");
  check_capabilities(table, out.grants.capabilities);
  out.grants.paths = table.texts("paths");
  check_paths(table, out.grants.paths);
  out.grants.network = table.boolean("network", false);
  table.finish();
  return out;
}

UidRange read_uid_range(ConfigTable& root) {
  const std::string text = root.text("plugin_uids", uid_range_text({}));
  if (const auto range = uid_range_from_text(text)) return *range;
  root.complain(
      "plugin_uids", "`" + text + "` is no range of uids",
      "\"FIRST-LAST\", from 1000 to 4294967293, of at least 1000 uids that nobody else has");
  return {};
}

}  // namespace tallyman::agent
