#pragma once
// Fills the fields of anything that has some (agent/reexec/fields.hpp) with random values.

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "agent/reexec/state_fields.hpp"

namespace tallyman::agent {

class FieldFiller {
 public:
  explicit FieldFiller(std::uint32_t seed) : random_(seed) {}
  template <typename... T>
  void operator()(T&... values) {
    (fill(values), ...);
  }

 private:
  template <std::integral T>
  void fill(T& value) {
    // Small ones, and the ends of the type.
    switch (random_() % 4) {
      case 0:
        value = static_cast<T>(random_() % 2);
        break;
      case 1:
        value = std::is_same_v<T, bool> ? static_cast<T>(1) : std::numeric_limits<T>::max();
        break;
      case 2:
        value = std::numeric_limits<T>::min();
        break;
      default:
        value = static_cast<T>(random_());
    }
  }
  template <typename T>
  requires std::is_enum_v<T>
  void fill(T& value) {
    value = static_cast<T>(random_() % static_cast<std::uint64_t>(end_of(T{})));
  }
  void fill(std::string& text) {
    text.resize(random_() % 20);
    for (char& c : text) c = static_cast<char>(random_());
  }
  void fill(Bytes& bytes) {
    bytes.resize(random_() % 40);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random_());
  }
  template <std::size_t N>
  void fill(std::array<std::uint8_t, N>& bytes) {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random_());
  }
  template <typename T>
  void fill(std::vector<T>& items) {
    items.resize(random_() % 4);
    for (T& item : items) fill(item);
  }
  template <typename K, typename V>
  void fill(std::map<K, V>& items) {
    for (std::size_t left = random_() % 4; left > 0; left--) {
      K key{};
      fill(key);
      fill(items[key]);
    }
  }
  template <typename T>
  void fill(std::optional<T>& value) {
    value.reset();
    if (random_() % 2 == 0) fill(value.emplace());
  }
  template <typename T>
  requires std::is_class_v<T>
  void fill(T& value) { fields(*this, value); }

  std::mt19937 random_;
};

/// A state such as may be handed over: random in everything, with descriptors that may be.
inline AgentState random_state(std::uint32_t seed) {
  FieldFiller filler(seed);
  AgentState state;
  filler(state);
  int next = 3;
  for (int* number : {&state.lock, &state.segment, &state.listener, &state.asker}) *number = next++;
  for (InstanceState& instance : state.instances) {
    if (!instance.host) continue;
    HostState& host = *instance.host;
    for (int* number : {&host.exit_notice, &host.socket, &host.output, &host.report}) {
      *number = next++ % 5 == 0 ? -1 : next;
    }
  }
  return state;
}

}  // namespace tallyman::agent
