#pragma once
// BLAKE2b-256 (libsodium's crypto_generichash): the hash of chains, ids and evidence; and CRC-32C
// (isa-l's crc32_iscsi) against torn and rotten bytes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace tallyman {

using Hash = std::array<std::uint8_t, 32>;
constexpr Hash kNoHash{};  ///< what a chain's first link names as its predecessor

/// BLAKE2b-256 of the bytes as they are.
[[nodiscard]] Hash hash_of(std::span<const std::uint8_t> bytes);

/// Hashes a list of fields, each length-prefixed (u64 little-endian), so that no two different
/// lists run together into one. Not thread-safe.
class FieldHasher {
 public:
  FieldHasher();
  ~FieldHasher();
  FieldHasher(const FieldHasher&) = delete;
  FieldHasher& operator=(const FieldHasher&) = delete;
  FieldHasher& field(std::string_view text);
  FieldHasher& field(std::span<const std::uint8_t> bytes);
  FieldHasher& number(std::uint64_t value);  ///< eight bytes, little-endian
  [[nodiscard]] Hash finish();               ///< once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] std::uint32_t crc32c(std::span<const std::uint8_t> bytes);

[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);
/// Exactly `out.size()` bytes from twice as many hex digits of either case.
[[nodiscard]] Status from_hex(std::string_view text, std::span<std::uint8_t> out);

/// Fills with the kernel's randomness.
void random_bytes(std::span<std::uint8_t> out);

}  // namespace tallyman
