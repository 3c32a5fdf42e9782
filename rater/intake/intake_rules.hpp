#pragma once
// The rules a batch must pass before it is applied, pure: its place in the chain, and that
// everything it refers to is known.

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"
#include "base/hash.hpp"
#include "base/result.hpp"
#include "wire/batch.hpp"
#include "wire/message.hpp"

namespace tallyman::rater {

/// Numbers beyond this are not taken from anybody: sequence numbers, definitions and tokens stay
/// comparable as SQL's signed integers, and one above them always exists.
constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 62U;

/// What the batch after this one names as its predecessor: for a normal batch the hash of its
/// bytes, for one that replaces others (thinned, stand-in) the hash of what it replaces.
[[nodiscard]] Hash chain_hash(const wire::BatchHead& head, ByteView bytes);

/// The held batch that covers a sequence number; `hash` is the chain's at `last`.
struct HeldBatch {
  std::uint64_t sequence = 0, last = 0;
  Hash hash = kNoHash;
};

/// What the ledger knows when a batch comes.
struct ChainState {
  std::uint64_t mark = 0;
  Hash mark_hash = kNoHash;
  std::optional<HeldBatch> at_last;    ///< what covers the batch's last number, if held
  std::optional<HeldBatch> at_before;  ///< what covers the number before its first, if held
};

struct Verdict {
  enum class Kind { apply, repeat, diverged, out_of_order, malformed } kind = Kind::apply;
  std::string text;  ///< why not, for people
};

/// Model, "Once, and only once": apply what continues the chain at the mark, ignore what is held,
/// refuse other content under a held number, and refuse what leaves a hole. A stand-in that begins
/// at or below mark + 1 applies to what lies above the mark.
[[nodiscard]] Verdict judge(const wire::BatchHead& head, const Hash& hash, const ChainState& state);

/// The definitions of one stream, as far as references need them. Plain value, one thread.
class References {
 public:
  /// Empty when the definition may be added: its number is fresh and what it refers to is known and
  /// of the right kind; else what is wrong.
  [[nodiscard]] std::string check(const wire::Definition& definition) const;
  [[nodiscard]] std::string check(const wire::Poll& poll) const;
  [[nodiscard]] std::string check(const wire::Gap& gap) const;
  void add(const wire::Definition& definition);
  void remove(wire::DefNo number) { known_.erase(number); }
  [[nodiscard]] bool has(wire::DefNo number) const { return known_.contains(number); }
  /// The n for which 1 … n are all known, searching on from `from` (known to be good).
  [[nodiscard]] wire::DefNo contiguous(wire::DefNo from) const;

 private:
  struct Known {
    std::size_t kind = 0;  ///< index in wire::DefBody
    wire::DefNo refers = 0;
    std::size_t identity = 0, info = 0;  ///< of a metric: how many labels
  };
  [[nodiscard]] std::string wrong_in(const std::string& who, const wire::SeriesDef& series) const;
  [[nodiscard]] std::string wrong_in(const std::string& who, const wire::EpochDef& epoch) const;
  [[nodiscard]] std::string wrong_in(const std::string& who, const wire::InfoDef& info) const;
  [[nodiscard]] const Known* find(wire::DefNo number, std::size_t kind) const;
  std::unordered_map<wire::DefNo, Known> known_;
};

}  // namespace tallyman::rater
