#include <gtest/gtest.h>

#include <map>

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

// Given an entry of the kernel's that it makes anew at zero, then that is another epoch, which
// counts from when it began; before, another; and a path is told in plain letters.
TEST(Telling, kernel) {
  KernelSnapshot snapshot{"boot", 10'000 * kSecond, {{"/srv/a b", "*", 100, 7, 9}}, {}, {}};
  snapshot.server = KernelServer{70, 90};
  snapshot.clients = 4;
  Book book, server_book;
  const auto poll = [&](std::int64_t now) {
    test::RecordingHost host;
    watch(book, now * kSecond);
    host.poll(now, [&](Outlet& out) {
      Step step = advance(book, export_sightings(snapshot), out.scheduled());
      Step server = advance(server_book, server_sightings(snapshot), out.scheduled());
      book = step.next, server_book = server.next;
      tell_kernel(out, snapshot, step.lives, server.lives, 1);
    });
    return host.readings;
  };
  const auto first = poll(10'500);
  ASSERT_EQ(first.size(), 5U);
  EXPECT_EQ(first[0].identity, (std::vector<std::string>{"/srv/a b", "*"}));
  EXPECT_EQ(first[0].start, 0);
  snapshot.exports[0] = {"/srv/a b", "*", 505, 1, 0};
  // The clock was slewed meanwhile.
  snapshot.booted += 1000;
  const auto second = poll(10'510);
  EXPECT_NE(second[0].epoch, first[0].epoch);
  EXPECT_EQ(second[0].start, 10'505 * kSecond + 1000);
  EXPECT_EQ(second[2].epoch, first[2].epoch);
  snapshot.booted += 1000;
  const auto third = poll(10'520);
  EXPECT_EQ(third[0].epoch, second[0].epoch);
  EXPECT_EQ(third[0].start, second[0].start);
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
