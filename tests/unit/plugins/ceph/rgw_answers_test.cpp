#include "ceph/rgw_answers.hpp"

#include <gmock/gmock.h>

#include <random>

#include "samples.hpp"

namespace ceph {
namespace {

using testing::HasSubstr;

std::vector<UsageEntry> usage(const std::string& json) {
  auto parsed = parse_usage(json);
  if (const auto* fault = std::get_if<Fault>(&parsed)) ADD_FAILURE() << fault->what;
  return std::holds_alternative<Fault>(parsed) ? std::vector<UsageEntry>{}
                                               : std::get<0>(std::move(parsed));
}

std::vector<Bucket> buckets(const std::string& json) {
  auto parsed = parse_buckets(json);
  if (const auto* fault = std::get_if<Fault>(&parsed)) ADD_FAILURE() << fault->what;
  return std::holds_alternative<Fault>(parsed) ? std::vector<Bucket>{}
                                               : std::get<0>(std::move(parsed));
}

template <typename T>
std::string fault(const std::variant<T, Fault>& parsed) {
  const auto* found = std::get_if<Fault>(&parsed);
  return found == nullptr ? "none" : found->what;
}

// Given a real usage log, then every category of every bucket is there, to the byte.
TEST(RgwUsage, Sample) {
  const auto entries = usage(sample("rgw-usage-all.json"));
  ASSERT_EQ(entries.size(), 9U);
  std::uint64_t received = 0, got = 0;
  for (const UsageEntry& entry : entries) {
    EXPECT_EQ(entry.hour, 1795359600);
    EXPECT_EQ(entry.owner, entry.user);
    if (entry.user == "proj-a") received += entry.counts.received;
    if (entry.category == "get_obj" && entry.bucket == "bkt1") got += entry.counts.sent;
  }
  EXPECT_EQ(received, 5'342'880U);
  EXPECT_EQ(got, 2'097'152U);
  EXPECT_EQ(entries.back().user, "tenb$proj-b");
  EXPECT_EQ(entries.back().category, "put_obj");
  EXPECT_EQ(entries.back().counts, (HourCounts{0, 100'000, 1, 1}));
}

// Given a bucket with traffic in two hours, then a gateway that is asked for both tells their sum
// as the first hour's, and of each hour by itself what it holds: only the latter is taken.
TEST(RgwUsage, TwoHours) {
  constexpr std::int64_t kFirst = 1'795'417'200, kSecond = kFirst + kHour;
  const auto received = [](std::int64_t hour, const char* name) {
    std::uint64_t sum = 0;
    const auto parsed = parse_usage_of(hour, sample(name));
    if (const auto* fault = std::get_if<Fault>(&parsed)) ADD_FAILURE() << fault->what;
    for (const UsageEntry& entry : std::get<0>(parsed)) sum += entry.counts.received;
    return sum;
  };
  EXPECT_EQ(received(kFirst, "rgw-usage-two-hours.json"), 1'020'000U);
  EXPECT_EQ(received(kFirst, "rgw-usage-first-hour.json"), 1'000'000U);
  EXPECT_EQ(received(kSecond, "rgw-usage-second-hour.json"), 20'000U);
  EXPECT_THAT(fault(parse_usage_of(kSecond, sample("rgw-usage-two-hours.json"))),
              HasSubstr("told of the hour"));
}

// Given a user that recurs, as from another page or shard of the log, then its parts are summed;
// and a sum that does not fit is a fault.
TEST(RgwUsage, Recurs) {
  constexpr std::int64_t kFirst = 1'795'417'200;
  std::string twice = sample("rgw-usage-first-hour.json");
  const auto once = std::get<0>(parse_usage_of(kFirst, twice));
  const std::size_t from = twice.find('[') + 1;
  twice.insert(from, twice.substr(from, twice.rfind(']') - from) + ",");
  const auto summed = std::get<0>(parse_usage_of(kFirst, twice));
  ASSERT_EQ(summed.size(), once.size());
  for (std::size_t i = 0; i < once.size(); ++i) {
    EXPECT_EQ(summed[i].counts.received, 2 * once[i].counts.received);
    EXPECT_EQ(summed[i].counts.operations, 2 * once[i].counts.operations);
  }
  replace_all(twice, "1000000", "18446744073709551615");
  EXPECT_THAT(fault(parse_usage_of(kFirst, twice)), HasSubstr("64 bits"));
}

// Given a user without usage, then there are no entries, and that is an answer.
TEST(RgwUsage, NobodyHasNone) { EXPECT_TRUE(usage(sample("rgw-nouser.json")).empty()); }

// Given an answer that lacks anything that is billed, then it is a fault, never a zero.
TEST(RgwUsage, LacksAField) {
  for (const char* key : {"user", "bucket", "epoch", "category", "bytes_sent", "bytes_received",
                          "ops", "successful_ops", "entries"}) {
    std::string json = sample("rgw-usage-all.json");
    replace_all(json, "\"" + std::string(key) + "\":", "\"other\":");
    EXPECT_NE(fault(parse_usage(json)), "none") << key;
  }
}

// Given a number that is no count or an epoch that is no hour, then it is a fault.
TEST(RgwUsage, WrongNumbers) {
  for (const char* value : {"-1", "1.5", "1e3", "\"5\"", "null", "18446744073709551616"}) {
    std::string json = sample("rgw-usage-tenant.json");
    replace_all(json, "100000", value);
    EXPECT_NE(fault(parse_usage(json)), "none") << value;
  }
  for (const char* epoch : {"0", "1795359601", "99999999999999"}) {
    std::string json = sample("rgw-usage-tenant.json");
    replace_all(json, "1795359600", epoch);
    EXPECT_THAT(fault(parse_usage(json)), HasSubstr("no hour")) << epoch;
  }
}

// Given an answer that was cut off anywhere, then it is a fault.
TEST(RgwUsage, CutOff) {
  const std::string json = sample("rgw-usage-all.json");
  const std::size_t whole = json.find_last_of('}');
  for (std::size_t n = 0; n < whole; n += 7) {
    EXPECT_NE(fault(parse_usage(json.substr(0, n))), "none") << n;
  }
}

// Given two tenants with a bucket of one name, then both are there and told apart, with exact
// sizes.
TEST(RgwBuckets, Sample) {
  const auto found = buckets(sample("rgw-bucket-stats.json"));
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].tenant, "");
  EXPECT_EQ(found[0].owner, "proj-a");
  EXPECT_EQ(found[0].sizes, (BucketSizes{4'294'304, 4'294'304, 5}));
  EXPECT_EQ(found[1].tenant, "tenb");
  EXPECT_EQ(found[1].sizes, (BucketSizes{100'000, 100'000, 1}));
  EXPECT_NE(found[0].marker, found[1].marker);
  const auto names = std::get<0>(parse_bucket_names(sample("rgw-bucket-list.json")));
  EXPECT_EQ(names, (std::vector{listed_name(found[0]), listed_name(found[1])}));
}

std::string bucket_json(const std::string& usage, const std::string& versions,
                        const std::string& index = "Normal") {
  return R"([{"bucket":"b","tenant":"","marker":"m","owner":"o","index_type":")" + index +
         R"(","ver":")" + versions + R"(","usage":)" + usage + "}]";
}

// Given a bucket without rgw.main, then it is empty if it was never written to, else unknown.
TEST(RgwBuckets, WithoutMain) {
  EXPECT_EQ(buckets(bucket_json("{}", "0#1"))[0].sizes, BucketSizes{});
  EXPECT_EQ(buckets(bucket_json("{}", "0#1,1#1"))[0].sizes, BucketSizes{});
  for (const char* versions : {"0#2", "0#1,1#9", "", "0#1,", "x", "0#1x"}) {
    EXPECT_FALSE(buckets(bucket_json("{}", versions))[0].sizes) << versions;
  }
  EXPECT_FALSE(buckets(bucket_json("{}", "0#1", "Indexless"))[0].sizes);
}

// Given a size that is an underflow of Ceph's, then it is unknown.
TEST(RgwBuckets, Underflow) {
  EXPECT_FALSE(buckets(bucket_json(R"({"rgw.main":{"size":18446744073709551615,)"
                                   R"("size_utilized":0,"num_objects":0}})",
                                   "0#5"))[0]
                   .sizes);
}

// Given an answer that lacks a bucket's size or marker, or that names buckets only, then it is a
// fault.
TEST(RgwBuckets, LacksAField) {
  for (const char* key : {"size", "size_utilized", "num_objects", "marker", "owner", "bucket"}) {
    std::string json = sample("rgw-bucket-stats.json");
    replace_all(json, "\"" + std::string(key) + "\":", "\"other\":");
    EXPECT_NE(fault(parse_buckets(json)), "none") << key;
  }
  EXPECT_NE(fault(parse_buckets(sample("rgw-bucket-list.json"))), "none");
  EXPECT_NE(fault(parse_buckets("{}")), "none");
  EXPECT_NE(fault(parse_bucket_names(sample("rgw-bucket-stats.json"))), "none");
  EXPECT_TRUE(buckets("[]").empty());
}

// Given ten thousand buckets, then they are all there.
TEST(RgwBuckets, TenThousand) {
  std::string json = "[";
  for (int i = 0; i < 10'000; ++i) {
    std::string one = bucket_json(
        R"({"rgw.main":{"size":)" + std::to_string(i) + R"(,"size_utilized":1,"num_objects":1}})",
        "0#9");
    json += (i == 0 ? "" : ",") + one.substr(1, one.size() - 2);
  }
  const auto found = buckets(json + "]");
  ASSERT_EQ(found.size(), 10'000U);
  EXPECT_EQ(found[9'999].sizes->bytes, 9'999U);
}

// Given a refusal, then it is said what to do, and no more of the answer than its code.
TEST(RgwRefusal, SaysWhatToDo) {
  EXPECT_THAT(explain_refusal(403, sample("rgw-nocaps.json"), "usage=read"),
              HasSubstr("lacks the capability usage=read"));
  EXPECT_THAT(explain_refusal(403, sample("rgw-badsecret.json"), "usage=read"),
              HasSubstr("secret key"));
  EXPECT_EQ(explain_refusal(503, "<html>", "usage=read"), "the gateway answered 503");
}

// Given a hundred levels of lists, then it is a fault.
TEST(RgwAnswers, Deep) {
  EXPECT_THAT(fault(parse_usage(std::string(100, '['))), HasSubstr("nested"));
}

// Given answers with bytes changed at random, then they are understood or a fault, and counts never
// come from anywhere but the answer.
TEST(RgwAnswers, Mutated) {
  std::mt19937_64 random(7);
  const std::string original = sample("rgw-usage-all.json");
  for (int i = 0; i < 2'000; ++i) {
    std::string json = original;
    for (int n = 0; n < 3; ++n) json[random() % json.size()] = static_cast<char>(random() % 128);
    const auto parsed = parse_usage(json);
    if (const auto* entries = std::get_if<std::vector<UsageEntry>>(&parsed)) {
      EXPECT_LE(entries->size(), 9U);
      for (const UsageEntry& entry : *entries) EXPECT_EQ(entry.hour % kHour, 0);
    }
  }
}

}  // namespace
}  // namespace ceph
