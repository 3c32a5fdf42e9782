#pragma once
// The intake's part of checking a ledger (rater/ledger/ledger_verify.hpp).

#include <functional>
#include <span>

#include "rater/intake/intake.hpp"
#include "rater/ledger/ledger_verify.hpp"

namespace tallyman::rater {

using LedgerFound = std::function<void(LedgerFinding)>;

/// Every stream, its definitions and batches, and the days' raw bytes. An error is SQLite's.
[[nodiscard]] Status verify_streams(Database& database, LedgerReport& report,
                                    const LedgerFound& found, const LedgerProgress& progress);

/// The same of some streams alone, and without looking for raw bytes that belong to none.
[[nodiscard]] Status verify_these(Database& database, std::span<const Stream> streams,
                                  LedgerReport& report, const LedgerFound& found,
                                  const LedgerProgress& progress);

}  // namespace tallyman::rater
