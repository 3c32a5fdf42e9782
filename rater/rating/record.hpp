#pragma once
// Usage records as values. Their JSON (billing_json.cpp) follows model.md, "The message", and
// schema/usage-record.schema.json. Nothing in a record comes from now, a host's name, a row id or
// the order of arrival: the same usage and catalogue give the same bytes.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.hpp"
#include "rater/rating/calendar.hpp"

namespace tallyman::rater {

/// Decimal texts. No `high` = nobody can say.
struct Quantity {
  std::string billed, low;
  std::optional<std::string> high;
  friend bool operator==(const Quantity&, const Quantity&) = default;
};

/// The record's amount. Decimal texts.
struct Money {
  std::string currency;
  std::string price;  ///< of one unit; empty where tiers, packages or several plans tell it
  std::string amount, remainder;
  std::string rounding;
  std::string low;                  ///< what the low quantity would have cost
  std::optional<std::string> high;  ///< what the high one would have; nothing = nobody can say
  friend bool operator==(const Money&, const Money&) = default;
};

/// One line of a charge: so many units, or packages, at a price. Exact: decimals, or a fraction
/// "1/3" where no decimal is.
struct TierLine {
  std::string quantity, price, amount;
  friend bool operator==(const TierLine&, const TierLine&) = default;
};

/// A rule of the meter, and what it made of the quantity: "increment", "minimum" or "cap".
struct RuleStep {
  std::string rule, value, before, after;
  friend bool operator==(const RuleStep&, const RuleStep&) = default;
};

/// A part of the period in which one plan was in force.
struct Segment {
  std::string plan;
  Span active;
  std::string share;  ///< of the period: exact
  Quantity measured;  ///< in the meter's unit, before its rules
  Quantity quantity;  ///< after them
  Quantity base;      ///< in base units
  std::uint64_t slots = 0, slots_missing = 0;
  std::vector<RuleStep> rules;
  std::string allowance, overuse;
  std::string pricing;          ///< empty: no prices
  std::vector<TierLine> tiers;  ///< of a whole period's charge, where that is what is prorated
  std::string amount;           ///< exact, prorated; empty: no prices
  friend bool operator==(const Segment&, const Segment&) = default;
};

/// One customer, meter and period.
struct UsageRecord {
  std::string customer, meter;
  std::string plan;  ///< its id; of several the last one in force
  Period period;     ///< with the customer's bounds
  std::uint64_t revision = 1;
  Span active;  ///< when the customer was one, within the period
  std::string measure, unit;
  /// Those that the measure knows; else empty.
  std::string direction, missing, hours, aggregate, snapshot, stored, copies, plan_change;
  Ns slot = 0;        ///< levels; else 0
  Quantity measured;  ///< in `unit`, 9 decimals at most, before the rules of the meter
  Quantity quantity;  ///< after them: what is billed
  std::string base_unit;
  Quantity base;  ///< exact
  std::string coverage, estimated;
  std::uint64_t series = 0, slots = 0, slots_missing = 0;
  /// What people's waivers left out, in bytes or byte-seconds, and which share of the time that the
  /// series were the customer's; empty: nothing.
  std::string waived, waived_share;
  std::string allowance;  ///< as it applies, prorated where the measure prorates it
  std::string overuse;
  std::vector<Segment> segments;  ///< at least one
  std::optional<Money> money;
  /// The quantity is a person's: what was computed, and the decision in the audit log.
  std::optional<std::string> computed;
  Hash corrected_by{};
  Hash catalogue_version{}, meter_version{};
  Hash evidence{};  ///< over every slot it draws on, and which view each was taken from
  /// Agents that it draws on and that missed the grace, ascending.
  std::vector<std::string> closed_without;
  /// In words, ascending: series not billed for two claim them, or that the meter cannot read.
  std::vector<std::string> problems;

  [[nodiscard]] Hash id() const;
};

/// After the records of a period: one for each customer, and one for all.
struct PeriodRecord {
  std::string customer;  ///< empty: all
  Period period;
  std::uint64_t revision = 1;
  std::uint64_t records = 0;
  std::map<std::string, std::string> sums;  ///< by currency
  Hash ids{};                               ///< over the records' ids, in order
  Hash catalogue_version{};
  Hash cut{};
  std::vector<std::string> closed_without;

  [[nodiscard]] Hash id() const;
};

/// One event on its way: what outbox and bus carry.
struct Message {
  std::string id;  ///< hexadecimal
  std::string type, customer, meter;
  std::string routing_key;
  std::string body;  ///< CloudEvents 1.0, structured mode: JSON without a line break
  Hash evidence{};   ///< of a period record: none
};

/// `source` is "/tallyman/<ledger id>".
[[nodiscard]] Message message_of(const UsageRecord& record, const std::string& source);
[[nodiscard]] Message message_of(const PeriodRecord& record, const std::string& source);

/// The period records that belong behind these records (ascending by customer and meter). A
/// customer's names the agents that the customer's records name, the one of all names all.
[[nodiscard]] std::vector<PeriodRecord> period_records(const std::vector<UsageRecord>& records,
                                                       const Period& period, const Hash& catalogue,
                                                       const Hash& cut,
                                                       const std::vector<std::string>& without);

}  // namespace tallyman::rater
