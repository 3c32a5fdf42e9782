#pragma once
// What people decided, in the order in which they did: append-only, and each entry sealed by a hash
// over the one before it, so that none can be changed, taken out or slipped in unseen.
//
// Table (part "audit"): audit(n, at, uid, user, kind, what, why, hash)
//   n      1, 2, 3 … without a gap
//   at     wall instant, nanoseconds
//   what   what was decided, as canonical JSON: keys ascending, no space, nothing but texts,
//          integers, booleans, lists and objects
//   hash   BLAKE2b-256 over the hash before (kNoHash for the first), then n, at, uid, user, kind,
//          what and why, each length-prefixed
// Rejected: a chain in a file of its own (it could not be in the transaction of what it tells of),
// and a table for each kind of decision (what holds their order together would be a second one).

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/hash.hpp"
#include "base/result.hpp"
#include "rater/ledger/ledger.hpp"

namespace tallyman::rater {

constexpr std::uint32_t kUnknownUid = ~0U;
constexpr std::size_t kMaxWhy = 1024;  ///< bytes
constexpr std::size_t kMaxWhat = std::size_t{1} << 20U;

/// Who decides, and why: as the kernel vouches for whom asks over the socket.
struct Decision {
  std::string who, why;
  std::uint32_t uid = kUnknownUid;
};

/// What the rater does by itself, as its configuration says.
[[nodiscard]] Decision by_configuration(std::string why);

/// Refuses a decision without a reason (blanks are none), and one that is longer than kMaxWhy.
[[nodiscard]] Status check_why(const Decision& decision);

/// One entry's place in the chain. n = 0: before the first one.
struct AuditMark {
  std::int64_t n = 0;
  Hash hash = kNoHash;
  friend bool operator==(const AuditMark&, const AuditMark&) = default;
};

struct AuditEntry {
  AuditMark mark;
  Ns at = 0;
  std::uint32_t uid = kUnknownUid;
  std::string user, kind, what, why;
};

/// What an entry's hash must be after `previous`.
[[nodiscard]] Hash audit_hash(const AuditEntry& entry, const Hash& previous);

/// A handle on the ledger's chain; copies are the same chain. On the loop's thread; the ledger
/// outlives it.
class AuditLog {
 public:
  static Result<AuditLog> open(Ledger& ledger);

  /// Inside the transaction of what was decided: both are kept, or neither.
  [[nodiscard]] Result<AuditMark> append(std::string_view kind, std::string_view what,
                                         const Decision& decision, Ns at);
  [[nodiscard]] Result<AuditMark> head();
  /// Entries after `n`, at most `most`, in order; those of one kind, or of all ("").
  [[nodiscard]] Result<std::vector<AuditEntry>> entries(std::int64_t n, std::size_t most,
                                                        std::string_view kind = {});
  [[nodiscard]] Database& database() { return ledger_->database(); }

 private:
  explicit AuditLog(Ledger& ledger) : ledger_(&ledger) {}
  Ledger* ledger_;
};

/// Brings a decision of an older table into the chain: for upgrades of a part, which come with a
/// database alone. The part "audit" is there.
[[nodiscard]] Result<AuditMark> append_audit(Database& database, std::string_view kind,
                                             std::string_view what, const Decision& decision,
                                             Ns at);

/// Walks the chain from its first entry; tells each that does not stand in it, with its number.
/// The mark it ends with comes back. A ledger without a chain has none to be wrong.
[[nodiscard]] Result<AuditMark> verify_audit(
    Database& database, const std::function<void(std::int64_t n, std::string what)>& found);

}  // namespace tallyman::rater
