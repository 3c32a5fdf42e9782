#pragma once
// How a definition stands in bytes; private to sdk/wire (outside: encode_definition and
// decode_definition in batch.hpp).
//
//   varint number · u8 type · body
//
//   type 1 instance  text instance · text plugin · text version · 32 bytes digest · varint interval
//   type 2 source    u8 scope · text id
//   type 3 metric    text name · text unit · text help · u8 kind · varint resolution ·
//                    texts identity · texts info
//   type 4 series    varint source · varint metric · texts identity
//   type 5 epoch     varint series · u64 epoch · varint start
//   type 6 info      varint series · varint from · texts values
//
// text = varint length and as many bytes; texts = varint count and as many text.

#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/model.hpp"

namespace tallyman::wire {

constexpr std::size_t kMaxValueBytes = 4 * kMaxNameBytes;  ///< ids and label values

[[nodiscard]] constexpr bool valid_time(Ns t) { return t >= 0 && t < kMaxTime; }

/// The text, or as much of it as `max` bytes hold without cutting a UTF-8 character in two.
[[nodiscard]] std::string_view cut_text(std::string_view text, std::size_t max);

void put_definition(ByteWriter& out, const Definition& definition);
/// Fails the reader when it does not decode, or check_definition() would refuse it.
[[nodiscard]] Definition take_definition(ByteReader& in);

/// What every decoder holds a definition to: limits, ranges, references to lower numbers only.
[[nodiscard]] Status check_definition(const Definition& definition);

}  // namespace tallyman::wire
