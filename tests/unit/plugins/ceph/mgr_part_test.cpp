#include "ceph/mgr_part.hpp"

#include <gmock/gmock.h>

#include "recorder.hpp"
#include "samples.hpp"

namespace ceph {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kNow = 1'795'359'600;

/// Two mgrs, polled a minute apart; each answers with the sample after so many looks.
class Mgrs {
 public:
  Mgrs() : part_(options()) {}

  /// One answers, or none; returns whom the plugin asked first.
  std::string poll(const std::string& endpoint, std::uint64_t looks, bool broken = false) {
    const std::string first = part_.request().endpoints.front();
    HttpAnswer answer{200, sample("mgr-metrics.txt"), {}, endpoint, {}};
    const std::string count =
        "ceph_prometheus_collect_duration_seconds_count{method=\"get_health\"} ";
    const std::size_t at = answer.body.find(count);
    EXPECT_NE(at, std::string::npos);
    const std::size_t from = at + count.size();
    answer.body.replace(from, answer.body.find('\n', from) - from, std::to_string(looks) + ".0");
    if (broken) answer.body += "ceph_pool_stored";
    host.poll(now, [&](Outlet& out) { part_.take(answer, out, state); });
    now += 60;
    return first;
  }

  std::int64_t now = kNow;
  RecordingHost host;
  MgrState state;

 private:
  static MgrOptions options() {
    return {
        .endpoints = {"http://x", "http://y"}, .pools = 1, .images = 2, .scrape = 15'000'000'000};
  }
  MgrPart part_;
};

// Given a mgr that answers, then it is asked first from then on.
TEST(MgrPart, TheOneThatAnswers) {
  Mgrs mgrs;
  EXPECT_EQ(mgrs.poll("http://y", 10), "http://x");
  EXPECT_EQ(mgrs.poll("http://y", 14), "http://y");
  EXPECT_THAT(mgrs.host.source_gaps, IsEmpty());
}

// Given a mgr that answers the same again and again, then all is a gap and the other one is asked
// first; and if that one does not answer, the first is still stale.
TEST(MgrPart, Stale) {
  Mgrs mgrs;
  mgrs.poll("http://x", 10);
  mgrs.poll("http://x", 10);
  EXPECT_EQ(mgrs.poll("http://x", 10), "http://x");
  EXPECT_THAT(mgrs.host.source_gaps, ElementsAre(HasSubstr("stale"), HasSubstr("stale")));
  EXPECT_EQ(mgrs.poll("http://x", 10), "http://y");
  EXPECT_THAT(mgrs.host.source_gaps, ElementsAre(HasSubstr("stale"), HasSubstr("stale")));
  EXPECT_THAT(mgrs.host.readings, IsEmpty());
}

// Given an answer that cannot be read, then all is a gap and the other one is asked first.
TEST(MgrPart, Broken) {
  Mgrs mgrs;
  mgrs.poll("http://x", 10);
  EXPECT_EQ(mgrs.poll("http://x", 14, true), "http://x");
  EXPECT_EQ(mgrs.host.source_gaps.size(), 2U);
  EXPECT_EQ(mgrs.poll("http://y", 18), "http://y");
  EXPECT_THAT(mgrs.host.source_gaps, IsEmpty());
}

}  // namespace
}  // namespace ceph
