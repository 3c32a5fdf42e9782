#include "agent/pending.hpp"

#include <gtest/gtest.h>

namespace tallyman::agent {
namespace {

using wire::Cause;
using wire::Gap;

RecordedPoll poll_of(wire::DefNo instance, Ns scheduled) {
  RecordedPoll recorded;
  recorded.poll.instance = instance;
  recorded.poll.scheduled = scheduled;
  recorded.poll.values = {{1, 2, 0}};
  recorded.state = PluginState{"i", 1, {1}, scheduled};
  return recorded;
}

// Given gaps that continue each other for one reason, then they are one; another reason, another
// instance or a poll between begins a new one.
TEST(Pending, joins_gaps_that_continue_each_other) {
  Pending pending;
  pending.add(Gap{1, 0, 10, 10, Cause::backoff, "x"});
  pending.add(Gap{2, 0, 10, 10, Cause::backoff, "x"});
  pending.add(Gap{1, 0, 20, 20, Cause::backoff, "x"});
  ASSERT_EQ(pending.entries().size(), 2U);
  EXPECT_EQ(std::get<Gap>(pending.entries()[0]).to, 20);
  pending.add(Gap{1, 0, 30, 30, Cause::crash, "x"});
  pending.add(Gap{1, 0, 40, 40, Cause::backoff, "x"});
  EXPECT_EQ(pending.entries().size(), 4U);
  pending.add(poll_of(1, 50), [](bool) {});
  pending.add(Gap{1, 0, 60, 60, Cause::backoff, "x"});
  EXPECT_EQ(pending.entries().size(), 6U);
  EXPECT_EQ(pending.earliest(5), 5);
  EXPECT_EQ(pending.earliest(1000), 10);
}

// Given a page the spool took, then every poll is told so and nothing is left.
TEST(Pending, tells_what_is_committed) {
  Pending pending;
  int told = 0;
  for (int i = 0; i < 3; i++) {
    pending.add(poll_of(1, i), [&](bool committed) { told += committed; });
  }
  EXPECT_EQ(pending.states().size(), 3U);
  EXPECT_EQ(pending.values(), 3U);
  pending.committed();
  EXPECT_EQ(told, 3);
  EXPECT_TRUE(pending.empty());
  EXPECT_TRUE(pending.states().empty());
  EXPECT_EQ(pending.values(), 0U);
}

// Given a page the spool could not take, then its polls become a gap that says so, its gaps stay,
// and no state of them is ever written.
TEST(Pending, turns_lost_polls_into_gaps) {
  Pending pending;
  int lost = 0;
  auto outcome = [&](bool committed) { lost += !committed; };
  pending.add(Gap{1, 0, 10, 10, Cause::hang, "h"});
  pending.add(poll_of(1, 20), outcome);
  pending.add(poll_of(1, 30), outcome);
  EXPECT_EQ(pending.lost("disk full"), 2U);
  EXPECT_EQ(lost, 2);
  EXPECT_TRUE(pending.states().empty());
  ASSERT_EQ(pending.entries().size(), 2U);
  EXPECT_EQ(std::get<Gap>(pending.entries()[0]).cause, Cause::hang);
  EXPECT_EQ(pending.entries()[1], wire::Entry(Gap{1, 0, 20, 30, Cause::disk_full, "disk full"}));
  pending.add(poll_of(1, 40), outcome);
  EXPECT_EQ(pending.lost("disk full"), 1U);
  EXPECT_EQ(std::get<Gap>(pending.entries().back()).to, 40);
}

// Given a full disk for a long time and gaps of changing reasons, then what waits stays bounded and
// still covers every instant.
TEST(Pending, stays_bounded) {
  Pending pending;
  for (int i = 1; i <= 100000; i++) {
    pending.add(Gap{static_cast<wire::DefNo>(i % 3 + 1), 0, i, i, Cause::hang, std::to_string(i)});
  }
  EXPECT_LT(pending.entries().size(), 300U);
  std::vector<bool> covered(100001);
  for (const wire::Entry& entry : pending.entries()) {
    const Gap& gap = std::get<Gap>(entry);
    for (Ns at = gap.from; at <= gap.to; at++) covered[static_cast<std::size_t>(at)] = true;
  }
  for (std::size_t at = 1; at < covered.size(); at++) EXPECT_TRUE(covered[at]) << at;
}

}  // namespace
}  // namespace tallyman::agent
