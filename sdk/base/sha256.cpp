#include "base/sha256.hpp"

#include <sodium.h>

namespace tallyman {

struct Sha256::State {
  crypto_hash_sha256_state sodium;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { crypto_hash_sha256_init(&state_->sodium); }

Sha256::~Sha256() = default;

void Sha256::add(std::string_view bytes) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  crypto_hash_sha256_update(&state_->sodium, data, bytes.size());
}

Hash Sha256::finish() {
  Hash out{};
  crypto_hash_sha256_final(&state_->sodium, out.data());
  return out;
}

}  // namespace tallyman
