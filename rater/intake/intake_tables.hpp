#pragma once
// The intake's tables (intake.hpp says what they hold), and how older ones become these.

#include "base/result.hpp"
#include "rater/ledger/ledger.hpp"

namespace tallyman::rater {

/// Makes the tables, or brings them up. Not inside a transaction.
[[nodiscard]] Status prepare_intake(Ledger& ledger);

}  // namespace tallyman::rater
