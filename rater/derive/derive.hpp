#pragma once
// Derivation, pure: batches of one agent, in order → usage per series and slot.
//
// A Deriver is a fold: state × batch → state × slot contributions. It holds no clock, no file and
// no thread; the same batches in the same order give the same contributions, byte for byte.

//
// How a reading counts (model.md in words; the rules are derive_counter.cpp's):
//   * A counter is (instance, series, epoch), whatever number or incarnation names it. Its first
//     reading counts from zero over [start, reading) when the start is known; else it is a
//     baseline.
//   * A further reading counts what the counter grew by, over the time since the one before; a
//     decrease is a reset: it counts from zero, estimated. Nothing is ever subtracted.
//   * An interval is split over slots in proportion, by cumulative floors: the remainder goes to
//     the later part and the sum is exact. What stands on either side of a slot's start of one
//     interval is told with that slot: it bounds what is billed up to there and from there on.
//     Growth learnt at an instant where the counter already stands belongs to the interval that
//     ended there.
//   * An interval is estimated when its shape is a guess: it crosses a slot boundary and is longer
//     than two beats, or a gap or a lost batch lies in it; or it ends at a position that a clock
//     step forced; or it holds a reset. Within one slot there is no shape to guess. An instance
//     whose beat is unknown is taken to beat once a slot.
//   * Buckets that grow late (hours, each an epoch that starts at its hour) give their values the
//     bucket's end as their own time: then late growth belongs to its bucket.
//   * Nothing stands later than the batch was received: a reading from the future stands there,
//     estimated, so that a clock far ahead does not stop a counter for as long.
//   * A gauge holds for at most two beats, then it is unknown; above its capacity: an anomaly.
//   * A reading from another incarnation that stands before what is counted already adds nothing:
//     the counter went on, and its total is in.
//   * At the very instant a counter stands at, a value from another incarnation, or a lower one
//   with
//     its own time, counts nothing: the same value is in already, another one is an anomaly.
//   * More than the line can carry (physical interfaces with a known speed, in bytes) is an
//     anomaly: not counted, not covered, told with its value. The line is the fastest that info
//     labels told of within the interval or at either of its ends.
//   * A value below one that was such an anomaly, and not below the one before that, shows that the
//     anomaly was a slip: it counts, estimated, what the counter grew by since the one before.
//   * An ended counter is forgotten a day of positions after its end, a silent one after a hundred
//     days; a poll forgets after it has been read. The first reading of a counter that began in the
//     forgotten past is a baseline, and an anomaly with its value, as nothing tells it from what
//     was counted; so is growth told of that time by a poll, and a gauge of it adds nothing.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/u128.hpp"
#include "rater/derive/anomaly_cause.hpp"
#include "wire/batch.hpp"

namespace tallyman::rater {

/// A series by content, the same whoever read it, in whatever incarnation.
struct SeriesKey {
  std::string source;
  wire::Scope scope = wire::Scope::host;
  std::string metric;
  std::string unit;
  wire::Kind kind = wire::Kind::counter;
  std::map<std::string, std::string> labels;  ///< identity
  friend auto operator<=>(const SeriesKey&, const SeriesKey&) = default;
};

/// Whose eyes: an agent's plugin instance. A series may have several views; one is billed per slot.
struct ViewKey {
  SeriesKey series;
  std::string agent;
  std::string instance;
  friend auto operator<=>(const ViewKey&, const ViewKey&) = default;
};

/// What one batch adds to one slot of one view. Contributions are added up; none is ever negative.
struct SlotUsage {
  std::int64_t slot = 0;   ///< start of the slot ÷ slot length, since the Unix epoch
  u128 amount = 0;         ///< counter: units (bytes …); gauge: units × nanoseconds
  Ns covered = 0;          ///< nanoseconds of the slot that readings account for
  Ns estimated = 0;        ///< of those, how many are spread over an interval longer than its beat
  std::uint64_t peak = 0;  ///< gauge: highest value held; counter: 0
  /// Counter: of the intervals that cross the slot's start, how much of their growth is counted
  /// before it, and how much from it on. On which side it was, nothing tells. kNoEnd: or more.
  std::uint64_t before = 0, after = 0;
};

constexpr std::uint64_t kNoEnd = UINT64_MAX;

/// a + b, or kNoEnd when that is more.
[[nodiscard]] constexpr std::uint64_t sum_or_no_end(std::uint64_t a, std::uint64_t b) {
  return a > kNoEnd - b ? kNoEnd : a + b;
}

/// An instant up to, not including, another.
struct Span {
  Ns from = 0;
  Ns to = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

/// An interval whose count cannot be believed: kept out of usage until a person decides.
struct Anomaly {
  std::uint64_t view = 0;
  Ns from = 0, to = 0;
  u128 value = 0;  ///< at risk: what it would have added
  AnomalyCause cause = AnomalyCause::speed;
  friend bool operator==(const Anomaly&, const Anomaly&) = default;
};

/// What a Deriver found since it was last asked. Views stand by their number, which is the
/// Deriver's own, ascending, never reused.
struct Derived {
  struct View {
    std::uint64_t id = 0;
    ViewKey key;
    Ns resolution = 0;
  };
  struct Contribution {
    std::uint64_t view = 0;
    SlotUsage usage;
  };
  struct Info {
    std::uint64_t view = 0;
    Ns from = 0;
    std::map<std::string, std::string> labels;
  };
  /// From `at` on the series is known to exist, or known not to.
  struct Presence {
    std::uint64_t view = 0;
    Ns at = 0;
    bool present = true;
  };
  /// When polls had the series, since the last take(). `fresh`: the Deriver had not met it, or has
  /// forgotten it. Then `born`, if not 0, is an instant before which it did not exist.
  struct Seen {
    std::uint64_t view = 0;
    Ns first = 0, last = 0;
    bool fresh = false;
    Ns born = 0;
  };
  /// A part of an instance (a source, metric or series; by what part_subjects() says) gave no
  /// reading: nobody knows whether its series existed, up to the next poll that can tell.
  struct PartGap {
    std::string instance, subject;
    Ns from = 0, to = 0;
  };
  /// The instance polled without interruption from `from` to `to`: one row for each `from`.
  struct Run {
    std::string instance;
    Ns from = 0, to = 0;
  };
  std::vector<View> views;  ///< every view named below at least once in the Deriver's life
  std::vector<Contribution> usage;
  std::vector<Info> info;
  std::vector<Presence> presence;  ///< in order
  std::vector<Seen> seen;          ///< in order of the first sight
  std::vector<PartGap>
      part_gaps;  ///< of those with one instance, subject and `from` the last holds
  std::vector<Run> runs;
  std::vector<Anomaly> anomalies;
  std::uint64_t unknown = 0;  ///< values whose definition is not held
};

/// What part gaps that a series is part of have as their subject: bytes.
[[nodiscard]] std::vector<std::string> part_subjects(const SeriesKey& series);

/// Folds the batches of one agent, of all its incarnations. Owned by the usage store; one thread.
class Deriver {
 public:
  /// Slot length in nanoseconds, above zero: fixed for the Deriver's life.
  Deriver(std::string agent, Ns slot);
  ~Deriver();
  Deriver(Deriver&&) noexcept;
  Deriver& operator=(Deriver&&) noexcept;

  [[nodiscard]] const std::string& agent() const;
  [[nodiscard]] Ns slot() const;
  /// A definition of a stream, ascending by number; one that is known already changes nothing.
  /// Those of a stream must be given again after restore(): a snapshot does not hold them. How far
  /// they run ahead of the batches changes nothing: info labels come into force, in order, with the
  /// first reading of their series at or after their instant.
  void define(std::uint64_t stream, const wire::Definition& definition);
  /// The next batch of a stream. Streams are numbered by the caller; definitions in the batch need
  /// not be given beforehand. Nothing in it stands later than `latest`.
  void apply(std::uint64_t stream, const wire::Batch& batch, Ns latest = wire::kMaxTime);
  /// Everything the fold added since the last take().
  [[nodiscard]] Derived take();
  /// Everything before this instant is in, as far as this stream tells; 0 = unknown.
  [[nodiscard]] Ns watermark(std::uint64_t stream) const;

  /// The whole state but the definitions, versioned. Only right after a take().
  [[nodiscard]] Bytes snapshot() const;
  /// Total: any bytes give a Deriver or an error.
  [[nodiscard]] static Result<Deriver> restore(ByteView bytes);

 private:
  struct State;
  explicit Deriver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tallyman::rater
