#pragma once
// Derivation, pure: batches of one agent, in order → usage per series and slot.
//
// A Deriver is a fold: state × batch → state × slot contributions. It holds no clock, no file and
// no thread; the same batches in the same order give the same contributions, byte for byte.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/u128.hpp"
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
};

}  // namespace tallyman::rater
