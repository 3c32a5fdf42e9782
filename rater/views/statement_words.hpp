#pragma once
// What a statement says in words, the same in html and text. Pure.

#include <string>

#include "rater/views/statement.hpp"

namespace tallyman::rater {

/// "12345.6789" → "12,345.679": at most so many decimals, for reading; nothing else is changed.
[[nodiscard]] std::string grouped(const std::string& decimal, unsigned decimals);
/// "95th percentile", "Transfer", "Storage" …
[[nodiscard]] std::string measure_title(const StatementMeter& meter);
/// How it was measured, in a sentence or two.
[[nodiscard]] std::string measure_words(const StatementMeter& meter);
/// How much of the time was measured, and what became of the rest.
[[nodiscard]] std::string coverage_words(const StatementMeter& meter);
/// "Draft: these figures may still change." and the like; empty for what is released.
[[nodiscard]] std::string state_words(const CustomerStatement& statement);
/// "99.87 %": of a share from 0 to 1; cut off, so that 100 % is all of it.
[[nodiscard]] std::string percent(const std::string& share);

}  // namespace tallyman::rater
