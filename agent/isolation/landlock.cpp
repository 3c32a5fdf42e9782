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

Status add_rule(int ruleset, int fd, std::uint64_t rights, const std::string& path) {
  const landlock_path_beneath_attr rule{rights, fd};
  if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0U) == 0) {
    return {};
  }
  return errno_error("cannot let a plugin through to a path", path, errno);
}

bool is_of_proc(int fd) {
  struct statfs system {};
  return fstatfs(fd, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

/// A path below a folder, never led out of it by a link that somebody placed within.
Fd open_beneath(int folder, const std::string& rest) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const long fd = syscall(SYS_openat2, folder, rest.c_str(), &how, sizeof how);
  return Fd(static_cast<int>(fd));
}

/// What is needed of a granted path. Of a file below a granted folder, its own folder: a rule holds
/// for one file, and such a file may be replaced by another of its name, or not be there yet.
Fd open_granted(const PathAccess& access) {
  Fd granted(open(access.granted.c_str(), O_PATH | O_CLOEXEC));
  if (!granted.valid() || access.rest.empty()) return granted;
  Fd needed = open_beneath(granted.get(), access.rest);
  if (needed.valid() && is_folder(needed.get())) return needed;
  const std::size_t slash = access.rest.rfind('/');
  if (slash == std::string::npos) return granted;
  return open_beneath(granted.get(), access.rest.substr(0, slash));
}

class Maker {
 public:
  explicit Maker(const RulesetPlan& plan)
      : plan_(plan), scope_(landlock_scope(plan.abi, plan.access.network)) {}

  Result<Ruleset> make() {
    const RulesetAttributes attributes{scope_.files, scope_.network, scope_.outside};
    made_.fd.reset(static_cast<int>(
        syscall(SYS_landlock_create_ruleset, &attributes, attributes_size(plan_.abi), 0U)));
    if (!made_.fd.valid()) return errno_error("cannot make a Landlock ruleset", "", errno);
    for (const std::string& path : free_paths()) free(path);
    if (plan_.access.network) {
      for (const std::string& path : network_paths()) free(path);
    }
    const Fd null(open("/dev/null", O_PATH | O_CLOEXEC));
    if (null.valid()) add(null.get(), true, false, "/dev/null");
    for (int file : {plan_.plugin, plan_.program}) {
      // A copy in memory is on no file system: Landlock leaves it alone.
      if (!is_copy(file)) add(file, false, true, "the plugin");
    }
    for (const PathAccess& access : plan_.access.paths) grant(access);
    if (!problem_.ok()) return problem_.error();
    return std::move(made_);
  }

 private:
  void free(const std::string& path) {
    const Fd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (fd.valid()) add(fd.get(), false, true, path);
  }

  void grant(const PathAccess& access) {
    Fd fd = open_granted(access);
    if (!fd.valid()) {
      made_.missing += (made_.missing.empty() ? "" : ", ") + access.path();
      return;
    }
    add(fd.get(), access.write, false, access.path());
    if (is_of_proc(fd.get())) made_.pins.push_back(std::move(fd));
  }

  void add(int fd, bool write, bool execute, const std::string& path) {
    if (!problem_.ok()) return;
    std::uint64_t rights = landlock_rights(scope_.files, is_folder(fd), write);
    if (execute) rights |= kExecute;
    problem_ = add_rule(made_.fd.get(), fd, rights, path);
  }

  const RulesetPlan& plan_;
  LandlockScope scope_;
  Ruleset made_;
  Status problem_;
};

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

Result<Ruleset> make_ruleset(const RulesetPlan& plan) { return Maker(plan).make(); }

}  // namespace tallyman::agent
