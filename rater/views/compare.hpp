#pragma once
// A period beside something else: what another catalogue would have billed (shadow), or what an old
// billing system did (compare).

#include <istream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rater/rating/decimal.hpp"
#include "rater/rerate.hpp"

namespace tallyman::rater {

/// What one side says of a customer and meter. Decimal texts; amount and currency may be empty.
struct Charged {
  std::string unit, quantity, overuse, currency, amount, coverage;
  friend bool operator==(const Charged&, const Charged&) = default;
};
using LineKey = std::pair<std::string, std::string>;  ///< customer, meter
using Charges = std::map<LineKey, Charged>;

/// Of usage records; sums are left out.
[[nodiscard]] Result<Charges> charges_of(const std::vector<Message>& messages);

struct Shadow {
  Period period;
  Charges then, now;                                      ///< as billed; by the other catalogue
  std::map<std::string, Rational> total_then, total_now;  ///< by currency
  std::vector<std::string> problems;                      ///< of rating by the other
};
/// Derives the period's usage from its cut and rates it by `other`. An error when `other` has no
/// period of that name.
[[nodiscard]] Result<Shadow> shadow(Snapshot& snapshot, const std::string& period,
                                    const Catalogue& other, const RerateProgress& progress = {});

/// The old system's figures, as CSV: the columns customer, meter, quantity, and if they are there
/// amount and unit (of the quantity; else the meter's). Every wrong line is told, `where` being
/// line:column.
struct OldFigures {
  Charges lines;
  std::vector<Error> errors;
};
[[nodiscard]] OldFigures read_old_figures(std::istream& csv);

struct Difference {
  LineKey line;
  std::optional<Charged> here, there;  ///< there: its quantity in the meter's unit
  Rational quantity;                   ///< |here − there|
  Rational relative;                   ///< of the larger one: 0 to 1
  std::optional<Rational> amount;      ///< |here − there|, where both have one
  bool beyond = false;                 ///< the tolerance
  std::string cause;                   ///< the likely one, in words; may be empty
};
struct Comparison {
  Period period;
  std::vector<Difference> lines;  ///< the biggest difference first
  std::size_t beyond = 0;
};
/// `tolerance` is a share, 0.01 being one percent. Likely causes come from rating the period's
/// usage, as the ledger knows it, by other rules.
[[nodiscard]] Result<Comparison> compare(Snapshot& snapshot, const std::string& period,
                                         const Charges& old, const Rational& tolerance);

/// What makes `here` into `there`, if it is a common slip: 1000 and 1024 taken for each other, bits
/// for bytes, a wrong prefix. Pure; empty when it is none.
[[nodiscard]] std::string unit_slip(const Rational& here, const Rational& there);

}  // namespace tallyman::rater
