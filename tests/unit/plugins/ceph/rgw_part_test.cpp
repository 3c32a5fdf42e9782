#include "ceph/rgw_part.hpp"

#include <gmock/gmock.h>

#include <memory>

#include "recorder.hpp"
#include "samples.hpp"

namespace ceph {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kNow = 1795359600 + 1260;  // of the samples: 21 minutes into their hour

/// A zone with one gateway, and polls of it a minute apart.
class Zone {
 public:
  Zone() { restart(); }

  /// Of the plugin, with the state that it saved.
  void restart() { part_ = std::make_unique<RgwPart>(options(), Secret{"A", "S"}); }

  void poll() {
    std::vector<HttpRequest> requests;
    part_->ask(requests, now, state_);
    paths.clear();
    for (const HttpRequest& request : requests) paths.push_back(request.path);
    own_ += log_works ? 1 : 0;
    const std::string operations = std::to_string(own_);
    std::string logged = usage;
    logged.insert(logged.find('[') + 1,
                  R"({"user":"meter","buckets":[{"bucket":"","epoch":1795359600,"categories":[)"
                  R"({"category":"list_buckets","bytes_sent":0,"bytes_received":0,"ops":)" +
                      operations + R"(,"successful_ops":)" + operations + "}]}]},");
    std::vector<HttpAnswer> answers{
        answer("<Owner><ID>meter</ID><DisplayName>m</DisplayName></Owner>"), answer(logged),
        answer(buckets), answer(names)};
    host.poll(now, [&](Outlet& out) { part_->take(answers.data(), out, state_); });
    now += 60;
  }

  HttpAnswer answer(const std::string& body) const {
    if (dead) return {0, {}, "http://a: Timeout was reached", {}, {}};
    return {status,
            status == 200 ? body : sample("rgw-nocaps.json"),
            {},
            "http://a",
            "tx00000ef6a642ca6078213-006b03086c-" + process + "-" + zone};
  }

  bool dead = false, log_works = true;
  int status = 200;
  std::string process = "1020", zone = "default";
  std::string usage = sample("rgw-usage-all.json"), buckets = sample("rgw-bucket-stats.json"),
              names = sample("rgw-bucket-list.json");
  std::int64_t now = kNow;
  std::vector<std::string> paths;
  RecordingHost host;

 private:
  static RgwOptions options() {
    RgwOptions made;
    made.endpoints = {"http://a"};
    made.zone = "default";
    made.usage = 1;
    made.buckets = 2;
    made.settle = 900, made.lookback = 7200, made.flush = 120;
    return made;
  }
  std::unique_ptr<RgwPart> part_;
  SavedState state_;
  int own_ = 0;
};

// Given a good poll, then usage and sizes are told, from the running hour on at first.
TEST(RgwPart, GoodPoll) {
  Zone zone;
  zone.poll();
  EXPECT_THAT(zone.host.source_gaps, IsEmpty());
  EXPECT_EQ(zone.host.sum(kRgwReceived), 5'342'880U + 100'000U);
  EXPECT_EQ(zone.host.sum(kBucketBytes), 4'294'304U + 100'000U);
  EXPECT_THAT(
      zone.paths,
      ElementsAre("/",
                  "/admin/usage?end=2026-11-22%2016%3A00%3A00&format=json&show-entries=true&"
                  "show-summary=false&start=2026-11-22%2015%3A00%3A00",
                  HasSubstr("stats=true"), HasSubstr("/admin/bucket")));
  for (const Told& told : zone.host.readings) {
    EXPECT_EQ(told.start, told.metric <= kRgwSuccessful ? 1795359600LL * 1'000'000'000 : 0);
  }
}

// Given a gateway that is another process than before, then usage is a gap once.
TEST(RgwPart, AnotherProcess) {
  Zone zone;
  zone.poll();
  zone.process = "1021";
  zone.poll();
  EXPECT_THAT(zone.host.source_gaps, ElementsAre(HasSubstr("may be lost")));
  EXPECT_EQ(zone.host.sum(kRgwReceived), 0U);
  EXPECT_NE(zone.host.sum(kBucketBytes), 0U);
  zone.poll();
  EXPECT_THAT(zone.host.source_gaps, IsEmpty());
  EXPECT_EQ(zone.host.sum(kRgwReceived), 5'442'880U);
}

// Given a gateway that is killed while the plugin restarts, then usage is a gap once.
TEST(RgwPart, AnotherProcessAfterARestart) {
  Zone zone;
  zone.poll();
  zone.restart();
  zone.poll();
  EXPECT_THAT(zone.host.source_gaps, IsEmpty());
  zone.restart();
  zone.process = "1021";
  zone.poll();
  EXPECT_THAT(zone.host.source_gaps, ElementsAre(HasSubstr("may be lost")));
  zone.poll();
  EXPECT_THAT(zone.host.source_gaps, IsEmpty());
}

// Given two buckets with one id, then it is told once, and that there is another.
TEST(RgwPart, OneIdTwice) {
  Zone zone;
  zone.buckets.insert(1, zone.buckets.substr(1, zone.buckets.rfind(']') - 1) + ",");
  zone.poll();
  EXPECT_EQ(zone.host.sum(kBucketBytes), 4'294'304U + 100'000U);
  EXPECT_EQ(zone.host.series_gaps.size(), 2U);
}

// Given control characters in the names of users, buckets and categories, then labels have none.
TEST(RgwPart, ControlCharacters) {
  Zone zone;
  replace_all(zone.usage, "proj-a", "proj\\u000aa");
  replace_all(zone.usage, "bkt1", "b\\u0001");
  replace_all(zone.usage, "put_obj", "put\\u007f");
  zone.poll();
  EXPECT_EQ(zone.host.sum(kRgwReceived), 5'442'880U);
  for (const Told& told : zone.host.readings) {
    for (const std::string& label : told.identity) {
      for (const char c : label) EXPECT_TRUE(c >= 0x20 && c != 0x7f) << label;
    }
  }
}

// Given a gateway that stops answering, then both parts are gaps with the reason.
TEST(RgwPart, NoAnswer) {
  Zone zone;
  zone.poll();
  zone.dead = true;
  zone.poll();
  EXPECT_THAT(zone.host.source_gaps,
              ElementsAre(HasSubstr("may be lost"), HasSubstr("Timeout was reached")));
  EXPECT_THAT(zone.host.readings, IsEmpty());
}

// Given refusals, then the gaps name the capabilities.
TEST(RgwPart, Refused) {
  Zone zone;
  zone.status = 403;
  zone.poll();
  EXPECT_THAT(zone.host.source_gaps,
              ElementsAre(HasSubstr("usage=read"), HasSubstr("buckets=read")));
}

// Given a usage log that does not grow with the plugin's own requests, then it is off: a gap.
TEST(RgwPart, LogIsOff) {
  Zone zone;
  for (int i = 0; i < 5; ++i) zone.poll();
  EXPECT_THAT(zone.host.source_gaps, IsEmpty());
  zone.log_works = false;
  for (int i = 0; i < 3; ++i) zone.poll();
  EXPECT_THAT(zone.host.source_gaps, IsEmpty());
  zone.poll();
  EXPECT_THAT(zone.host.source_gaps, ElementsAre(HasSubstr("rgw_enable_usage_log is off")));
}

// Given a bucket that is listed but has no statistics, then it is a gap and has not ended.
TEST(RgwPart, BucketWithoutStatistics) {
  Zone zone;
  zone.poll();
  zone.buckets = "[]";
  zone.poll();
  EXPECT_EQ(zone.host.series_gaps.size(), 6U);
  zone.names = "[]";
  zone.poll();
  EXPECT_THAT(zone.host.series_gaps, IsEmpty());
}

// Given gateways of another zone, then nothing is told.
TEST(RgwPart, AnotherZone) {
  Zone zone;
  zone.zone = "elsewhere";
  zone.poll();
  EXPECT_EQ(zone.host.source_gaps.size(), 2U);
  EXPECT_THAT(zone.host.readings, IsEmpty());
}

// Given an answer that is no JSON, then that part is a gap.
TEST(RgwPart, Garbage) {
  Zone zone;
  zone.buckets = "<html>";
  zone.poll();
  EXPECT_THAT(zone.host.source_gaps, ElementsAre(HasSubstr("list of buckets")));
  EXPECT_NE(zone.host.sum(kRgwReceived), 0U);
}

// Given request ids, then process and zone are read from those that have them.
TEST(RgwPart, RequestIds) {
  EXPECT_EQ(gateway_of("tx000-006b-1020-default").process, "1020");
  EXPECT_EQ(gateway_of("tx000-006b-1020-eu-west-1").zone, "eu-west-1");
  for (const char* id : {"", "tx", "tx-1", "tx-1-2", "17A5-1-2-3"}) {
    EXPECT_EQ(gateway_of(id).process, "") << id;
  }
  EXPECT_EQ(owner_of("<Owner><ID>t$m</ID>"), "t$m");
  EXPECT_EQ(owner_of("<Owner><ID>t"), "");
}

}  // namespace
}  // namespace ceph
