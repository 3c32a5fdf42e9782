#include "ceph/mgr_part.hpp"

#include <gmock/gmock.h>

#include <set>

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
  std::string poll(const std::string& endpoint, std::uint64_t looks, bool broken = false,
                   const std::string& total = "4294967296.0") {
    const std::string first = part_.request().endpoints.front();
    HttpAnswer answer{200, sample("mgr-metrics.txt"), {}, endpoint, {}};
    set(answer.body, "ceph_prometheus_collect_duration_seconds_count{method=\"get_health\"} ",
        std::to_string(looks) + ".0");
    set(answer.body, "\nceph_cluster_total_bytes ", total);
    if (broken) answer.body += "ceph_pool_stored";
    answer.body += more;
    host.poll(now, [&](Outlet& out) { part_.take(answer, out, state); });
    now += 60;
    return first;
  }

  std::int64_t now = kNow;
  RecordingHost host;
  MgrState state;
  std::string more;  ///< that each answers besides

  /// What else than the pool's name and type was told of the bytes that pools take up, each once.
  [[nodiscard]] std::set<std::string> capacities() const {
    std::set<std::string> out;
    for (const Told& told : host.readings) {
      if (told.metric == kPoolUsed) out.insert(told.info.at(2));
    }
    return out;
  }

 private:
  static void set(std::string& body, const std::string& name, const std::string& value) {
    const std::size_t at = body.find(name);
    EXPECT_NE(at, std::string::npos);
    const std::size_t from = at + name.size();
    body.replace(from, body.find('\n', from) - from, value);
  }
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

// Given a cluster whose size is known, grows, and is told in no exact number, then what a pool
// takes up has the size, rounded up to a power of two, as the bound that it was last known to have.
TEST(MgrPart, Capacity) {
  Mgrs mgrs;
  mgrs.poll("http://x", 10);
  EXPECT_THAT(mgrs.capacities(), ElementsAre("4294967296"));
  mgrs.poll("http://x", 14, false, "4294967297.0");
  EXPECT_THAT(mgrs.capacities(), ElementsAre("8589934592"));
  mgrs.poll("http://x", 18, false, "1.5e+17");
  EXPECT_THAT(mgrs.capacities(), ElementsAre("8589934592"));
  mgrs.poll("http://x", 22, false, "1099511627776000.0");
  EXPECT_THAT(mgrs.capacities(), ElementsAre("1125899906842624"));
}

// Given more images than fit into a poll, then what does not fit is unknown, and said to be: a
// series without a word would have ended.
TEST(MgrPart, MoreImagesThanFit) {
  Mgrs mgrs;
  constexpr std::size_t kImages = 30'000;
  for (std::size_t i = 0; i < kImages; ++i) {
    const std::string labels = "{pool=\"p\",namespace=\"\",image=\"" + std::to_string(i) + "\"} ";
    mgrs.more += "ceph_rbd_read_bytes" + labels + "1.0\nceph_rbd_write_bytes" + labels + "2.0\n";
  }
  mgrs.poll("http://x", 10);
  mgrs.poll("http://x", 14);
  EXPECT_EQ(mgrs.host.readings.size(), 49'000U);
  EXPECT_EQ(mgrs.host.series_gaps.size(), 200U);
  EXPECT_THAT(mgrs.host.source_gaps, ElementsAre(HasSubstr("more figures than fit into a poll")));
}

}  // namespace
}  // namespace ceph
