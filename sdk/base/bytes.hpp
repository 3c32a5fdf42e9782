#pragma once
// Little-endian writing and total reading of bytes: whatever the bytes are, a read gives a value or
// sets the reader's failure; never a fault, never more memory than the input accounts for.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tallyman {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

/// Maps signed to unsigned so that small magnitudes stay small: 0,-1,1,-2 → 0,1,2,3.
constexpr std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1U) ^ static_cast<std::uint64_t>(v >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t v) {
  return static_cast<std::int64_t>((v >> 1U) ^ (~(v & 1U) + 1U));
}

/// Appends to a vector it does not own. Not thread-safe.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(out) {}
  void u8(std::uint8_t v) { out_.push_back(v); }
  void u16(std::uint16_t v) { fixed(v, 2); }
  void u32(std::uint32_t v) { fixed(v, 4); }
  void u64(std::uint64_t v) { fixed(v, 8); }
  void i64(std::int64_t v) { fixed(static_cast<std::uint64_t>(v), 8); }
  void fixed(std::uint64_t v, unsigned bytes);         ///< the low `bytes` bytes, 0 to 8
  void varint(std::uint64_t v);                        ///< LEB128, 1 to 10 bytes
  void svarint(std::int64_t v) { varint(zigzag(v)); }  ///< zigzag LEB128
  void raw(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void text(std::string_view s);  ///< varint length, then the bytes
  void blob(ByteView bytes);      ///< varint length, then the bytes
  [[nodiscard]] std::size_t size() const { return out_.size(); }

 private:
  Bytes& out_;
};

/// Reads from bytes it does not own. After the first failure every read gives zero or empty and
/// ok() stays false, so a decoder may check once at its end. Not thread-safe.
class ByteReader {
 public:
  explicit ByteReader(ByteView in) : in_(in) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return in_.empty(); }
  [[nodiscard]] std::size_t left() const { return in_.size(); }
  void fail() { ok_ = false, in_ = {}; }

  std::uint8_t u8() { return static_cast<std::uint8_t>(fixed(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(fixed(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(fixed(4)); }
  std::uint64_t u64() { return fixed(8); }
  std::int64_t i64() { return static_cast<std::int64_t>(fixed(8)); }
  std::uint64_t fixed(unsigned bytes);
  std::uint64_t varint();  ///< fails on more than 64 bits
  std::int64_t svarint() { return unzigzag(varint()); }
  ByteView raw(std::size_t bytes);
  /// A varint length of at most `max`, then that many bytes.
  std::string text(std::size_t max);
  ByteView blob(std::size_t max);
  /// A varint count of things that take at least `min_bytes` (≥ 1) each: fails when the rest of the
  /// input cannot hold that many, so a caller may reserve it.
  std::size_t count(std::size_t min_bytes = 1);

 private:
  ByteView in_;
  bool ok_ = true;
};

[[nodiscard]] inline ByteView as_bytes(std::string_view s) {
  return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()};
}
[[nodiscard]] inline std::string_view as_text(ByteView b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

}  // namespace tallyman
