#pragma once
// What a D-Bus answer holds, whoever it came from: a tree of plain values. The bus makes them, the
// decoders of ganesha_answers.hpp read them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace nfs {

struct Value;
/// The members of a struct, the elements of an array, or the arguments of an answer.
using Values = std::vector<Value>;

struct Value {
  /// Every whole number is a uint64 here; what D-Bus has besides is left out as a monostate, so
  /// that members keep their places.
  std::variant<std::monostate, bool, std::uint64_t, double, std::string, Values> data;

  Value() = default;
  Value(bool b) : data(b) {}                           // NOLINT: implicit
  Value(std::uint64_t n) : data(n) {}                  // NOLINT: implicit
  Value(double d) : data(d) {}                         // NOLINT: implicit
  Value(std::string s) : data(std::move(s)) {}         // NOLINT: implicit
  Value(const char* s) : data(std::string(s)) {}       // NOLINT: implicit
  Value(Values members) : data(std::move(members)) {}  // NOLINT: implicit

  template <typename T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&data);
  }
  [[nodiscard]] const std::uint64_t* number() const { return as<std::uint64_t>(); }
  [[nodiscard]] const std::string* text() const { return as<std::string>(); }
  [[nodiscard]] const Values* members() const { return as<Values>(); }
};

/// The i-th of some values when it is there and of this type.
template <typename T>
[[nodiscard]] const T* at(const Values& values, std::size_t i) {
  return i < values.size() ? values[i].as<T>() : nullptr;
}

}  // namespace nfs
