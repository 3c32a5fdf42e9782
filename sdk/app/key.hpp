#pragma once
// CURVE key pairs: what encrypts the link, and what an agent is known by. Keys are written in Z85,
// 40 characters. zmq.h is included by key.cpp and zap.cpp.
//
// A key file is TOML with two keys, `public` and `secret`, readable by its owner alone. Rejected: a
// file for each half (they get mixed up), and the secret inside agent.toml (which people mail
// around).

#include <string>
#include <string_view>

#include "app/config.hpp"
#include "base/result.hpp"

namespace tallyman::app {

constexpr std::size_t kKeyText = 40;  ///< characters of a key in Z85

struct KeyPair {
  std::string public_key, secret_key;  ///< Z85; both empty = none
  [[nodiscard]] bool empty() const { return public_key.empty(); }
  friend bool operator==(const KeyPair&, const KeyPair&) = default;
};

/// Forty characters that stand for 32 bytes.
[[nodiscard]] bool is_key(std::string_view text);

/// A fresh pair. Its public key begins with a letter or a digit, so that no command line takes it
/// for an option.
[[nodiscard]] KeyPair new_key_pair();

/// Reads a key file. What is wrong with it (not there, readable by others, no pair) is added to
/// `errors` with its place; then the pair is empty.
[[nodiscard]] KeyPair load_key_pair(const std::string& path, ConfigErrors& errors);

/// Writes a key file with mode 0600, durable and whole or not at all. One that is there is replaced
/// only when `replace` is set.
[[nodiscard]] Status write_key_pair(const std::string& path, const KeyPair& pair, bool replace);

/// `key new`: makes and writes a pair, tells its public key on stdout and then `next`, what to do
/// with it. The exit status; errors are told on stderr as `program`'s.
int key_new(const char* program, const std::string& path, bool replace, const std::string& next);
/// `key show`: the public key alone.
int key_show(const char* program, const std::string& path);

}  // namespace tallyman::app
