#pragma once
// One list of fields for both directions: fields(archive, value) names a struct's members once, and
// the archive writes or reads them. It takes the struct apart by a structured binding, so that a
// member added without being named here does not compile. Numbers are varints, texts and bytes a
// length and the bytes, lists a count and their items, an optional a bool and the value.
//
// Reading is total: whatever the bytes are, it gives values within their types (an enum below its
// end_of()), or the reader's failure; and takes memory in proportion to the bytes.

#include <array>
#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace tallyman::agent {

/// Owns nothing; not thread-safe.
class FieldWriter {
 public:
  explicit FieldWriter(ByteWriter& out) : out_(out) {}
  template <typename... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }

 private:
  template <std::unsigned_integral T>
  void put(const T& value) {
    out_.varint(value);
  }
  template <std::signed_integral T>
  void put(const T& value) {
    out_.svarint(value);
  }
  template <typename T>
  requires std::is_enum_v<T>
  void put(const T& value) { out_.svarint(static_cast<std::int64_t>(value)); }
  void put(const std::string& text) { out_.text(text); }
  void put(const Bytes& bytes) { out_.blob(bytes); }
  template <std::size_t N>
  void put(const std::array<std::uint8_t, N>& bytes) {
    out_.raw(bytes);
  }
  template <typename T>
  void put(const std::vector<T>& items) {
    out_.varint(items.size());
    for (const T& item : items) put(item);
  }
  template <typename K, typename V>
  void put(const std::map<K, V>& items) {
    out_.varint(items.size());
    for (const auto& [key, value] : items) put(key), put(value);
  }
  template <typename T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <typename T>
  requires std::is_class_v<T>
  void put(const T& value) {
    // Shared with reading: a writer changes nothing.
    fields(*this, const_cast<T&>(value));
  }

  ByteWriter& out_;
};

/// Owns nothing; not thread-safe.
class FieldReader {
 public:
  explicit FieldReader(ByteReader& in) : in_(in) {}
  template <typename... T>
  void operator()(T&... values) {
    (get(values), ...);
  }

 private:
  template <std::integral T>
  void get(T& value) {
    if constexpr (std::is_signed_v<T>) {
      const std::int64_t read = in_.svarint();
      in_range<T>(read) ? void(value = static_cast<T>(read)) : in_.fail();
    } else {
      const std::uint64_t read = in_.varint();
      in_range<T>(read) ? void(value = static_cast<T>(read)) : in_.fail();
    }
  }
  template <typename T>
  requires std::is_enum_v<T>
  void get(T& value) {
    const std::int64_t read = in_.svarint();
    if (read < 0 || read >= end_of(T{})) return in_.fail();
    value = static_cast<T>(read);
  }
  void get(std::string& text) { text = in_.text(in_.left()); }
  void get(Bytes& bytes) {
    const ByteView read = in_.blob(in_.left());
    bytes.assign(read.begin(), read.end());
  }
  template <std::size_t N>
  void get(std::array<std::uint8_t, N>& bytes) {
    const ByteView read = in_.raw(N);
    std::copy(read.begin(), read.end(), bytes.begin());
  }
  template <typename T>
  void get(std::vector<T>& items) {
    items.clear();
    for (std::size_t left = in_.count(); left > 0 && in_.ok(); left--) get(items.emplace_back());
  }
  template <typename K, typename V>
  void get(std::map<K, V>& items) {
    items.clear();
    for (std::size_t left = in_.count(); left > 0 && in_.ok(); left--) {
      K key{};
      get(key);
      get(items[std::move(key)]);
    }
  }
  template <typename T>
  void get(std::optional<T>& value) {
    bool there = false;
    get(there);
    value.reset();
    if (there) get(value.emplace());
  }
  template <typename T>
  requires std::is_class_v<T>
  void get(T& value) { fields(*this, value); }
  template <typename T, typename Read>
  static bool in_range(Read read) {
    if constexpr (std::is_same_v<T, bool>) {
      return read <= 1;
    } else {
      return std::in_range<T>(read);
    }
  }

  ByteReader& in_;
};

}  // namespace tallyman::agent
