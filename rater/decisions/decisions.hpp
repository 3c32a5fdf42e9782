#pragma once
// What people decided about usage, as rating takes it: a plain value, a function of the audit log
// up to one of its entries. Pure.
//
// Of an anomaly that is accepted the value counts, spread evenly over its interval, all of it
// estimated; of each slot it covers what is not covered yet, as far as its part of the interval
// goes. A gauge stood at the mean of it, on top of what it holds besides where the slot is covered.
// Of a run of them, which a person decides on at once (anomaly_runs.hpp), each part counts so. One
// that is rejected counts never, and its interval is known to be unknown; of one that nobody
// decided on, the same is true until somebody does.
//
// A waiver leaves time out of what a customer is measured by, over the part of it in which the
// series is the customer's: volumes and byte-seconds lose what falls into it (shown as `waived`), a
// p95 the slots that it leaves less than half of (N shrinks), and none of it is missing from
// coverage; a series that it leaves out whole is none of the record's. Slots that it cuts are split
// in proportion, as those between two owners are, and are so no measured ones to a p95. Allowance,
// commit and the charge's share of the period stay whole: a waiver is no shorter contract.
//
// A correction puts a person's figure in place of a record's computed quantity; bounds, coverage
// and evidence stay what was measured.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/hash.hpp"
#include "base/result.hpp"
#include "base/u128.hpp"
#include "rater/decisions/audit_log.hpp"
#include "rater/derive/usage.hpp"
#include "rater/rating/selector.hpp"

namespace tallyman::rater {

constexpr const char* kAnomalyAccept = "anomaly accept";
constexpr const char* kAnomalyReject = "anomaly reject";
constexpr const char* kWaive = "waive";
constexpr const char* kCorrect = "correct";

/// An anomaly by its content: the same whoever derived it, in whatever order.
struct AnomalyContent {
  ViewKey view;
  Ns from = 0, to = 0;
  u128 value = 0;  ///< at risk
  std::string why;
  /// Of several alike, which one: from 0.
  std::uint64_t ordinal = 0;
  AnomalyCause cause = AnomalyCause::speed;  ///< no part of the id: `why` tells it

  [[nodiscard]] Hash id() const;
  friend auto operator<=>(const AnomalyContent&, const AnomalyContent&) = default;
};

struct KeptAnomaly;
/// Each as it was found; ascending; what is alike is numbered (anomaly_runs.cpp).
[[nodiscard]] std::vector<AnomalyContent> content_of(const std::vector<KeptAnomaly>& kept);

/// Time that is left out of series, from an instant to another.
struct Waiver {
  std::string customer;  ///< empty: whosever they are
  Selector match;        ///< no globs: all of the customer's
  Ns from = 0, to = 0;
  friend auto operator<=>(const Waiver&, const Waiver&) = default;
};

/// A person's figure for one record.
struct Correction {
  std::string customer, meter, period;
  std::string quantity;  ///< decimal text, in the meter's unit
  Hash decision{};       ///< the audit log's entry
};

struct Decisions {
  std::vector<AnomalyContent> accepted;     ///< ascending
  std::map<Hash, AnomalyContent> rejected;  ///< by id
  std::vector<Waiver> waivers;              ///< ascending
  std::vector<Correction> corrections;      ///< at most one of a customer, meter and period
  AuditMark last;                           ///< the last decision that counts here

  [[nodiscard]] bool accepts(const Hash& id) const;
  [[nodiscard]] bool rejects(const Hash& id) const;
  [[nodiscard]] const Correction* correction(const std::string& customer, const std::string& meter,
                                             const std::string& period) const;
  /// The latest decision holds: the opposite one before it is undone.
  void accept(const AnomalyContent& anomaly);
  void reject(const AnomalyContent& anomaly);
  void waive(const Waiver& waiver, bool withdraw);
  /// An empty quantity withdraws what was corrected before.
  void correct(const Correction& correction);
};

/// Adds to the slots of [from, to) what accepted anomalies of this view come to.
void apply_accepted(const Decisions& decisions, Ns slot, Ns from, Ns to, ViewUsage& view);

/// Takes in one entry of the audit log. Those of other kinds change nothing; one that does not read
/// is an error.
[[nodiscard]] Status take_in(const AuditEntry& entry, Decisions& decisions);
/// Of all entries up to `n`.
[[nodiscard]] Result<Decisions> load_decisions(AuditLog& log, std::int64_t n);

// ---- canonical JSON: what the audit log keeps (decisions_codec.cpp)
[[nodiscard]] std::string what_of(const AnomalyContent& anomaly);
[[nodiscard]] std::string what_of(const Waiver& waiver, bool withdraw);
[[nodiscard]] std::string what_of(const Correction& correction, const std::string& record);

/// "acme", "acme:interface=eth1*,source=host:a" or "interface=eth1*": whose, and which series. A
/// comma, a colon, an equals sign or a backslash inside a name or glob stands behind a backslash.
[[nodiscard]] Result<Waiver> waiver_of(const std::string& resource, Ns from, Ns to);
[[nodiscard]] std::string resource_text(const Waiver& waiver);

}  // namespace tallyman::rater
