#include "nfs/ganesha_answers.hpp"

#include <gtest/gtest.h>

#include "answers.hpp"

namespace nfs {
namespace {

using test::sample;

constexpr std::int64_t kSince = 1795361093'789169707;

Values io(std::uint64_t bytes) {
  const Values direction{bytes, bytes, std::uint64_t{1}, std::uint64_t{0}};
  return {true, "OK", Values{std::uint64_t{5}, std::uint64_t{7}}, direction, direction};
}

// Given what Ganesha 4.3 said, then its exports are read with who has been active on them.
TEST(GaneshaAnswers, exports) {
  const auto answer = decode_exports(sample("ShowExports"));
  const auto& exports = std::get<std::vector<Listed>>(answer);
  ASSERT_EQ(exports.size(), 3U);
  // NFSv4.2 is named as well, so that nothing has to be asked of it.
  EXPECT_EQ(exports[0], (Listed{77, "/exp-a", {true, true, false, false}}));
  EXPECT_EQ(exports[1], (Listed{78, "/exp-b", {true, true, false, false}}));
  EXPECT_EQ(exports[2], (Listed{0, "/", {false, true, false, false}}));
}

// Given what it said of clients, then they are named by their addresses.
TEST(GaneshaAnswers, clients) {
  const auto answer = decode_clients(sample("ShowClients"));
  const auto& clients = std::get<std::vector<Listed>>(answer);
  ASSERT_EQ(clients.size(), 1U);
  EXPECT_EQ(clients[0], (Listed{0, "::ffff:10.203.0.2", {true, true, false, false}}));
}

// Given traffic, then bytes are those transferred, and the statistics' begin is to the nanosecond.
TEST(GaneshaAnswers, traffic) {
  const auto a = std::get<Counted>(decode_io(sample("export77-GetNFSv3IO")));
  EXPECT_EQ(a, (Counted{kSince, {6'000'000, 6'000'000, 6, 6}}));
  const auto b = std::get<Counted>(decode_io(sample("export78-GetNFSv40IO")));
  EXPECT_EQ(b, (Counted{kSince, {3'000'000, 3000, 3, 1}}));
  const auto client = std::get<Counted>(decode_io(sample("client-GetNFSv3IO")));
  EXPECT_EQ(client, (Counted{kSince, {6'000'000, 9'000'000, 6, 9}}));
}

// Given an export or client without activity, then that is known; one that is not there is told
// apart, and any other refusal is neither.
TEST(GaneshaAnswers, zero_end_and_unknown_are_told_apart) {
  EXPECT_TRUE(std::holds_alternative<NoActivity>(decode_io(sample("export77-GetNFSv41IO"))));
  EXPECT_TRUE(std::holds_alternative<NoActivity>(decode_io(sample("client-GetNFSv41IO"))));
  EXPECT_TRUE(std::holds_alternative<NotThere>(decode_io({false, "Export id not found"})));
  EXPECT_TRUE(std::holds_alternative<NotThere>(decode_io({false, "No export available"})));
  const auto other = decode_io({false, "message has no arguments"});
  EXPECT_EQ(std::get<Fault>(other).what, "it says: message has no arguments");
}

// Given statistics that are switched off, then an answer that looks good is not believed.
TEST(GaneshaAnswers, disabled_statistics_are_not_zero) {
  Values answer = io(0);
  answer[1] = "NFS stat counting disabled";
  EXPECT_TRUE(std::holds_alternative<Fault>(decode_io(answer)));
  const auto state = decode_statistics(sample("StatusStats"));
  EXPECT_EQ(std::get<Statistics>(state), (Statistics{true, kSince}));
  Values off = sample("StatusStats");
  off[2] = Values{false, Values{std::uint64_t{0}, std::uint64_t{0}}};
  EXPECT_EQ(std::get<Statistics>(decode_statistics(off)), Statistics{});
}

// Given answers that are no such answers, then each is a fault, and no number is taken from them.
TEST(GaneshaAnswers, nonsense_is_a_fault) {
  EXPECT_TRUE(std::holds_alternative<Fault>(decode_io({})));
  for (std::size_t i = 0; i < 5; ++i) {
    Values cut = io(9);
    cut.resize(i);
    EXPECT_TRUE(std::holds_alternative<Fault>(decode_io(cut))) << i;
    Values wrong = io(9);
    wrong[i] = Value(1.5);
    EXPECT_TRUE(std::holds_alternative<Fault>(decode_io(wrong))) << i;
  }
  for (const std::uint64_t seconds : {std::uint64_t{0}, std::uint64_t{1} << 40U, UINT64_MAX}) {
    Values answer = io(9);
    answer[2] = Values{seconds, std::uint64_t{0}};
    EXPECT_TRUE(std::holds_alternative<Fault>(decode_io(answer))) << seconds;
  }
  Values twice = sample("ShowExports");
  Values items = *twice[1].members();
  items.push_back(items.front());
  twice[1] = items;
  EXPECT_TRUE(std::holds_alternative<Fault>(decode_exports(twice)));
  EXPECT_TRUE(std::holds_alternative<Fault>(decode_exports({true, "OK"})));
}

// Given a server that does not name a version, then that version is asked for and not taken for
// zero.
TEST(GaneshaAnswers, versions_not_named_count_as_active) {
  // Wrapped, since Values{Values{…}} would be a copy.
  const Values flags{Value(Values{"NFSv3", false})};
  const Values one{std::uint64_t{1}, "/a", flags, Values{}};
  const Values answer{Values{std::uint64_t{5}, std::uint64_t{0}}, Values{Value(one)}};
  const auto exports = std::get<std::vector<Listed>>(decode_exports(answer));
  EXPECT_EQ(exports.at(0).active, (std::array{false, true, true, true}));
}

}  // namespace
}  // namespace nfs
