#pragma once
// Usage and catalogues as tests of rating need them.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rater/derive/usage.hpp"
#include "rater/rating/catalogue.hpp"

namespace tallyman::rater::testing {

constexpr Ns kSlot = 5 * kMinute;
constexpr Ns kStart = 1'795'348'800 * kSecond;  ///< 2026-11-22T12:00:00Z

inline SlotUsage slot_of(std::int64_t i, u128 amount, Ns covered = kSlot, Ns estimated = 0) {
  return {kStart / kSlot + i, amount, covered, estimated, 0};
}

/// A view of the one series "tx" of the shared source "s".
inline ViewUsage view_of(const std::string& agent, std::vector<SlotUsage> slots) {
  ViewUsage view;
  view.view = {{"s", wire::Scope::shared, "tx", "bytes", wire::Kind::counter, {}}, agent, "netif"};
  view.slots = std::move(slots);
  return view;
}

/// Customers `acme` and `other` (0 and 1) with a plan of a volume (0.001 GB included, 3 EUR a GB)
/// and a p95; `acme` has a resource that goes on with `resource`.
inline Catalogue catalogue_of(const std::string& resource, const std::string& acme = "") {
  const std::string toml = R"(
[billing]
period = "20m"
[[meter]]
id = "transfer"
measure = "volume"
out = "tx"
direction = "out"
unit = "GB"
[[meter]]
id = "burst"
measure = "p95"
out = "tx"
direction = "out"
unit = "kbit/s"
[[plan]]
id = "p"
[[plan.item]]
meter = "transfer"
allowance = "0.001"
price = "3"
[[plan.item]]
meter = "burst"
allowance = "1"
price = "0.1"
[[customer]]
id = "other"
plan = "p"
[[customer]]
id = "acme"
plan = "p"
)" + acme + "[[resource]]\ncustomer = \"acme\"\n" +
                           resource;
  app::ConfigErrors errors;
  Catalogue catalogue = parse_catalogue(toml, "test.toml", kSlot, errors);
  EXPECT_EQ(errors.text(), "");
  return catalogue;
}

}  // namespace tallyman::rater::testing
