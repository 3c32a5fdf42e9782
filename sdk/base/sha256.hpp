#pragma once
// SHA-256 (libsodium's crypto_hash_sha256): what people compare files by with tools of their own.
// Everything that is the project's alone is hashed by base/hash.hpp.

#include <memory>
#include <string_view>

#include "base/hash.hpp"

namespace tallyman {

/// Of bytes as they come. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(std::string_view bytes);
  [[nodiscard]] Hash finish();  ///< once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tallyman
