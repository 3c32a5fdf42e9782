#pragma once
// What this machine has to confine plugins with, found once, and what of it each host gets.

#include <map>
#include <optional>
#include <string>

#include "agent/instance/limits.hpp"
#include "agent/isolation/cgroup.hpp"
#include "agent/isolation/confinement.hpp"
#include "agent/isolation/grants.hpp"
#include "agent/isolation/readable.hpp"
#include "agent/isolation/system_calls.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

/// What the agent may do, and what the kernel offers.
struct Means {
  Capabilities own = 0;  ///< effective
  uid_t uid = 0;
  std::string uid_map, gid_map;  ///< the texts of /proc/self
  unsigned landlock = 0;         ///< its ABI, 0 = none
  bool seccomp = false;
  [[nodiscard]] static Means of_this_process();
};

/// Who a host can be, and how far that goes. Pure.
struct Standing {
  bool becomes_user = false;
  bool bounded = false;
  Capabilities capabilities = 0;
  std::string weaker;
};
[[nodiscard]] Standing standing_of(const Means& means, const User& user, Capabilities granted);

/// What a host is to be.
struct HostWish {
  std::string instance;
  std::string plugin;   ///< the file it loads
  std::string program;  ///< the host's own
  User user;
  Access access;
  Limits limits;
};

/// Owned by the Agent; main thread.
class Isolation {
 public:
  explicit Isolation(Means means = Means::of_this_process(), Cgroups groups = Cgroups::open());

  /// Everything that can be had for it; what cannot is named in `weaker`. An error: the plugin or
  /// its host cannot be opened, or the kernel refused what it offered.
  [[nodiscard]] Result<Confinement> confine(const HostWish& wish);

 private:
  Status open_files(const HostWish& wish, Confinement& out);
  void confine_user(const HostWish& wish, Confinement& out) const;
  Status confine_files(const HostWish& wish, Confinement& out) const;
  Status confine_calls(const HostWish& wish, Confinement& out);
  Status filter(const FilterPlan& plan, std::vector<sock_filter>& into);
  void confine_group(const HostWish& wish, Confinement& out);

  Means means_;
  Cgroups groups_;
  ReadableFiles files_;
  std::map<FilterPlan, std::vector<sock_filter>> filters_;  ///< made already
};

}  // namespace tallyman::agent
