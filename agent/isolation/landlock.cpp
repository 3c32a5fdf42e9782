#include "agent/isolation/landlock.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "agent/isolation/readable.hpp"

namespace tallyman::agent {
namespace {

constexpr std::uint64_t bit(unsigned n) { return std::uint64_t{1} << n; }

// As the kernel's landlock.h numbers them, with what Debian 12's does not have yet.
constexpr std::uint64_t kExecute = bit(0), kWriteFile = bit(1), kReadFile = bit(2),
                        kReadDir = bit(3), kMakeChar = bit(6), kMakeBlock = bit(11),
                        kTruncate = bit(14), kIoctlDevice = bit(15);
constexpr std::uint64_t kFilesOfAbi1 = bit(13) - 1, kRefer = bit(13);
constexpr std::uint64_t kBindTcp = bit(0), kConnectTcp = bit(1);
constexpr std::uint64_t kAbstractSockets = bit(0), kSignals = bit(1);

/// struct landlock_ruleset_attr as of ABI 6; older kernels take its beginning.
struct RulesetAttributes {
  std::uint64_t files, network, outside;
};

std::size_t attributes_size(unsigned abi) {
  if (abi >= 6) return sizeof(RulesetAttributes);
  return abi >= 4 ? offsetof(RulesetAttributes, outside) : offsetof(RulesetAttributes, network);
}

bool is_folder(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

bool add_rule(int ruleset, int fd, std::uint64_t rights) {
  const landlock_path_beneath_attr rule{rights, fd};
  return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0U) == 0;
}

bool is_of_proc(int fd) {
  struct statfs system {};
  return fstatfs(fd, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

int open_path(const char* path) { return open(path, O_PATH | O_CLOEXEC); }

/// A path below a folder, never led out of it by a link that somebody placed within.
int open_beneath(int folder, const char* rest) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, folder, rest, &how, sizeof how));
}

/// What is needed of a granted path. Of a file below a granted folder, its own folder: a rule holds
/// for one file, and such a file may be replaced by another of its name, or not be there yet: then
/// it may become a socket.
int open_granted(const GrantedPath& path, bool& socket) {
  const int granted = open_path(path.granted.c_str());
  if (granted < 0 || path.rest.empty()) return granted;
  const int needed = open_beneath(granted, path.rest.c_str());
  struct stat status {};
  socket = needed < 0 || (fstat(needed, &status) == 0 && S_ISSOCK(status.st_mode));
  int taken = needed;
  if (needed < 0 || !S_ISDIR(status.st_mode)) {
    if (needed >= 0) close(needed);
    taken = path.parent.empty() ? granted : open_beneath(granted, path.parent.c_str());
  }
  if (taken != granted) close(granted);
  return taken;
}

void open_free(int ruleset, std::uint64_t handled, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const Fd fd(open_path(path.c_str()));
    if (!fd.valid()) continue;
    add_rule(ruleset, fd.get(), landlock_rights(handled, is_folder(fd.get()), false) | kExecute);
  }
}

}  // namespace

unsigned landlock_abi() {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0U, LANDLOCK_CREATE_RULESET_VERSION);
  return abi > 0 ? static_cast<unsigned>(abi) : 0;
}

LandlockScope landlock_scope(unsigned abi, bool network) {
  LandlockScope scope;
  if (abi >= 1) scope.files = kFilesOfAbi1;
  if (abi >= 2) scope.files |= kRefer;
  if (abi >= 3) scope.files |= kTruncate;
  if (abi >= 4 && !network) scope.network = kBindTcp | kConnectTcp;
  if (abi >= 5) scope.files |= kIoctlDevice;
  if (abi >= 6) scope.outside = kAbstractSockets | kSignals;
  return scope;
}

std::uint64_t landlock_rights(std::uint64_t handled, bool folder, bool write) {
  constexpr std::uint64_t kOfAFile = kReadFile | kWriteFile | kTruncate | kIoctlDevice;
  std::uint64_t rights = kReadFile | kReadDir;
  if (write) rights = handled & ~(kExecute | kMakeChar | kMakeBlock);
  return rights & handled & (folder ? ~std::uint64_t{0} : kOfAFile);
}

Result<Fd> make_ruleset(const RulesetPlan& plan) {
  const LandlockScope scope = landlock_scope(plan.abi, plan.network);
  const RulesetAttributes attributes{scope.files, scope.network, scope.outside};
  Fd made(static_cast<int>(
      syscall(SYS_landlock_create_ruleset, &attributes, attributes_size(plan.abi), 0U)));
  if (!made.valid()) return errno_error("cannot make a ruleset", "Landlock", errno);
  open_free(made.get(), scope.files, free_paths());
  if (plan.network) open_free(made.get(), scope.files, network_paths());
  const Fd null(open_path("/dev/null"));
  if (null.valid()) add_rule(made.get(), null.get(), landlock_rights(scope.files, false, true));
  for (int file : {plan.plugin, plan.program}) {
    // A copy in memory is on no file system: Landlock leaves it alone.
    if (is_copy(file)) continue;
    const std::uint64_t rights = landlock_rights(scope.files, false, false) | kExecute;
    if (add_rule(made.get(), file, rights)) continue;
    return errno_error("cannot let a plugin through to its own file", "Landlock", errno);
  }
  return made;
}

std::vector<GrantedPath> granted_paths(const Access& access, unsigned abi) {
  std::vector<GrantedPath> out;
  const std::uint64_t handled = landlock_scope(abi, access.network).files;
  for (const PathAccess& path : access.paths) {
    const std::size_t slash = path.rest.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : path.rest.substr(0, slash);
    out.push_back({path.granted, path.rest, parent, path.write, handled});
  }
  return out;
}

Found let_through(int ruleset, const GrantedPath& path) {
  bool socket = false;
  const int fd = open_granted(path, socket);
  struct stat status {};
  if (fd < 0 || fstat(fd, &status) != 0) return Found::nothing;
  socket = socket || S_ISSOCK(status.st_mode);
  const bool added =
      ruleset < 0 ||
      add_rule(ruleset, fd, landlock_rights(path.handled, S_ISDIR(status.st_mode), path.write));
  if (is_of_proc(fd)) {
    fcntl(fd, F_SETFD, 0);
  } else {
    close(fd);
  }
  if (!added) return Found::nothing;
  return socket ? Found::socket : Found::file;
}

}  // namespace tallyman::agent
