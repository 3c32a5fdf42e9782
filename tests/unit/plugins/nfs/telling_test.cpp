#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "answers.hpp"
#include "nfs/ganesha_part.hpp"
#include "nfs/nfsd_part.hpp"
#include "recorder.hpp"

namespace nfs {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::uint64_t value_of(const test::RecordingHost& host, Metric metric,
                       const std::vector<std::string>& identity) {
  for (const test::Told& told : host.readings) {
    if (told.metric == metric && told.identity == identity) return told.value;
  }
  throw std::runtime_error("not told");
}

// Given a captured Ganesha, then every version of every export is told, those never used as zero,
// with the export's path as it is on this host.
TEST(Telling, ganesha) {
  test::Answering server;
  test::answer_as_captured(server);
  const auto snapshot = std::get<Snapshot>(read_ganesha(server, true));
  const std::vector<Life> lives{{}, {7 * kSecond, true}, {}};
  test::RecordingHost host;
  host.poll(1000, [&](Outlet& out) {
    tell_exports(out, snapshot, lives, 3);
    tell_clients(out, snapshot, std::vector<Life>(1), 3);
  });
  EXPECT_EQ(host.readings.size(), 4U * 4U * 4U);
  EXPECT_EQ(value_of(host, kWrittenBytes, {"77", "3"}), 6'000'000U);
  EXPECT_EQ(value_of(host, kReadBytes, {"78", "4.0"}), 3'000'000U);
  EXPECT_EQ(value_of(host, kWrittenBytes, {"78", "4.0"}), 3000U);
  EXPECT_EQ(value_of(host, kWrittenBytes, {"78", "4.2"}), 0U);
  EXPECT_EQ(value_of(host, kWriteOperations, {"78", "3"}), 3U);
  EXPECT_EQ(value_of(host, kClientReadBytes, {"::ffff:10.203.0.2", "4.0"}), 3'000'000U);
  std::map<std::string, std::uint64_t> epochs;
  for (const test::Told& told : host.readings) {
    if (told.metric != kReadBytes) continue;
    const std::uint64_t epoch = epochs.emplace(told.identity[0], told.epoch).first->second;
    EXPECT_EQ(told.epoch, epoch);
    EXPECT_EQ(told.start, told.identity[0] == "78" ? 7 * kSecond : 0);
    if (told.identity[0] == "77") {
      EXPECT_EQ(told.info, (std::vector<std::string>{"/srv/a", "/exp-a", ""}));
    }
  }
  EXPECT_EQ(epochs.size(), 3U);
}

/// Polls of one kernel, as the plugin makes them.
class Kernel {
 public:
  const std::vector<test::Told>& poll(std::int64_t now) {
    if (watch_.since == 0) watch_.since = now * kSecond;
    host.poll(now, [&](Outlet& out) {
      note_boot(watch_, snapshot);
      tell_kernel(out, snapshot, watch_, 1);
    });
    return host.readings;
  }
  /// By when it counts from.
  std::map<std::int64_t, std::uint64_t> read_bytes(std::int64_t now) {
    std::map<std::int64_t, std::uint64_t> out;
    for (const test::Told& told : poll(now)) {
      if (told.metric == kKernelReadBytes) out.emplace(told.start, told.value);
    }
    return out;
  }

  test::RecordingHost host;
  KernelSnapshot snapshot{
      "boot", 10'000 * kSecond, {{"/srv/a b", "*", 100, 7, 9}}, KernelServer{70, 90}, {}, 4, {}};

 private:
  KernelWatch watch_;
};

// Given an entry of the kernel's that it makes anew at zero, then that is another epoch, which
// counts from when it began, whatever becomes of the clock; the old one goes on with its last
// figures as long as it is listed.
TEST(Telling, kernel) {
  Kernel kernel;
  const auto first = kernel.poll(10'500);
  ASSERT_EQ(first.size(), 5U);
  EXPECT_EQ(first[0].identity, (std::vector<std::string>{"/srv/a b", "*"}));
  EXPECT_EQ(first[0].start, 0);
  kernel.snapshot.exports = {{"/srv/a b", "*", 100, 20, 9}, {"/srv/a b", "*", 505, 1, 0}};
  kernel.snapshot.booted += 1000;  // slewed meanwhile
  const auto second = kernel.poll(10'510);
  ASSERT_EQ(second.size(), 7U);
  EXPECT_EQ(second[0].epoch, first[0].epoch);
  EXPECT_EQ(second[0].value, 20U);
  EXPECT_NE(second[2].epoch, first[0].epoch);
  EXPECT_EQ(second[2].start, 10'505 * kSecond);
  EXPECT_EQ(second[4].epoch, first[2].epoch);
  kernel.snapshot.exports.erase(kernel.snapshot.exports.begin());
  kernel.snapshot.booted += 3600 * kSecond;
  const auto third = kernel.poll(10'520);
  EXPECT_EQ(third[0].epoch, second[2].epoch);
  EXPECT_EQ(third[0].start, second[2].start);
}

// Given an entry that is looked up anew within a second after a poll, so that it seems to have
// begun before it, then all of it counts.
TEST(Telling, an_entry_made_anew_just_after_a_poll) {
  Kernel kernel;
  kernel.snapshot.booted += 300'000'000;
  (void)kernel.poll(10'500);
  // Really at 10'510.9, after the poll at 10'510: told as 10'509.9.
  kernel.snapshot.exports = {{"/srv/a b", "*", 509, 9'400, 0}};
  const std::map<std::int64_t, std::uint64_t> all{{10'509 * kSecond + 300'000'000, 9'400}};
  EXPECT_EQ(kernel.read_bytes(10'520), all);
}

// Given an entry that one poll lacks, then it goes on as the same counter.
TEST(Telling, an_overlooked_entry_goes_on) {
  Kernel kernel;
  kernel.snapshot.exports = {{"/srv/a b", "*", 600, 7, 9}};
  (void)kernel.poll(10'500);
  const auto before = kernel.poll(10'610)[0];
  const auto entries = std::exchange(kernel.snapshot.exports, {});
  (void)kernel.poll(10'620);
  kernel.snapshot.exports = entries;
  const auto after = kernel.poll(10'630)[0];
  EXPECT_EQ(after.epoch, before.epoch);
  EXPECT_EQ(after.start, before.start);
}

// Given another boot, then its entries are others, and count from zero.
TEST(Telling, a_reboot) {
  Kernel kernel;
  const auto before = kernel.poll(10'500)[0];
  kernel.snapshot.boot = "another", kernel.snapshot.booted = 20'000 * kSecond;
  const auto after = kernel.poll(20'110);
  EXPECT_NE(after[0].epoch, before.epoch);
  EXPECT_EQ(after[0].start, 20'100 * kSecond);
  EXPECT_EQ(after[2].start, 20'000 * kSecond);
}

// Given the whole server's figures or its clients that cannot be read, then they are gaps, and the
// exports are told.
TEST(Telling, what_is_not_of_an_export_spoils_none) {
  Kernel kernel;
  kernel.snapshot.server.reset(), kernel.snapshot.no_server = "so it is";
  kernel.snapshot.clients.reset(), kernel.snapshot.no_clients = "not for us";
  EXPECT_EQ(kernel.poll(10'500).size(), 2U);
  ASSERT_EQ(kernel.host.gaps.size(), 3U);
  EXPECT_EQ(kernel.host.gaps[0].why, "so it is");
  EXPECT_EQ(kernel.host.gaps[2].metric, kKernelClients);
}

// Given more series without a value than a poll may name, then the metric is named as a whole.
TEST(Telling, many_gaps_become_one) {
  test::RecordingHost host;
  host.poll(1000, [](Outlet& out) {
    for (int i = 0; i < 1000; ++i) out.gap(kStoredBytes, {std::to_string(i)}, "why", 1);
  });
  ASSERT_EQ(host.gaps.size(), 201U);
  EXPECT_TRUE(host.gaps.back().identity.empty());
  EXPECT_EQ(host.gaps.back().metric, kStoredBytes);
}

}  // namespace
}  // namespace nfs
