#include "agent/isolation/landlock.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>

#include "agent/isolation/guard.hpp"

namespace tallyman::agent {
namespace {

namespace fs = std::filesystem;

class Landlock : public testing::Test {
 protected:
  void SetUp() override {
    if (landlock_abi() == 0) GTEST_SKIP() << "no Landlock in this kernel";
    std::string name = "/tmp/tallyman-landlock-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    for (const char* sub : {"granted", "granted/sub", "other"}) fs::create_directory(folder_ / sub);
    for (const char* file : {"granted/a", "granted/sub/b", "other/c"}) {
      std::ofstream(folder_ / file) << "x";
    }
    fs::create_symlink(folder_ / "other", folder_ / "granted/link");
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  [[nodiscard]] std::string at(const char* path) const { return folder_ / path; }

  /// The errno of a call in a child that is confined to the access; 0 = it went well.
  int outcome(const Access& access, const std::function<long()>& call, unsigned abi = 0) {
    const Fd self(open("/proc/self/exe", O_PATH | O_CLOEXEC));
    if (abi == 0) abi = landlock_abi();
    auto ruleset = make_ruleset({abi, access.network, self.get(), self.get()});
    if (!ruleset) return 200;
    found_.clear();
    for (const GrantedPath& path : granted_paths(access, abi)) {
      found_.push_back(let_through(ruleset->get(), path));
    }
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      if (syscall(SYS_landlock_restrict_self, ruleset->get(), 0U) != 0) _exit(200);
      errno = 0;
      _exit(call() < 0 ? errno : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int opening(const Access& access, const std::string& path, int flags, unsigned abi = 0) {
    return outcome(
        access, [&] { return open(path.c_str(), flags | O_CLOEXEC, 0600); }, abi);
  }

  fs::path folder_;
  std::vector<Found> found_;
};

// Given nothing granted, then libraries and /dev/null are to be had, and no file of anybody's, nor
// a folder's list, even by root.
TEST_F(Landlock, nothing_granted) {
  EXPECT_EQ(opening({}, "/usr/bin/env", O_RDONLY), 0);
  EXPECT_EQ(opening({}, "/dev/null", O_RDWR), 0);
  EXPECT_EQ(opening({}, "/dev/urandom", O_RDONLY), 0);
  for (const std::string& path :
       {at("granted/a"), std::string("/etc/passwd"), std::string("/etc"), std::string("/"),
        std::string("/proc/1/status"), std::string("/tmp"), std::string("/root")}) {
    EXPECT_EQ(opening({}, path, O_RDONLY), EACCES) << path;
  }
  EXPECT_EQ(opening({}, at("new"), O_WRONLY | O_CREAT), EACCES);
  EXPECT_EQ(outcome({}, [&] { return unlink(at("granted/a").c_str()); }), EACCES);
  EXPECT_EQ(outcome({}, [&] { return mkdir(at("made").c_str(), 0700); }), EACCES);
  if (landlock_abi() >= 3) {
    EXPECT_EQ(outcome({}, [&] { return truncate(at("granted/a").c_str(), 0); }), EACCES);
  }
}

// Given a folder to read, then what is below it is read and not written, and a link in it leads
// nowhere else.
TEST_F(Landlock, reading) {
  const Access access{0, {{at("granted"), "", false}}, false};
  EXPECT_EQ(opening(access, at("granted/sub/b"), O_RDONLY), 0);
  EXPECT_EQ(opening(access, at("granted"), O_RDONLY | O_DIRECTORY), 0);
  EXPECT_EQ(opening(access, at("granted/a"), O_WRONLY), EACCES);
  EXPECT_EQ(opening(access, at("granted/new"), O_WRONLY | O_CREAT), EACCES);
  EXPECT_EQ(opening(access, at("granted/link/c"), O_RDONLY), EACCES);
  EXPECT_EQ(opening(access, at("other/c"), O_RDONLY), EACCES);
}

// Given a folder to write, then files below it are made, written and removed, and none executed.
TEST_F(Landlock, writing) {
  const Access access{0, {{at("granted"), "", true}}, false};
  EXPECT_EQ(opening(access, at("granted/new"), O_RDWR | O_CREAT), 0);
  EXPECT_EQ(outcome(access, [&] { return unlink(at("granted/new").c_str()); }), 0);
  EXPECT_EQ(opening(access, at("other/new"), O_WRONLY | O_CREAT), EACCES);
  fs::copy_file("/bin/true", at("granted/true"));
  EXPECT_EQ(outcome(access, [&] { return execl(at("granted/true").c_str(), "true", nullptr); }),
            EACCES);
}

// Given what is needed below a granted folder, then a folder is had alone, and a file with its
// folder: it may be replaced. A link that somebody places there does not lead out.
TEST_F(Landlock, below_a_grant) {
  const Access sub{0, {{at("granted"), "sub", false}}, false};
  EXPECT_EQ(opening(sub, at("granted/sub/b"), O_RDONLY), 0);
  EXPECT_EQ(opening(sub, at("granted/a"), O_RDONLY), EACCES);
  const Access file{0, {{at("granted"), "sub/b", false}}, false};
  EXPECT_EQ(outcome(file,
                    [&] {
                      if (rename(at("granted/a").c_str(), at("granted/sub/b").c_str()) == 0)
                        return 1;
                      return open(at("granted/sub/b").c_str(), O_RDONLY);
                    }),
            0);
  EXPECT_EQ(opening(file, at("granted/a"), O_RDONLY), EACCES);
  const Access later{0, {{at("granted"), "sub/later", false}}, false};
  EXPECT_EQ(opening(later, at("granted/sub/b"), O_RDONLY), 0) << "its folder is what is granted";
  const Access link{0, {{at("granted"), "link/c", false}}, false};
  EXPECT_EQ(opening(link, at("other/c"), O_RDONLY), EACCES);
  EXPECT_EQ(found_, std::vector{Found::nothing});
}

// Given a granted path that is not there, one of /proc, and a socket, then each is found as what it
// is, and no descriptor is left open but that of /proc.
TEST_F(Landlock, finds) {
  const Fd listener(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  at("granted/sock").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const char* id = "/proc/sys/kernel/random/boot_id";
  const Access access{0,
                      {{at("granted"), "sock", true},
                       {at("granted/sock"), "", true},
                       {id, "", false},
                       {at("nowhere"), "", false},
                       {at("granted"), "no/where", false}},
                      false};
  EXPECT_EQ(opening(access, id, O_RDONLY), 0);
  EXPECT_EQ(found_, (std::vector{Found::socket, Found::socket, Found::file, Found::nothing,
                                 Found::nothing}));
  int pins = 0;
  for (int fd = 3; fd < 64; fd++) {
    std::error_code ignored;
    const fs::path link = "/proc/self/fd/" + std::to_string(fd);
    if (fs::read_symlink(link, ignored) != id) continue;
    pins++;
    EXPECT_EQ(fcntl(fd, F_GETFD), 0) << "it stays open across exec";
    close(fd);
  }
  EXPECT_EQ(pins, 1);
}

// Given any ABI up to the kernel's, then a ruleset can be made of what it knows, and files are
// guarded by it.
TEST_F(Landlock, every_abi) {
  for (unsigned abi = 1; abi <= landlock_abi(); abi++) {
    EXPECT_EQ(opening({}, at("granted/a"), O_RDONLY, abi), EACCES) << abi;
    EXPECT_EQ(opening({}, "/dev/null", O_RDWR, abi), 0) << abi;
  }
}

// Given a process outside, then a confined one cannot signal it, look into it, or trace it.
TEST_F(Landlock, processes_outside) {
  const pid_t outside = getpid();
  const std::string memory = "/proc/" + std::to_string(outside) + "/mem";
  const Access proc{0, {{"/proc", "", false}}, false};
  EXPECT_EQ(opening(proc, "/proc/" + std::to_string(outside) + "/stat", O_RDONLY), 0);
  EXPECT_EQ(opening(proc, memory, O_RDONLY), EACCES);
  if (landlock_abi() < 6) GTEST_SKIP() << "signals are not restricted before ABI 6";
  EXPECT_EQ(outcome({}, [&] { return kill(outside, 0); }), EPERM);
}

// Given ABIs, then each restricts what it knows, and TCP unless the network is granted.
TEST(LandlockScope, by_abi) {
  EXPECT_EQ(landlock_scope(0, false), LandlockScope{});
  EXPECT_EQ(landlock_scope(1, false), (LandlockScope{0x1FFF, 0, 0}));
  EXPECT_EQ(landlock_scope(2, false), (LandlockScope{0x3FFF, 0, 0}));
  EXPECT_EQ(landlock_scope(3, true), (LandlockScope{0x7FFF, 0, 0}));
  EXPECT_EQ(landlock_scope(4, false), (LandlockScope{0x7FFF, 3, 0}));
  EXPECT_EQ(landlock_scope(4, true), (LandlockScope{0x7FFF, 0, 0}));
  EXPECT_EQ(landlock_scope(5, false), (LandlockScope{0xFFFF, 3, 0}));
  EXPECT_EQ(landlock_scope(6, false), (LandlockScope{0xFFFF, 3, 3}));
  EXPECT_EQ(landlock_scope(99, true), (LandlockScope{0xFFFF, 0, 3}));
}

// Given a folder or a file, then no right is asked for that the ABI or the kind does not know.
TEST(LandlockScope, rights) {
  for (unsigned abi = 1; abi < 9; abi++) {
    const std::uint64_t handled = landlock_scope(abi, false).files;
    for (const bool write : {false, true}) {
      const std::uint64_t folder = landlock_rights(handled, true, write);
      const std::uint64_t file = landlock_rights(handled, false, write);
      EXPECT_EQ((folder | file) & ~handled, 0U);
      EXPECT_EQ(file & 0x3FF8U, 0U) << "of folders only";
      EXPECT_EQ(folder & 0x841U, 0U) << "neither executed nor devices made";
      EXPECT_EQ((folder & 2U) != 0, write);
    }
  }
}

// Given folders that let others in, then their modes are mended, and told; what is tight stays.
TEST(Guard, mends_modes) {
  std::string name = "/tmp/tallyman-guard-XXXXXX";
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  auto mode = [&] { return fs::status(name).permissions(); };
  EXPECT_EQ(*keep_private(name), "");
  chmod(name.c_str(), 0775);
  EXPECT_EQ(*keep_own(name), name + " was open to others (mode 0775): now 0755");
  EXPECT_EQ(mode(), fs::perms(0755));
  EXPECT_EQ(*keep_own(name), "");
  EXPECT_EQ(*keep_private(name), name + " was open to others (mode 0755): now 0700");
  EXPECT_EQ(mode(), fs::perms(0700));
  fs::remove_all(name);
  EXPECT_FALSE(keep_private(name));
}

}  // namespace
}  // namespace tallyman::agent
