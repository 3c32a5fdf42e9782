#pragma once
// Which bus the configuration names.

#include <memory>

#include "base/clock.hpp"
#include "rater/billing.hpp"
#include "rater/bus/bus.hpp"

namespace tallyman::rater {

/// A broker that cannot be reached is no error: the bus's state says so, and it goes on trying.
[[nodiscard]] Result<std::unique_ptr<Bus>> open_bus(const BillingOptions& options,
                                                    const Clock& clock);

}  // namespace tallyman::rater
