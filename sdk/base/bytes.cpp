#include "base/bytes.hpp"

namespace tallyman {

void ByteWriter::fixed(std::uint64_t v, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out_.push_back(static_cast<std::uint8_t>(v >> (8 * i)));
}

void ByteWriter::varint(std::uint64_t v) {
  while (v >= 0x80) {
    out_.push_back(static_cast<std::uint8_t>(v | 0x80U));
    v >>= 7U;
  }
  out_.push_back(static_cast<std::uint8_t>(v));
}

void ByteWriter::text(std::string_view s) { blob(as_bytes(s)); }

void ByteWriter::blob(ByteView bytes) {
  varint(bytes.size());
  raw(bytes);
}

std::uint64_t ByteReader::fixed(unsigned bytes) {
  if (in_.size() < bytes) {
    fail();
    return 0;
  }
  std::uint64_t v = 0;
  for (unsigned i = 0; i < bytes; ++i) v |= static_cast<std::uint64_t>(in_[i]) << (8 * i);
  in_ = in_.subspan(bytes);
  return v;
}

std::uint64_t ByteReader::varint() {
  std::uint64_t v = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = u8();
    if (!ok_) return 0;
    if (shift == 63 && byte > 1) break;
    v |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if ((byte & 0x80U) == 0) return v;
  }
  fail();
  return 0;
}

ByteView ByteReader::raw(std::size_t bytes) {
  if (in_.size() < bytes) {
    fail();
    return {};
  }
  const ByteView out = in_.first(bytes);
  in_ = in_.subspan(bytes);
  return out;
}

std::string ByteReader::text(std::size_t max) { return std::string(as_text(blob(max))); }

ByteView ByteReader::blob(std::size_t max) {
  const std::uint64_t size = varint();
  if (size > max) {
    fail();
    return {};
  }
  return raw(static_cast<std::size_t>(size));
}

std::size_t ByteReader::count(std::size_t min_bytes) {
  const std::uint64_t n = varint();
  if (n > in_.size() / min_bytes) {
    fail();
    return 0;
  }
  return static_cast<std::size_t>(n);
}

}  // namespace tallyman
