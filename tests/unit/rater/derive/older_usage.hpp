#pragma once
// Tables of derived usage as older raters kept them, for tests of upgrades.

namespace tallyman::rater::testing {

/// Brings anomalies back to how the fifth version and those before it kept them.
inline constexpr const char* kWordyAnomalies =
    "ALTER TABLE usage_anomaly ADD COLUMN why TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE usage_anomaly DROP COLUMN cause;";

}  // namespace tallyman::rater::testing
