#pragma once
// What a RADOS gateway's admin API answers, bytes → values, pure. The bytes are not trusted: an
// answer is wholly understood or a fault; nothing in it is ever guessed. Any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fault.hpp"

namespace ceph {

constexpr std::int64_t kHour = 3600;

/// What the usage log counts of an hour: exact, and growing while the hour's log is written.
struct HourCounts {
  std::uint64_t sent = 0, received = 0;  ///< bytes
  std::uint64_t operations = 0, successful = 0;
  friend bool operator==(const HourCounts&, const HourCounts&) = default;
};

/// One hour of one category of operations on one bucket, as GET /admin/usage lists it.
struct UsageEntry {
  std::string user;      ///< "tenant$name" or "name"; "anonymous" is nobody
  std::string bucket;    ///< "" and "-": operations on none
  std::string category;  ///< "get_obj", "put_obj" …
  std::string owner;
  std::int64_t hour = 0;  ///< its beginning, in seconds since 1970: a multiple of kHour
  HourCounts counts;
};

/// GET /admin/usage of one hour, as it lists it: a (user, bucket, category) may occur several
/// times.
[[nodiscard]] std::variant<std::vector<UsageEntry>, Fault> parse_usage(std::string_view json);

/// The same with each (user, bucket, category) once. A user recurs from page to page and from shard
/// to shard of the log, each time with another part of its operations: parts are summed. A fault
/// when an entry is of another hour: an answer over several hours is their sum, and says that all
/// of it is of the first.
[[nodiscard]] std::variant<std::vector<UsageEntry>, Fault> parse_usage_of(std::int64_t hour,
                                                                          std::string_view json);

struct BucketSizes {
  std::uint64_t bytes = 0;     ///< as the customer wrote them
  std::uint64_t utilized = 0;  ///< after compression
  std::uint64_t objects = 0;
  friend bool operator==(const BucketSizes&, const BucketSizes&) = default;
};

struct Bucket {
  std::string tenant, name, owner, placement;
  /// Names the bucket for ever: a bucket made again has another one, a resharded one keeps it.
  std::string marker;
  /// Unknown when the gateway does not tell and the bucket is not new: then there is no number,
  /// and 0 would be a guess.
  std::optional<BucketSizes> sizes;
};

/// GET /admin/bucket?stats=true: every bucket of the zone, or those of one user.
[[nodiscard]] std::variant<std::vector<Bucket>, Fault> parse_buckets(std::string_view json);

/// GET /admin/bucket: "name" or "tenant/name".
[[nodiscard]] std::variant<std::vector<std::string>, Fault> parse_bucket_names(
    std::string_view json);

/// How that list names a bucket.
[[nodiscard]] std::string listed_name(const Bucket& bucket);

/// What a refusal (status 4xx and 5xx) means and what to do about it; `cap` is the capability that
/// the request needs ("usage=read").
[[nodiscard]] std::string explain_refusal(int status, std::string_view body, std::string_view cap);

}  // namespace ceph
