#pragma once
// One counter or gauge of a raw walk. Private to raw_walk.cpp and raw_counter.cpp. Pure.

#include <optional>

#include "rater/views/raw_walk.hpp"

namespace tallyman::rater {

/// Adds up what the readings of one epoch of one view say. Borrows the view.
class RawCounter {
 public:
  struct Rule {
    Span span;
    Ns slot = 0;
    Ns intervals_at = -1;
  };
  /// What is kept out of the view may be null.
  RawCounter(RawView& view, const Rule& rule, const std::set<RawAmount>* kept_out,
             std::uint64_t epoch, Ns start, bool gauge)
      : view_(view),
        rule_(rule),
        kept_out_(kept_out),
        epoch_(epoch),
        start_(start),
        gauge_(gauge) {}

  /// The next reading in the order of arrival. `own_time`: learnt late, with a time of its own.
  /// `beat`: between two polls, which tells how long a gauge's value may hold.
  void read(const RawReading& reading, bool own_time, Ns beat);
  /// The series is known to have ended here.
  void end(Ns at);
  /// Everything of its stream up to here is in.
  void sealed(std::uint32_t stream, Ns at);
  /// After the last reading: hands the open segment over.
  void finish();

 private:
  void gauge(const RawReading& reading, bool other, bool own_time, Ns beat);
  void learnt_late(const RawReading& reading, bool own_time);
  [[nodiscard]] bool slipped(const RawReading& reading);
  void begin(const RawReading& reading, bool fell);
  void count(const RawReading& from, const RawReading& to, u128 delta, bool from_zero);
  [[nodiscard]] bool is_kept_out(Ns from, Ns to, u128 delta) const;
  void distrust(const RawReading& from, const RawReading& to, u128 delta);
  void hold(Ns to);
  void add(RawInterval& interval, std::uint64_t peak);
  [[nodiscard]] bool keeps(Ns from, Ns to) const;
  void keep(const RawInterval& interval);

  RawView& view_;
  const Rule& rule_;
  const std::set<RawAmount>* kept_out_;
  std::uint64_t epoch_;
  Ns start_;
  bool gauge_;
  std::optional<RawSegment> open_;
  RawReading last_{};
  bool any_ = false, ended_ = false;
  Ns from_ = 0;  ///< counter: where the interval that ends at `last_` began; gauge: held up to here
  Ns beat_ = 0;
  std::optional<RawReading> trusted_;  ///< the last one before intervals that are kept out
  u128 distrusted_ = 0;                ///< what those grew by
};

}  // namespace tallyman::rater
