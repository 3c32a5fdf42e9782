#pragma once
// Whether a ledger is whole: SQLite's own check, and of each stream the chain of hashes from the
// first batch to the mark, the raw bytes, and the definitions that readings refer to; every chunk
// of derived slots; and the chain of people's decisions with the catalogues that it seals.
//
// Reads only, in one transaction: a rater may go on writing meanwhile, and what is told is of one
// moment. (Its write-ahead log cannot be cut until the check has ended.) One thread; in memory are
// the definitions of one stream, and one batch.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/hash.hpp"
#include "base/result.hpp"
#include "rater/ledger/sqlite.hpp"

namespace tallyman::rater {

struct LedgerFinding {
  std::string what;
  std::string table;               ///< where it stands; empty = the file as a whole
  std::string agent, incarnation;  ///< of the stream; empty = none in particular
  /// Sequence numbers, or numbers of definitions, decisions or versions; 0 = none.
  std::uint64_t first = 0, last = 0;
};

struct LedgerReport {
  std::string path;
  std::string id;  ///< sixteen hexadecimal digits
  std::uint64_t streams = 0, batches = 0, bytes = 0, definitions = 0;
  std::uint64_t decisions = 0;          ///< people's, in their chain
  Hash decision_hash{};                 ///< that the chain ends with
  std::vector<LedgerFinding> findings;  ///< at most kMaxLedgerFindings
  std::uint64_t damages = 0;            ///< all of them
};

constexpr std::size_t kMaxLedgerFindings = 10'000;

/// Told how many batches of how many are done.
using LedgerProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// An error when the file is not there, is no ledger, or one of a newer version.
[[nodiscard]] Result<LedgerReport> verify_ledger(const std::string& path,
                                                 const LedgerProgress& progress = {});

}  // namespace tallyman::rater
