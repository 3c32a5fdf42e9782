#include "nfs/ganesha_part.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "answers.hpp"

namespace nfs {
namespace {

constexpr std::int64_t kSince = 1795361093'789169707;

class Ganesha : public testing::Test {
 protected:
  void SetUp() override { test::answer_as_captured(server_); }

  Snapshot snapshot(bool clients = false) {
    auto read = read_ganesha(server_, clients);
    if (auto* failure = std::get_if<Failure>(&read)) throw std::runtime_error(failure->why);
    return std::get<Snapshot>(std::move(read));
  }
  Failure failure() { return std::get<Failure>(read_ganesha(server_, false)); }

  test::Answering server_;
};

// Given a Ganesha as captured, then each export has its path and what it moved by each version.
TEST_F(Ganesha, everything_of_a_captured_server) {
  const Snapshot got = snapshot(true);
  EXPECT_EQ(got.since, kSince);
  ASSERT_EQ(got.exports.size(), 3U);
  EXPECT_EQ(got.exports[0].paths, (ExportPaths{"/srv/a", "/exp-a", ""}));
  EXPECT_EQ(got.exports[0].traffic[0], (Traffic{6'000'000, 6'000'000, 6, 6}));
  EXPECT_EQ(got.exports[1].traffic[1], (Traffic{3'000'000, 3000, 3, 1}));
  EXPECT_EQ(got.exports[1].traffic[2], Traffic{});
  ASSERT_EQ(got.clients.size(), 1U);
  EXPECT_EQ(got.clients[0].traffic[0], (Traffic{6'000'000, 9'000'000, 6, 9}));
}

// Given versions that nobody has used, then they are zero without being asked for.
TEST_F(Ganesha, idle_versions_are_not_asked_for) {
  (void)snapshot();
  const auto asked = [&](const char* question) {
    return std::count(server_.asked.begin(), server_.asked.end(), question);
  };
  EXPECT_EQ(asked("GetNFSv3IO 77"), 1);
  EXPECT_EQ(asked("GetNFSv41IO 77"), 0);
  EXPECT_EQ(asked("ShowClients"), 0);
}

// Given an export that goes while its traffic is asked for, then it has ended: the others are told.
TEST_F(Ganesha, an_export_that_goes_meanwhile_is_left_out) {
  server_.answers["GetNFSv3IO 77"] = Values{false, "Export id not found"};
  const Snapshot got = snapshot();
  ASSERT_EQ(got.exports.size(), 2U);
  EXPECT_EQ(got.exports[0].listed.id, 78);
  server_.answers["DisplayExport 78"] =
      Failure{Failure::unknown, "DisplayExport: lookup_export failed with Export id not found"};
  EXPECT_EQ(snapshot().exports.size(), 1U);
}

// Given a path that is not told for once, then nothing is told: a customer known by it would lose
// what the export moved.
TEST_F(Ganesha, a_path_that_is_not_told_for_once_spoils_the_poll) {
  for (const Failure::Kind kind : {Failure::absent, Failure::refused, Failure::failed}) {
    server_.answers["DisplayExport 77"] = Failure{kind, "so it is"};
    EXPECT_EQ(failure().kind, kind);
  }
  server_.answers["DisplayExport 77"] = Values{std::uint64_t{77}};
  EXPECT_EQ(failure().kind, Failure::failed);
}

// Given a Ganesha that is restarted while it is asked, then it is asked anew, from the beginning.
TEST_F(Ganesha, a_restart_meanwhile_is_read_anew) {
  Values fresh = test::sample("StatusStats");
  fresh[2] = Values{true, Values{std::uint64_t{1795361999}, std::uint64_t{5}}};
  int polled = 0;
  server_.before = [&](const std::string& question) {
    if (question != "GetNFSv3IO 78" || ++polled > 1) return;
    // All that it had counted is gone.
    server_.answers["StatusStats"] = fresh;
    for (auto& [asked, answer] : server_.answers) {
      if (asked.starts_with("GetNFSv")) {
        answer = Values{false, "Export does not have any NFSv3 activity"};
      }
    }
  };
  const Snapshot got = snapshot();
  EXPECT_EQ(got.since, 1795361999'000000005);
  for (const Seen& seen : got.exports) EXPECT_EQ(seen.traffic, decltype(seen.traffic){});
}

// Given statistics that begin anew at each look, then it ends, and nothing is told.
TEST_F(Ganesha, restarts_without_end_are_a_failure) {
  std::uint64_t second = 1795361999;
  server_.before = [&](const std::string& question) {
    if (question != "StatusStats") return;
    Values fresh = test::sample("StatusStats");
    fresh[2] = Values{true, Values{++second, std::uint64_t{5}}};
    server_.answers["StatusStats"] = fresh;
  };
  EXPECT_NE(failure().why.find("restarted again and again"), std::string::npos);
}

// Given no bus, no server, statistics switched off or a refusal, then the reason is told.
TEST_F(Ganesha, why_there_is_nothing) {
  for (const Failure::Kind kind : {Failure::absent, Failure::refused, Failure::failed}) {
    server_.answers["ShowExports"] = Failure{kind, "so it is"};
    EXPECT_EQ(failure().kind, kind);
    EXPECT_EQ(failure().why, "so it is");
  }
  Values off = test::sample("StatusStats");
  off[2] = Values{false, Values{std::uint64_t{0}, std::uint64_t{0}}};
  server_.answers["StatusStats"] = off;
  EXPECT_NE(failure().why.find("Enable_NFS_Stats"), std::string::npos);
}

// Given one answer that cannot be read, then nothing is told: what is missing in one poll would
// seem to be made anew in the next.
TEST_F(Ganesha, one_bad_answer_spoils_the_poll) {
  server_.answers["GetNFSv3IO 78"] = Values{true, "OK", 1.5};
  EXPECT_EQ(failure().kind, Failure::failed);
  EXPECT_NE(failure().why.find("/exp-b"), std::string::npos);
}

// Given an answer about clients that is missing, then exports are told, and why clients are not.
TEST_F(Ganesha, clients_spoil_no_export) {
  server_.answers["GetNFSv3IO ::ffff:10.203.0.2"] = Values{false, "invalid address"};
  const Snapshot got = snapshot(true);
  EXPECT_EQ(got.exports.size(), 3U);
  EXPECT_TRUE(got.clients.empty());
  EXPECT_NE(got.no_clients.find("invalid address"), std::string::npos);
}

// Given a version that has been active and is not answered for, then nothing is told: it is no
// zero.
TEST_F(Ganesha, an_active_version_without_an_answer_is_not_zero) {
  server_.answers.erase("GetNFSv3IO 77");
  EXPECT_EQ(failure().kind, Failure::unknown);
}

// Given a server that tells no paths, then its exports are told nevertheless.
TEST_F(Ganesha, paths_may_be_unknown) {
  server_.answers.erase("DisplayExport 77");
  const Snapshot got = snapshot();
  ASSERT_EQ(got.exports.size(), 3U);
  EXPECT_EQ(got.exports[0].paths.full, "");
  EXPECT_EQ(sightings(got.exports, got.since, true)[0].thing, 0U);
  EXPECT_NE(sightings(got.exports, got.since, true)[1].thing, 0U);
}

}  // namespace
}  // namespace nfs
