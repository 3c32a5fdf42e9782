#pragma once
// Usage and buckets of one zone, from its RADOS gateways. Owned by the plugin; the host's thread.
//
// Usage is asked for hour by hour: of a longer time a gateway tells one sum for each bucket, under
// the first hour of it. A poll reads kMostHours at most, so that what an outage left behind is read
// piece by piece, the oldest first; until the running hour is reached, each poll is a gap that says
// so.
//
// A usage log that is switched off looks like one without usage, and a gateway that is killed takes
// with it what it had not written yet. So at every poll each gateway is asked for the list of the
// metering user's own buckets, which is an operation of its own in the log:
//   - the log must hold such an operation of this hour or the last, once there was time to write
//   it;
//   - the answer's request id names the gateway's process: another one, or no answer where there
//   was
//     one, is a gap of usage at this poll, as something may be lost;
//   - it names the zone, too: another zone than configured is not metered at all.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "http.hpp"
#include "metrics.hpp"
#include "mgr_book.hpp"
#include "rgw_answers.hpp"
#include "usage_book.hpp"

namespace ceph {

/// Of usage, in a poll. More than kMostLookback and the running hour, which every poll reads.
constexpr std::int64_t kMostHours = 6;
constexpr std::int64_t kMostLookback = 4 * kHour;

struct RgwOptions {
  std::vector<std::string> endpoints;
  std::string zone;
  std::optional<std::uint32_t> usage, buckets;       ///< their sources, when they are wanted
  std::int64_t settle = 0, lookback = 0, flush = 0;  ///< seconds
};

/// The process and zone that a request id names: "tx…-time-process-zone"; "" when it does not.
struct GatewayName {
  std::string process, zone;
};
[[nodiscard]] GatewayName gateway_of(const std::string& request_id);
/// The user that an answer to GET / belongs to; "" when it does not say.
[[nodiscard]] std::string owner_of(const std::string& list_of_buckets);

class RgwPart {
 public:
  RgwPart(RgwOptions options, Secret secret);

  /// Appends this poll's requests. `now` in seconds.
  void ask(std::vector<HttpRequest>& requests, std::int64_t now, SavedState& state);
  /// Their answers, in the same order.
  void take(const HttpAnswer* answers, Outlet& out, SavedState& state);
  [[nodiscard]] std::size_t asked() const { return asked_; }

 private:
  /// What speaks against this poll's usage; "" when nothing does.
  std::string watch(const HttpAnswer* answers, SavedState& state);
  std::string watch_one(KnownGateway& gateway, const std::string& endpoint,
                        const HttpAnswer& answer);
  std::string log_is_off(const std::vector<UsageEntry>& entries);
  /// Of the hours that were asked for, those before the first that is not known.
  struct HoursRead {
    std::vector<UsageEntry> entries;
    std::int64_t end = 0;
    std::string why;  ///< the next one is not known; "" when all are
  };
  HoursRead read_hours(const HttpAnswer* answers);
  void take_usage(const HttpAnswer* answers, std::string why, Outlet& out, SavedState& state);
  /// Whether all of it was told.
  bool tell(const UsageBook::Step& step, Outlet& out);
  bool tell(const ToldHour& hour, Outlet& out) const;
  void take_buckets(const HttpAnswer& stats, const HttpAnswer& names, Outlet& out);
  void tell(const Bucket& bucket, Outlet& out) const;
  void prefer(const std::string& endpoint);

  RgwOptions options_;
  Secret secret_;
  UsageBook book_;
  std::vector<std::string> order_;            ///< the endpoint that answered last stands first
  std::string user_;                          ///< whose keys these are
  std::string foreign_zone_;                  ///< of the last poll; "" = the one configured
  std::map<std::string, std::string> known_;  ///< listed name → marker of the last good list
  /// When operations of ours in the log last grew, or were first to; 0 = none was asked for yet.
  std::int64_t noted_ = 0;
  std::map<std::int64_t, std::uint64_t> own_;  ///< hour → operations of ours in the log
  std::int64_t from_ = 0, end_ = 0;            ///< the hours of usage that were asked for
  std::int64_t now_ = 0, previous_ = 0;
  std::size_t asked_ = 0;
};

}  // namespace ceph
