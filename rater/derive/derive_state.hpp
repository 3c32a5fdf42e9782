#pragma once
// What a Deriver remembers between two readings. Private to derive*.cpp. Plain values with stable
// addresses: nodes of maps point at each other.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rater/derive/derive.hpp"
#include "rater/derive/derive_cover.hpp"

namespace tallyman::rater::fold {

constexpr Ns kNever = -1;
constexpr Ns kLongestBeat = 366 * kDay;
constexpr Ns kKeepEnded = kDay;         ///< an ended counter, after its end
constexpr Ns kKeepSilent = 100 * kDay;  ///< a counter that is read no more and has no known end

/// One epoch of a series, as one instance reads it.
struct Counter {
  Ns position = kNever;  ///< of the last reading; kNever = none yet
  /// Counter: where the interval that ends at `position` began, = position for a baseline.
  /// Gauge: held (and counted) up to here.
  Ns from = 0;
  std::uint64_t value = 0;
  u128 within = 0;             ///< counter: what [from, position) has counted
  Ns ended = 0;                ///< position of the poll that saw it absent; 0 = it lives
  std::uint64_t stream = 0;    ///< that gave the last reading
  std::uint64_t losses = 0;    ///< of that stream, then
  std::uint64_t disputed = 0;  ///< last other value told for `position`, an anomaly; 0 = none
  bool blurred = false;        ///< a clock step forced `position`
  bool suspect = false;        ///< the last reading was an anomaly; then the one before it:
  std::uint64_t trusted = 0;   ///< its value
  Ns trusted_at = 0;           ///< its position
};

/// The most that can be, as info labels told: of a counter its line's speed, in Mbit/s, of a gauge
/// what there is room for, in its unit; 0 = unknown.
struct Limit {
  Ns from = 0;
  std::uint64_t most = 0;
};

struct Instance;

/// One series as one instance of the agent sees it.
struct View {
  std::uint64_t id = 0;
  ViewKey key;
  Ns resolution = 0;
  Instance* instance = nullptr;
  std::map<std::uint64_t, Counter> counters;  ///< by epoch
  CoverSet covered, estimated;
  Ns seen = 0;              ///< position of the last poll that had it
  Ns absent_from = kNever;  ///< known not to exist since; kNever = it does, or nothing is known
  std::uint64_t info_stream = 0;  ///< InfoDefs up to a number of a stream are in force
  wire::DefNo info_number = 0;
  Ns info_from = kNever;
  std::map<std::string, std::string> info;
  std::vector<Limit> limits;  ///< ascending by `from`; of the early ones the lenient sum
  // Not in a snapshot: empty right after a take().
  SlotUsage open;  ///< the slot being added to
  Ns open_from = 0, open_to = 0;
  bool dirty = false;           ///< `open` holds something
  bool announced = false;       ///< in Derived::views
  std::uint64_t seen_take = 0;  ///< the take() before which its entry in Derived::seen comes
  std::size_t seen_entry = 0;
  std::uint64_t first_poll = 0;  ///< that met the series
};

/// A plugin instance of the agent, across its incarnations.
struct Instance {
  std::string name;
  Ns interval = 0;
  Ns forgotten = 0;  ///< latest position of a counter that was forgotten
  Ns day = 0;        ///< of the last look for counters to forget
  Ns run_from = kNever, run_to = kNever;
  bool interrupted = false;  ///< since the last poll
  /// The last few gaps of the whole instance ("") or of one part of it, by its content.
  std::map<std::string, std::vector<Span>> gaps;
  bool run_dirty = false;  ///< not in a snapshot
};

/// How far one stream's polls of one instance have come.
struct Beat {
  Ns last = 0;     ///< position of the last poll
  Ns instant = 0;  ///< last scheduled instant told, as a poll or as a gap
};

/// What a reading's epoch number leads to.
struct Target {
  View* view = nullptr;
  Counter* counter = nullptr;
  wire::DefNo instance = 0;
  wire::DefNo series = 0;
  Ns start = 0;
  const std::vector<wire::DefNo>* infos = nullptr;  ///< of its series, in its stream
};

/// One incarnation: its numbers, and how far it has come.
struct Stream {
  std::uint64_t id = 0;
  std::uint64_t losses = 0;
  Ns sealed = 0;
  Ns watermark = 0;
  std::map<std::string, Beat> beats;  ///< by instance name
  // Not in a snapshot.
  std::unordered_map<wire::DefNo, wire::DefBody> definitions;
  std::unordered_map<wire::DefNo, std::vector<wire::DefNo>> infos;      ///< by series, ascending
  std::vector<Target> targets;                                          ///< by epoch number
  std::map<std::pair<wire::DefNo, wire::DefNo>, Target> other_targets;  ///< epoch, instance
};

/// What gaps are found by: the content of what they are a gap of.
[[nodiscard]] std::string gap_subject(const wire::SourceDef& source);
[[nodiscard]] std::string gap_subject(const wire::MetricDef& metric);
[[nodiscard]] std::string gap_subject(const SeriesKey& series);

}  // namespace tallyman::rater::fold
