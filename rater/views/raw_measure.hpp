#pragma once
// A record's quantity out of raw readings: slots summed, ranked or averaged by hand. Beside the
// rater's measures, not with them: it takes from rating whose a series is and when, which view of a
// slot is billed, and how much of the slot that view knows, and from the readings all amounts and
// peaks. Pure.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rater/rating/bill.hpp"
#include "rater/rating/decimal.hpp"

namespace tallyman::rater {

/// A slot of one series, or the part of it that the customer holds.
struct ExplainedSlot {
  Ns from = 0, to = 0;
  u128 amount = 0;  ///< as rating has it; gauges: units × nanoseconds
  u128 raw = 0;     ///< the same out of raw readings
  Ns covered = 0, estimated = 0, absent = 0;
  std::uint32_t view = 0;                ///< index into ExplainedSeries::views
  std::uint64_t peak = 0, raw_peak = 0;  ///< gauges: of the whole slot
};

/// What the raw path knows of one series.
struct RawHolding {
  std::string source;
  std::map<std::string, std::string> labels;
  bool in = false;  ///< of the meter's two directions
  std::vector<Span> held;
  std::vector<ExplainedSlot> slots;
};

/// How a level was picked from the slots of one direction, or of several together.
struct ExplainedRank {
  struct Place {
    std::uint64_t rank = 0;
    Ns slot = 0;  ///< its start
    u128 value = 0;
  };
  std::string of;           ///< "in", "out", "in + out", "the higher of in and out", "stored" …
  std::string unit;         ///< of the values
  std::uint64_t slots = 0;  ///< that count
  std::uint64_t held = 0, left_out = 0, discarded = 0;
  std::optional<Place> picked{}, below{}, above{};
};

/// One part of the period, in which one plan was in force.
struct RawPart {
  std::string plan;
  Span active;
  Rational base;                        ///< in base units, as Measured::base
  Rational measured;                    ///< in the meter's unit
  Rational quantity;                    ///< after the meter's rules
  std::uint64_t held = 0, missing = 0;  ///< levels: slots or days
};

struct RawFigures {
  Rational base, measured, quantity;
  Rational per_unit = Rational(1);  ///< base units in one of the meter's unit
  std::uint64_t held = 0, missing = 0;
  std::vector<RawPart> parts;
  std::vector<ExplainedRank> ranks;  ///< of the whole time, then of each part that has its own
};

/// `line` and `parts` are the contract's: what is measured, and when. With no parts there is
/// nothing to bill.
[[nodiscard]] RawFigures raw_figures(const Line& line, const std::vector<BilledPart>& parts,
                                     const std::vector<RawHolding>& series);

}  // namespace tallyman::rater
