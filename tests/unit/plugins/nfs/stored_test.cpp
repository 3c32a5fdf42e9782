#include "nfs/stored.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <tallyman/epoch.hpp>

#include "nfs/helpers.hpp"
#include "nfs/stored_part.hpp"
#include "recorder.hpp"

namespace nfs {
namespace {

using namespace std::chrono_literals;

Helpers::Time in(std::chrono::seconds time) { return std::chrono::steady_clock::now() + time; }

std::string why(const Measured& measured) { return std::get<Fault>(measured).what; }

// Given what a file system says of itself, then what is used is exact, and figures that contradict
// each other give nothing.
TEST(Stored, figures) {
  EXPECT_EQ(std::get<Stored>(used_of(4096, 100, 40)).bytes, 60U * 4096U);
  EXPECT_TRUE(std::holds_alternative<Fault>(used_of(4096, 40, 100)));
  EXPECT_TRUE(std::holds_alternative<Fault>(used_of(0, 40, 10)));
  EXPECT_TRUE(std::holds_alternative<Fault>(used_of(4096, 0, 0)));
  EXPECT_TRUE(std::holds_alternative<Fault>(used_of(UINT64_MAX, 2, 0)));
  dqblk quota{};
  quota.dqb_curspace = 123;
  EXPECT_TRUE(std::holds_alternative<Fault>(used_of(quota)));
  quota.dqb_valid = QIF_SPACE;
  EXPECT_EQ(std::get<Stored>(used_of(quota)), (Stored{123, "project quota", {}, {}, {}}));
}

// Given the mounts, then the part of a file system that one shows is found by its number.
TEST(Stored, mounts) {
  constexpr const char* kMounts =
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "31 22 8:2 / /srv/whole rw - ext4 /dev/sdb rw\n"
      "32 22 8:1 /srv/part /srv/bound rw - ext4 /dev/sda1 rw\n"
      "33 22 0:40 / /mnt/nas rw shared:2 master:3 - nfs4 nas:/vol/a rw\n"
      "34 22 0:41 / /mnt/cut rw shared:2\n";
  EXPECT_EQ(mount_of(kMounts, 31), (Mount{"/", "ext4"}));
  EXPECT_EQ(mount_of(kMounts, 32), (Mount{"/srv/part", "ext4"}));
  EXPECT_EQ(mount_of(kMounts, 33), (Mount{"/", "nfs4"}));
  EXPECT_FALSE(mount_of(kMounts, 34).has_value());
  EXPECT_FALSE(mount_of(kMounts, 3).has_value());
  EXPECT_FALSE(mount_of("", 3).has_value());
}

// Given a file system behind which there may be everybody's bytes, then it is not one of this host.
TEST(Stored, only_local_file_systems_count_their_own) {
  for (const char* type : {"ext4", "xfs", "zfs", "tmpfs"}) EXPECT_TRUE(is_local(type)) << type;
  for (const char* type :
       {"nfs4", "cifs", "fuse.ceph-fuse", "fuse.glusterfs", "overlay", "ceph", ""}) {
    EXPECT_FALSE(is_local(type)) << type;
  }
}

// Given two CephFS of one cluster, then their folders differ though their inodes do not; where the
// kernel does not tell which it is, the folder is not known.
TEST(Stored, folders_of_cephfs) {
  EXPECT_EQ(folder_of_cephfs(1, 1099511627776), "fs 1 inode 1099511627776");
  EXPECT_NE(folder_of_cephfs(1, 1), folder_of_cephfs(2, 1));
  for (const int none : {-1, 0, 0x10000, INT32_MIN})
    EXPECT_FALSE(folder_of_cephfs(none, 1)) << none;
}

// Given what a helper has to say, then it is read as it was meant; anything else is no measure.
TEST(Stored, reports) {
  for (const Measured& measured : {Measured(Stored{UINT64_MAX, "statvfs", {}, {}, "8:1"}),
                                   Measured(Stored{0, "x", "fsid", "fs 1 inode 2", {}}),
                                   Measured(Fault{"gone"}), Measured(Fault{""})}) {
    EXPECT_EQ(from_report(to_report(measured)), measured);
    const std::string report = to_report(measured);
    for (std::size_t n = 0; n < report.size(); ++n) {
      EXPECT_TRUE(std::holds_alternative<Fault>(from_report(report.substr(0, n))));
    }
  }
  EXPECT_EQ(why(from_report(to_report(Fault{"a\nb"}))), "a b");
}

// Given a folder that shares its file system with others, then what it holds is not known.
TEST(Stored, a_plain_folder_is_not_known) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("tm-stored-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  std::ifstream mounts("/proc/self/mountinfo");
  const Surroundings around{false, {std::istreambuf_iterator<char>(mounts), {}}, "/sys/fs/btrfs"};
  EXPECT_TRUE(std::holds_alternative<Fault>(measure(folder.string(), around)));
  EXPECT_TRUE(std::holds_alternative<Fault>(measure(folder.string() + "/not-there", around)));
  std::filesystem::remove(folder);
}

// Given folders of which one hangs and one takes its helper down, then the others are measured, and
// the run ends.
TEST(HelpersRun, one_that_hangs_costs_itself_alone) {
  Helpers helpers({.at_once = 2, .stuck = 4, .each = 100ms});
  const auto look = [](const std::string& path) -> Measured {
    if (path == "/hangs") {
      while (true) pause();
    }
    if (path == "/dies") raise(SIGKILL);
    if (path == "/long") return Fault{std::string(100'000, 'x')};
    return Stored{path.size(), "test", {}, {}, {}};
  };
  const std::vector<std::string> paths{"/a", "/hangs", "/dies", "/bc", "/long", "/def"};
  for (int round = 0; round < 3; ++round) {
    const auto got = helpers.run(paths, look, in(60s));
    ASSERT_EQ(got.size(), paths.size());
    // A busy machine may let any of them be late, but none with a wrong number.
    for (const std::size_t i : {0U, 3U, 5U}) {
      if (const auto* stored = std::get_if<Stored>(&got[i])) {
        EXPECT_EQ(stored->bytes, paths[i].size());
      }
    }
    EXPECT_TRUE(std::holds_alternative<Fault>(got[1]));
    EXPECT_TRUE(std::holds_alternative<Fault>(got[2]));
    EXPECT_TRUE(std::holds_alternative<Fault>(got[4]));
  }
}

// Given folders that hang before others, more than there is time for, then the next run looks at
// the others first.
TEST(HelpersRun, those_that_hang_come_last) {
  Helpers helpers({.at_once = 1, .stuck = 8, .each = 1s});
  const auto look = [](const std::string& path) -> Measured {
    while (path.starts_with("/hangs")) pause();
    return Stored{path.size(), "test", {}, {}, {}};
  };
  const std::vector<std::string> paths{"/hangs1", "/hangs2", "/good"};
  // Each time there is time for one that hangs, and for none besides.
  bool measured = false;
  for (int round = 0; round < 10 && !measured; ++round) {
    measured = std::holds_alternative<Stored>(helpers.run(paths, look, in(1s))[2]);
  }
  EXPECT_TRUE(measured);
}

// Given no time, then nobody is sent, and everything is unknown.
TEST(HelpersRun, without_time_nothing_is_known) {
  Helpers helpers({});
  const auto look = [](const std::string&) -> Measured { return Stored{}; };
  const auto got = helpers.run({"/a", "/b"}, look, std::chrono::steady_clock::now());
  for (const Measured& measured : got) EXPECT_NE(why(measured).find("no time"), std::string::npos);
}

// Given exports that cannot be measured, two of them in one folder, then each is a gap with the
// reason, of its own series.
TEST(StoredPart, what_is_not_known_is_a_gap) {
  test::RecordingHost host;
  SharedFolders shared;
  StoredPart part(host.host(), "/sys/fs/btrfs", 2000ms);
  host.poll(1000, [&](Outlet& out) {
    part.tell(out, {{1, "77", "/proc/not-there"}, {1, "78", "/proc/not-there"}}, shared, in(60s));
  });
  EXPECT_TRUE(host.readings.empty());
  ASSERT_EQ(host.gaps.size(), 2U);
  EXPECT_EQ(host.gaps[0].identity, std::vector<std::string>{"77"});
  EXPECT_EQ(host.gaps[1].identity, std::vector<std::string>{"78"});
  EXPECT_NE(host.gaps[0].why.find("/proc/not-there: "), std::string::npos);
}

// Given a file system that counts no blocks, then it is not taken for an empty one.
TEST(StoredPart, a_file_system_without_figures_is_not_empty) {
  test::RecordingHost host;
  StoredPart part(host.host(), "/sys/fs/btrfs", 60'000ms);
  SharedFolders shared;
  host.poll(1000, [&](Outlet& out) {
    part.tell(out, {{1, "77", "/proc", false}, {1, "78", "/proc/.", true}}, shared, in(60s));
  });
  EXPECT_TRUE(host.readings.empty());
  ASSERT_EQ(host.gaps.size(), 2U);
  EXPECT_NE(host.gaps[0].why.find("of type proc"), std::string::npos);
  EXPECT_NE(host.gaps[1].why.find("does not count blocks"), std::string::npos);
}

// Given one local file system at two places, then neither is told: its bytes would be told twice.
// At one place under two names, both are.
TEST(StoredPart, one_file_system_at_two_places) {
  test::RecordingHost host;
  SharedFolders shared;
  StoredPart part(host.host(), "/sys/fs/btrfs", 60'000ms);
  host.poll(1000, [&](Outlet& out) {
    part.tell(out, {{1, "77", "/dev/shm"}, {1, "78", "/dev/shm/."}}, shared, in(60s));
  });
  if (host.gaps.size() == 2 && host.gaps[0].why.find("one file system at") == std::string::npos) {
    GTEST_SKIP() << "no tmpfs here: " << host.gaps[0].why;
  }
  EXPECT_TRUE(host.readings.empty());
  EXPECT_EQ(host.gaps.size(), 2U);
  host.poll(1010, [&](Outlet& out) {
    part.tell(out, {{1, "77", "/dev/shm"}, {1, "78", "/dev/shm"}}, shared, in(60s));
  });
  EXPECT_EQ(host.readings.size(), 2U);
}

// Given a folder known to be on a CephFS that does not answer, also after a restart, then it is a
// gap of its own series, which would seem to have ended otherwise.
TEST(StoredPart, a_shared_folder_that_is_silent_has_not_ended) {
  test::RecordingHost host;
  SharedFolders shared{
      {tallyman::plugin::epoch("/proc/not-there"), SharedFolder{"fsid", "fs 1 inode 2"}}};
  StoredPart part(host.host(), "/sys/fs/btrfs", 2000ms);
  host.poll(1000, [&](Outlet& out) {
    part.tell(out, {{7, "77", "/proc/not-there"}}, shared, in(60s));
  });
  ASSERT_EQ(host.gaps.size(), 1U);
  EXPECT_EQ(host.sources, std::vector<std::string>{"cephfs:fsid"});
  EXPECT_EQ(host.gaps[0].source, 1U);
  EXPECT_EQ(host.gaps[0].identity, std::vector<std::string>{"fs 1 inode 2"});
}

}  // namespace
}  // namespace nfs
