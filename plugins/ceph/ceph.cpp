// ceph: what a Ceph cluster counts and holds: usage and buckets of its RADOS gateways, its pools
// and its RBD images.
//
// Each part is a source of its own, as each may be unknown by itself: a gap of a source is one
// line, however many series it has.
//
// The pure parts decide: rgw_answers.hpp and mgr_metrics.hpp (bytes → values), usage_book.hpp and
// mgr_book.hpp (what is told, and as which counter). http.hpp asks. What is left here is options.

#include <algorithm>
#include <charconv>
#include <ctime>
#include <iterator>
#include <memory>

#include "mgr_part.hpp"
#include "rgw_part.hpp"

namespace {

using namespace tallyman::plugin;
using namespace ceph;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kWeek = 604'800;      // seconds
constexpr std::int64_t kUsualInterval = 60;  // seconds between polls
constexpr std::uint64_t kHourNs = 3600ULL * 1'000'000'000ULL;

constexpr auto kUsageIdentity = labels<"user", "bucket", "category">;
constexpr auto kUsageInfo = labels<"owner", "tenant">;
constexpr auto kBucketIdentity = labels<"bucket_id">;
constexpr auto kBucketInfo = labels<"bucket", "tenant", "user", "placement">;
constexpr auto kPoolIdentity = labels<"pool_id">;
constexpr auto kPoolInfo = labels<"pool", "type">;
constexpr auto kBoundedPoolInfo = labels<"pool", "type", "capacity">;
constexpr auto kImageIdentity = labels<"pool", "namespace", "image">;

constexpr tm_metric usage(const char* name, const char* unit, const char* help) {
  return counter(name, unit, help, kUsageIdentity, kUsageInfo, kHourNs);
}
constexpr tm_metric bucket(const char* name, const char* unit, const char* help) {
  return gauge(name, unit, help, kBucketIdentity, kBucketInfo);
}
constexpr tm_metric pool(const char* name, const char* unit, const char* help) {
  return gauge(name, unit, help, kPoolIdentity, kPoolInfo);
}

class Ceph {
 public:
  static constexpr const char* name = "ceph";
  static constexpr const char* version = TALLYMAN_VERSION;
  // In the order of ceph::Metric.
  static constexpr tm_metric metrics[] = {
      usage("ceph_rgw_sent_bytes_total", "bytes", "Bytes sent to S3 and Swift clients"),
      usage("ceph_rgw_received_bytes_total", "bytes", "Bytes received from S3 and Swift clients"),
      usage("ceph_rgw_operations_total", "operations", "S3 and Swift operations"),
      usage("ceph_rgw_successful_operations_total", "operations", "Of those, successful ones"),
      bucket("ceph_bucket_bytes", "bytes", "Bytes of a bucket's objects, as written"),
      bucket("ceph_bucket_utilized_bytes", "bytes", "The same after compression"),
      bucket("ceph_bucket_objects", "objects", "Objects in a bucket"),
      pool("ceph_pool_stored_bytes", "bytes", "Bytes stored in a pool, without replicas"),
      gauge("ceph_pool_used_bytes", "bytes", "Bytes a pool takes up, with replicas", kPoolIdentity,
            kBoundedPoolInfo),
      pool("ceph_pool_objects", "objects", "Objects in a pool"),
      counter("ceph_pool_read_bytes_total", "bytes", "Bytes read from a pool", kPoolIdentity,
              kPoolInfo),
      counter("ceph_pool_written_bytes_total", "bytes", "Bytes written to a pool", kPoolIdentity,
              kPoolInfo),
      pool("ceph_pool_quota_bytes", "bytes", "Quota of a pool that has one"),
      pool("ceph_pool_quota_objects", "objects", "Quota of a pool that has one"),
      counter("ceph_rbd_read_bytes_total", "bytes", "Bytes read from an RBD image", kImageIdentity),
      counter("ceph_rbd_written_bytes_total", "bytes", "Bytes written to an RBD image",
              kImageIdentity)};
  static_assert(std::size(metrics) == kMetrics);

  static constexpr tm_option options[] = {
      required("fsid", "The cluster's fsid (ceph fsid): names the source"),
      option("zone", "default", "The RGW zone of the gateways: part of the source of usage"),
      option("parts", "", "Which of usage, buckets, pools, images; none = all"),
      option("rgw.endpoints", "", "Gateways of the zone, each: https://host:port"),
      option("rgw.credentials", "",
             "File with access_key and secret_key, readable by its owner only"),
      option("rgw.region", "us-east-1", "Region that requests are signed for"),
      option("rgw.lookback", "7200", "Seconds before the last good poll that usage is read again"),
      option("rgw.settle", "900",
             "Seconds for which an hour of usage is told after it ended or grew"),
      option("rgw.flush", "120", "Seconds after which an operation must be in the usage log"),
      option("mgr.endpoints", "", "prometheus modules of the mgrs, each: http://host:9283"),
      option("mgr.scrape_interval", "15", "mgr/prometheus/scrape_interval, in seconds"),
      option("ca_file", "", "Certificates to trust instead of the system's, PEM")};
  static constexpr tm_needs needs =
      needing({.network = true, .paths = list<"@rgw.credentials", "@ca_file">});
  static constexpr std::uint32_t state_version = kStateVersion;

  explicit Ceph(Host host) : http_({.ca_file = host.option("ca_file"), .region = region(host)}) {
    const std::string fsid = host.option("fsid");
    if (fsid.size() != 36 || fsid.find_first_not_of("0123456789abcdef-") != std::string::npos) {
      throw BadConfig("fsid = \"" + fsid + "\": expected what `ceph fsid` prints");
    }
    const std::vector<std::string> gateways = endpoints(host, "rgw.endpoints");
    const std::vector<std::string> mgrs = endpoints(host, "mgr.endpoints");
    if (gateways.empty() && mgrs.empty()) {
      throw BadConfig("expected rgw.endpoints or mgr.endpoints, or both");
    }
    const std::vector<std::string> parts = parts_of(host);
    const auto wanted = [&](const char* part) {
      return parts.empty() || std::find(parts.begin(), parts.end(), part) != parts.end();
    };
    if (!gateways.empty() && (wanted("usage") || wanted("buckets"))) {
      const std::string path = host.option("rgw.credentials");
      if (path.empty()) throw BadConfig("rgw.endpoints need rgw.credentials, a file with the keys");
      auto secret = read_secret(path);
      if (const auto* fault = std::get_if<Fault>(&secret)) {
        throw BadConfig("rgw.credentials: " + fault->what);
      }
      const std::string zone = host.option("zone");
      RgwOptions of_rgw{.endpoints = gateways,
                        .zone = zone,
                        .usage = {},
                        .buckets = {},
                        .settle = seconds(host, "rgw.settle", 60),
                        .lookback = seconds(host, "rgw.lookback", kHour, kMostLookback),
                        .flush = seconds(host, "rgw.flush", 1)};
      if (of_rgw.settle < of_rgw.flush + kUsualInterval) {
        throw BadConfig("rgw.settle = \"" + host.option("rgw.settle") + "\": expected at least " +
                        std::to_string(of_rgw.flush + kUsualInterval) + ", rgw.flush and " +
                        std::to_string(kUsualInterval) + " s: an hour is still written to then");
      }
      const std::string source = "ceph:" + fsid + "/" + zone;
      if (wanted("usage")) of_rgw.usage = host.shared_source(source + "/usage");
      if (wanted("buckets")) of_rgw.buckets = host.shared_source(source + "/buckets");
      rgw_ = std::make_unique<RgwPart>(of_rgw, std::get<Secret>(std::move(secret)));
    }
    if (!mgrs.empty() && (wanted("pools") || wanted("images"))) {
      MgrOptions of_mgr{.endpoints = mgrs,
                        .pools = {},
                        .images = {},
                        .scrape = seconds(host, "mgr.scrape_interval", 1) * kSecond};
      if (wanted("pools")) of_mgr.pools = host.shared_source("ceph:" + fsid + "/pools");
      if (wanted("images")) of_mgr.images = host.shared_source("ceph:" + fsid + "/images");
      mgr_ = std::make_unique<MgrPart>(of_mgr);
    }
    if (!rgw_ && !mgr_) throw BadConfig("parts: none of them has endpoints");
  }

  void poll(Poll& poll) {
    std::vector<HttpRequest> requests;
    SavedState next = state_;
    if (mgr_) requests.push_back(mgr_->request());
    if (rgw_) rgw_->ask(requests, poll.scheduled() / kSecond, next);
    const auto answers = http_.run(requests, until(poll.deadline()));
    Outlet out(poll);
    if (mgr_) mgr_->take(answers.front(), out, next.mgr);
    if (rgw_) rgw_->take(answers.data() + (mgr_ ? 1 : 0), out, next);
    state_ = std::move(next);
  }

  void save(StateWriter& out) const {
    const auto bytes = encode_state(state_);
    if (const auto* fault = std::get_if<Fault>(&bytes)) throw Broken(fault->what);
    out.write(std::get<std::string>(bytes));
  }

  void restore(std::uint32_t from_version, std::span<const std::byte> bytes) {
    auto state =
        decode_state(from_version, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (const auto* fault = std::get_if<Fault>(&state)) throw BadState(fault->what);
    state_ = std::get<SavedState>(std::move(state));
  }

 private:
  /// What is left of the deadline, less a quarter to work the answers out.
  static std::chrono::steady_clock::time_point until(std::int64_t deadline) {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    const std::int64_t left = deadline - (now.tv_sec * kSecond + now.tv_nsec);
    return std::chrono::steady_clock::now() +
           std::chrono::nanoseconds(std::max<std::int64_t>(left / 4 * 3, 0));
  }

  static std::string region(Host host) {
    std::string region = host.option("rgw.region");
    const bool plain = std::all_of(region.begin(), region.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
    if (region.empty() || !plain) throw BadConfig("rgw.region: expected one as \"us-east-1\"");
    return region;
  }

  static std::vector<std::string> endpoints(Host host, const char* key) {
    std::vector<std::string> out;
    for (std::string& endpoint : host.options(key)) {
      if (endpoint.empty()) continue;
      const bool scheme = endpoint.starts_with("http://") || endpoint.starts_with("https://");
      if (!scheme || endpoint.find('@') != std::string::npos) {
        throw BadConfig(std::string(key) + ": \"" + endpoint +
                        "\": expected http:// or https://, host and port");
      }
      while (endpoint.ends_with('/')) endpoint.pop_back();
      out.push_back(std::move(endpoint));
    }
    return out;
  }

  static std::vector<std::string> parts_of(Host host) {
    std::vector<std::string> parts = host.options("parts");
    std::erase(parts, "");
    for (const std::string& part : parts) {
      if (part != "usage" && part != "buckets" && part != "pools" && part != "images") {
        throw BadConfig("parts: \"" + part + "\": expected usage, buckets, pools or images");
      }
    }
    return parts;
  }

  static std::int64_t seconds(Host host, const char* key, std::int64_t least,
                              std::int64_t most = kWeek) {
    const std::string text = host.option(key);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
      throw BadConfig(std::string(key) + " = \"" + text + "\": expected whole seconds from " +
                      std::to_string(least) + " to " + std::to_string(most));
    }
    return value;
  }

  Http http_;
  std::unique_ptr<RgwPart> rgw_;
  std::unique_ptr<MgrPart> mgr_;
  SavedState state_;
};

}  // namespace

TALLYMAN_PLUGIN(Ceph);
