#include "base/hash.hpp"

#include <isa-l/crc.h>
#include <sodium.h>

#include <cstdlib>

namespace tallyman {
namespace {

/// libsodium must be initialised before its randomness is used; it never fails on Linux.
void sodium_once() {
  static const int ready = sodium_init();
  if (ready < 0) std::abort();
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

struct FieldHasher::State {
  crypto_generichash_state sodium;
};

Hash hash_of(std::span<const std::uint8_t> bytes) {
  Hash out{};
  crypto_generichash(out.data(), out.size(), bytes.data(), bytes.size(), nullptr, 0);
  return out;
}

FieldHasher::FieldHasher() : state_(std::make_unique<State>()) {
  crypto_generichash_init(&state_->sodium, nullptr, 0, sizeof(Hash));
}

FieldHasher::~FieldHasher() = default;

FieldHasher& FieldHasher::field(std::string_view text) {
  return field(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

FieldHasher& FieldHasher::field(std::span<const std::uint8_t> bytes) {
  number(bytes.size());
  crypto_generichash_update(&state_->sodium, bytes.data(), bytes.size());
  return *this;
}

FieldHasher& FieldHasher::number(std::uint64_t value) {
  std::array<std::uint8_t, 8> little{};
  for (std::size_t i = 0; i < little.size(); ++i) {
    little[i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  crypto_generichash_update(&state_->sodium, little.data(), little.size());
  return *this;
}

Hash FieldHasher::finish() {
  Hash out{};
  crypto_generichash_final(&state_->sodium, out.data(), out.size());
  return out;
}

std::uint32_t crc32c(std::span<const std::uint8_t> bytes) {
  // crc32_iscsi takes a non-const pointer and an int length; no caller hands it 2 GiB.
  auto* data = const_cast<unsigned char*>(bytes.data());
  return ~crc32_iscsi(data, static_cast<int>(bytes.size()), 0xffffffffU);
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

Status from_hex(std::string_view text, std::span<std::uint8_t> out) {
  if (text.size() != out.size() * 2) {
    return Error{"expected " + std::to_string(out.size() * 2) + " hexadecimal digits, found " +
                     std::to_string(text.size()),
                 "", ""};
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return Error{"not a hexadecimal digit", "", ""};
    out[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return {};
}

void random_bytes(std::span<std::uint8_t> out) {
  sodium_once();
  randombytes_buf(out.data(), out.size());
}

}  // namespace tallyman
