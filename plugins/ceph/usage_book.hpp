#pragma once
// Which hours of RGW usage a poll tells, pure: book × what the usage log lists → book × hours.
//
// Each hour of a series (user, bucket, category) is a counter of its own that begins at zero with
// the hour, so nothing need be remembered to count right; the book remembers to tell no more than
// is needed, and to notice what is gone:
//
//   the running hour                      told at every poll
//   an hour that is over                  told with its own time, its end, for a while after it
//   ended
//                                         or grew, and until it was told once
//   an hour without an entry, beside one
//   that is told                          zero: the series was idle, and that is known
//   an entry that is gone, or smaller     somebody trimmed the log: a gap at this poll; what the
//   log
//                                         counts from then on is told as it stands, and the rater
//                                         takes the fall as a new beginning
//   an hour that has not begun here       left for later: the gateway's clock is ahead
//   an hour that was not read this time   stays as it is known

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "rgw_answers.hpp"

namespace ceph {

struct UsageKey {
  std::string user, bucket, category;
  friend auto operator<=>(const UsageKey&, const UsageKey&) = default;
};

/// One hour of one series, to be told.
struct ToldHour {
  const UsageKey* key = nullptr;  ///< the book's, until its next advance()
  const std::string* owner = nullptr;
  std::int64_t hour = 0;  ///< seconds
  bool over = false;      ///< its time is the hour's end
  bool owed = false;      ///< it was never told as it stands
  HourCounts counts;
  HourCounts ever;  ///< the largest of the series: what was never more than zero need not be told
};

struct LostHour {
  const UsageKey* key = nullptr;
  std::string why;
};

class UsageBook {
 public:
  /// `settle`: seconds for which an hour that is over is still told.
  explicit UsageBook(std::int64_t settle) : settle_(settle) {}

  struct Step {
    std::vector<ToldHour> told;  ///< by hour, the oldest first
    std::vector<LostHour> lost;
  };
  /// Good answers: everything the log holds of the hours from `from` on and before `end`, each
  /// series at most once in each. What was known of hours before `from` is forgotten. `now` in
  /// seconds.
  [[nodiscard]] Step advance(const std::vector<UsageEntry>& entries, std::int64_t from,
                             std::int64_t end, std::int64_t now);
  /// This hour was told.
  void told(const ToldHour& hour);
  /// Whether an hour was never told as it stands.
  [[nodiscard]] bool owes() const;
  [[nodiscard]] std::size_t size() const { return series_.size(); }

 private:
  struct Hour {
    HourCounts counts;
    std::int64_t changed = 0;  ///< when it was first seen like this
    bool owed = true;
    bool lost = false;  ///< its entry is gone
  };
  struct Series {
    std::string owner;
    HourCounts ever;
    std::map<std::int64_t, Hour> hours;
  };
  using Listed = std::map<UsageKey, std::map<std::int64_t, HourCounts>>;

  void take(const UsageKey& key, Series& series, const std::map<std::int64_t, HourCounts>& listed,
            std::int64_t end, std::int64_t now, Step& step);
  void tell(const UsageKey& key, const Series& series, std::int64_t from, std::int64_t end,
            std::int64_t now, Step& step) const;

  std::int64_t settle_;
  std::map<UsageKey, Series> series_;
};

}  // namespace ceph
