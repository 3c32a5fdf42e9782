#pragma once
// The readings of one poll in columns, coded against the instance's poll before in the same batch;
// private to sdk/wire. The bytes are documented in batch.hpp.

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "wire/model.hpp"

namespace tallyman::wire {

/// Whether both name the same epochs in the same order.
[[nodiscard]] bool same_epochs(std::span<const Value> a, std::span<const Value> b);

/// The list of epoch numbers, ascending, as evenly spaced runs.
void put_epochs(ByteWriter& out, std::span<const Value> values);
/// Fills in the epochs of as many values as the list names, at most `max`; fails the reader on a
/// list that is longer, or that the rest of the input is too short for.
[[nodiscard]] std::vector<Value> take_epochs(ByteReader& in, std::size_t max);

/// Codes differences of 64-bit columns. Not thread-safe; keeps its working memory between polls.
class ValueColumn {
 public:
  /// `same` = both name the same epochs.
  void put(Bytes& out, std::span<const Value> values, std::span<const Value> before, bool same);
  /// Fills in the values of `values`, whose epochs are known.
  void take(ByteReader& in, std::span<Value> values, std::span<const Value> before, bool same);

 private:
  void set_base(std::span<const Value> values, std::span<const Value> before, bool same);
  std::vector<std::uint64_t> base_;     ///< what each value is coded against
  std::vector<std::uint64_t> nonzero_;  ///< zigzag differences that are not zero
};

/// Times of their own, each against `wall`. The flag that there are any stands elsewhere.
void put_own_times(ByteWriter& out, std::span<const Value> values, Ns wall);
void take_own_times(ByteReader& in, std::span<Value> values, Ns wall);

/// a − b and a + b modulo 2^64: any input is defined.
[[nodiscard]] constexpr std::int64_t wrapping_minus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
[[nodiscard]] constexpr std::int64_t wrapping_plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

}  // namespace tallyman::wire
