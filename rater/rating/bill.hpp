#pragma once
// From a measured quantity to the figures of one record, pure: parts of a period with different
// plans, allowance, rules of the meter, tiers, and one rounding at the end.

#include "rater/rating/catalogue.hpp"
#include "rater/rating/measure.hpp"
#include "rater/rating/record.hpp"

namespace tallyman::rater {

/// Everything that one record is made from, beside usage.
struct Line {
  const Catalogue& catalogue;
  const Customer& customer;
  const Meter& meter;
  Period period;  ///< the customer's
  Ns slot;
};

/// A part of the period in which one plan was in force that has the meter.
struct BilledPart {
  const Plan* plan;
  const PlanItem* item;
  Span active;
};

/// Ascending; none when no plan of the customer that is in force within the period has the meter.
[[nodiscard]] std::vector<BilledPart> billed_parts(const Line& line);

/// Whether parts (at least one) leave out no time in which the customer is active: only time
/// without the meter is cut off from what it holds.
[[nodiscard]] bool throughout(const Line& line, const std::vector<BilledPart>& parts);

/// The meters of all plans in force within the customer's period, ascending.
[[nodiscard]] std::vector<const Meter*> billed_meters(const Catalogue& catalogue,
                                                      const Customer& customer,
                                                      const Period& period);

/// Allowance, overuse and charge of each part; then the whole.
///
/// Volumes and time_weighted add up over time: allowance, minimum, cap and the bounds of tiers are
/// prorated to the nanosecond of the time active, and the record's figures are the sums of the
/// parts'. Levels (rates, peaks, percentiles, means) are not less for lasting shorter: all of those
/// stay whole, and the charge is prorated. A record of several parts tells a level of the whole
/// time, and as allowance and overuse the parts' means, weighted by time.
///
/// Fills everything but catalogue_version, evidence, waivers, closed_without and problems. `parts`
/// is not empty.
///
/// A correction is the figure that is billed, whatever the meter's rules; of a level it is that of
/// every part, else it is divided as what was computed is, or by time where that is nothing.
[[nodiscard]] UsageRecord bill(const Line& line, const std::vector<BilledPart>& parts,
                               const MeterInput& input, const Correction* correction = nullptr);

}  // namespace tallyman::rater
