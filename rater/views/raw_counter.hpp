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
  RawCounter(RawView& view, const Rule& rule, std::uint64_t epoch, Ns start, bool gauge)
      : view_(view), rule_(rule), epoch_(epoch), start_(start), gauge_(gauge) {}

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
  void count(const RawReading& from, const RawReading& to, u128 delta, bool from_zero);
  void hold(Ns to);
  void add(Ns from, Ns to, u128 delta, RawInterval* kept);
  [[nodiscard]] bool keeps(Ns from, Ns to) const;
  void keep(const RawInterval& interval);

  RawView& view_;
  const Rule& rule_;
  std::uint64_t epoch_;
  Ns start_;
  bool gauge_;
  std::optional<RawSegment> open_;
  RawReading last_{};
  bool any_ = false, ended_ = false;
  Ns from_ = 0;  ///< counter: where the interval that ends at `last_` began; gauge: held up to here
  Ns beat_ = 0;
};

}  // namespace tallyman::rater
