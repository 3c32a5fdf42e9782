#pragma once
// One customer's period as a customer wants to see it: what a statement and the running figures
// show. A plain value; made by the daemon, shown by the command line (html, text) or handed on as
// JSON.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "rater/rating/record.hpp"
#include "rater/views/plot.hpp"

namespace tallyman::rater {

/// What the period would come to if it went on as it has. Linear by the time that is known: what
/// adds up (volume, time-weighted storage) is multiplied by active ÷ known time; a level (a
/// percentile, a peak) stays what it is. Decimal texts.
struct Forecast {
  std::string quantity, overuse;
  friend bool operator==(const Forecast&, const Forecast&) = default;
};

/// So many units at a price.
struct StatementCharge {
  std::string quantity, price, amount;
  friend bool operator==(const StatementCharge&, const StatementCharge&) = default;
};

/// What the record of one meter says, less what no customer asks for. Decimal texts.
struct StatementMeter {
  std::string id;  ///< of the record; empty while the period runs
  std::string meter, measure, direction, missing, hours, unit, plan;
  std::string quantity, low, high;  ///< high empty = nobody can say
  std::string coverage, estimated;  ///< 0 to 1
  std::string allowance, overuse;
  std::string price, currency, amount;  ///< amount empty = no price
  std::vector<StatementCharge> charges;
  std::uint64_t slots = 0, slots_missing = 0;
  std::string slot_length;
  std::vector<std::string> closed_without, problems;
  std::optional<Forecast> forecast;
  Plot plot;
};

struct CustomerStatement {
  std::string ledger;  ///< its id
  std::string customer, name, zone;
  Period period;               ///< with the customer's bounds
  std::string state;           ///< running, ended, draft, released
  Ns until = 0;                ///< figures of a running period are up to here
  bool plot_as_billed = true;  ///< false: usage has come since that the figures do not have
  std::vector<StatementMeter> meters;
  std::map<std::string, std::string> sums;  ///< by currency
};

/// A record as it stands on the bus, or its data alone, put into a line of a statement. An error
/// when it is neither.
[[nodiscard]] Result<StatementMeter> statement_meter(std::string_view record);
/// The forecast for a running record. `level`: the measure is one. `covered` is the coverage.
[[nodiscard]] std::optional<Forecast> forecast_of(const StatementMeter& meter, const Span& active,
                                                  Ns until);

[[nodiscard]] std::string statement_json(const CustomerStatement& statement);
[[nodiscard]] Result<CustomerStatement> read_statement(std::string_view json);

/// One self-contained page: no scripts, nothing to fetch; light and dark; prints well. Every text
/// in it is escaped.
[[nodiscard]] std::string statement_html(const CustomerStatement& statement);
/// For a terminal, or as plain lines.
[[nodiscard]] std::string statement_text(const CustomerStatement& statement, bool colour);
/// Running figures: the same with sparklines, percentile and forecast.
[[nodiscard]] std::string usage_text(const CustomerStatement& statement, bool colour);

}  // namespace tallyman::rater
