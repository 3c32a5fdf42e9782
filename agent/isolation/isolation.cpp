#include "agent/isolation/isolation.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>

#include "agent/isolation/landlock.hpp"

namespace tallyman::agent {
namespace {

void list(std::string& text, const std::string& item) { text += (text.empty() ? "" : ", ") + item; }

std::string slurp(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool has(Capabilities set, const char* name) {
  return (set & capability(*capability_number(name))) != 0;
}

/// A path that may be written to may be a socket's: only the child finds out.
bool may_reach_sockets(const Access& access) {
  return std::any_of(access.paths.begin(), access.paths.end(),
                     [](const PathAccess& path) { return path.write; });
}

std::string paths_text(const Access& access) {
  std::string out;
  for (const PathAccess& path : access.paths) {
    list(out, (path.write ? "write " : "read ") + path.path());
    if (!path.rest.empty()) out += " (if a file, what is beside it)";
  }
  return out.empty() ? "" : " and " + out;
}

}  // namespace

Means Means::of_this_process() {
  Means means;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) == 0) {
    means.own = data[0].effective | Capabilities{data[1].effective} << 32U;
  }
  means.uid = geteuid();
  means.uid_map = slurp("/proc/self/uid_map");
  means.gid_map = slurp("/proc/self/gid_map");
  means.landlock = landlock_abi();
  means.seccomp = has_seccomp();
  return means;
}

Standing standing_of(const Means& means, const User& user, Capabilities granted) {
  Standing out;
  const bool may = has(means.own, "CAP_SETUID") && has(means.own, "CAP_SETGID");
  const bool mapped = is_mapped(means.uid_map, user.uid) && is_mapped(means.gid_map, user.gid);
  out.becomes_user = may && mapped;
  out.bounded = has(means.own, "CAP_SETPCAP");
  out.capabilities = granted & means.own;
  if (!may) {
    out.weaker = "same user as the agent (which may not change users)";
  } else if (may && !mapped) {
    out.weaker = "same user as the agent (uid " + std::to_string(user.uid) +
                 " does not exist here: see plugin_uids)";
  }
  const Capabilities lacking = granted & ~means.own;
  if (lacking != 0) {
    list(out.weaker, "no " + capability_names(lacking) +
                         " (the agent has it not; what is granted while it runs takes a restart)");
  }
  return out;
}

Isolation::Isolation(Means means, Cgroups groups)
    : means_(std::move(means)), groups_(std::move(groups)) {}

Result<Confinement> Isolation::confine(const HostWish& wish) {
  if (wish.user.uid == 0) {
    return Error{"no uid of its own is left for it", wish.instance, "a wider range in plugin_uids"};
  }
  Confinement out;
  out.told.access = wish.access;
  confine_user(wish, out);
  Status done = open_files(wish, out);
  if (done.ok()) done = confine_files(wish, out);
  if (!done.ok()) return done.error();
  confine_group(wish, out);
  done = confine_calls(wish, out);
  if (!done.ok()) return done.error();
  return out;
}

Status Isolation::open_files(const HostWish& wish, Confinement& out) {
  auto open = [&](const std::string& path, mode_t rights, Fd& into) -> Status {
    Result<Fd> opened = files_.open(path, out.user ? rights : 0);
    if (!opened) return opened.error();
    into = std::move(*opened);
    return {};
  };
  Status done = open(wish.plugin, S_IROTH, out.plugin);
  // One that may not be read could not be looked at in /proc by itself, either.
  return done.ok() ? open(wish.program, S_IROTH | S_IXOTH, out.program) : done;
}

void Isolation::confine_user(const HostWish& wish, Confinement& out) const {
  const Standing standing = standing_of(means_, wish.user, wish.access.capabilities);
  out.capabilities = standing.capabilities;
  out.bounded = standing.bounded;
  out.told.weaker = standing.weaker;
  if (standing.becomes_user) {
    out.user = wish.user;
    const std::string number = std::to_string(wish.user.uid);
    const bool own = wish.user.name.empty() || wish.user.name == number;
    list(out.told.words, own ? "uid " + number : "user " + wish.user.name);
  }
  const std::string names = capability_names(out.capabilities);
  list(out.told.words, names.empty() ? "no capabilities" : names + " and no other capabilities");
}

Status Isolation::confine_files(const HostWish& wish, Confinement& out) const {
  out.paths = granted_paths(wish.access, means_.landlock);
  if (means_.landlock == 0) {
    list(out.told.weaker, "no Landlock in this kernel: files are guarded by their modes alone");
    return {};
  }
  auto ruleset =
      make_ruleset({means_.landlock, wish.access.network, out.plugin.get(), out.program.get()});
  if (!ruleset) return ruleset.error();
  out.ruleset = std::move(*ruleset);
  list(out.told.words, "Landlock (ABI " + std::to_string(means_.landlock) +
                           "): no files but system libraries" + paths_text(wish.access));
  if (means_.landlock < 6 && (!out.user || !out.user->name.empty())) {
    list(out.told.weaker,
         "without a PID namespace it can signal what its user may (Landlock before "
         "ABI 6)");
  }
  return {};
}

Status Isolation::confine_calls(const HostWish& wish, Confinement& out) {
  if (!means_.seccomp) {
    list(out.told.weaker, "no seccomp in this kernel: sockets and system calls are not restricted");
    return {};
  }
  FilterPlan plan{wish.access.capabilities, wish.access.network, false,
                  out.group && out.group->binds_memory(), !out.user};
  Status made = filter(plan, out.filter);
  const bool sockets = may_reach_sockets(wish.access);
  if (sockets && made.ok()) {
    plan.unix_sockets = true;
    made = filter(plan, out.socket_filter);
  }
  if (!made.ok()) return made;
  std::string words = plan.network ? "network sockets" : "no network";
  if (sockets) words += ", Unix sockets if a path it may write is one, or not there yet";
  list(out.told.words, "seccomp: " + words);
  if (sockets) {
    list(out.told.weaker, out.user ? "then it can connect to any Unix socket that its user may"
                                   : "then it can steer the agent, as its user may");
  }
  return {};
}

Status Isolation::filter(const FilterPlan& plan, std::vector<sock_filter>& into) {
  auto found = filters_.find(plan);
  if (found == filters_.end()) {
    auto made = system_call_filter(plan);
    if (!made) return made.error();
    found = filters_.emplace(plan, std::move(*made)).first;
  }
  into = found->second;
  return {};
}

void Isolation::confine_group(const HostWish& wish, Confinement& out) {
  if (!groups_.available()) {
    list(out.told.weaker, "no cgroup (" + groups_.why_not() + ")");
    return;
  }
  auto group = groups_.make(wish.instance, wish.limits);
  if (!group) {
    list(out.told.weaker, "no cgroup (" + group.error().text() + ")");
    return;
  }
  out.group = std::move(*group);
  const std::string& settings = out.group->words();
  list(out.told.words,
       settings.empty() ? "cgroup without controllers" : "cgroup (" + settings + ")");
  if (!out.group->trouble().empty()) list(out.told.weaker, out.group->trouble());
}

}  // namespace tallyman::agent
