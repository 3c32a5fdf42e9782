#pragma once
// Expected failures as values: what went wrong, where, and what to do about it.

#include <string>
#include <utility>
#include <variant>

namespace tallyman {

/// One failure, in words for the person who must mend it. Plain data, any thread.
struct Error {
  std::string what;   ///< what is wrong, without a full stop: "cannot open the spool segment"
  std::string where;  ///< file, file:line:column, endpoint, plugin …; may be empty
  std::string todo;   ///< what to do about it; may be empty

  /// "where: what; todo", leaving out what is empty: always one line.
  [[nodiscard]] std::string text() const;
};

/// An Error from errno: `what` is followed by strerror's text.
[[nodiscard]] Error errno_error(std::string what, std::string where, int number,
                                std::string todo = {});

/// A T or the Error that stands in its way. Reading the wrong side is a programming error and
/// throws std::bad_variant_access.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}  // NOLINT: implicit, so `return value;` works
  Result(Error error)
      : state_(std::move(error)) {}  // NOLINT: implicit, so `return Error{…};` works

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  /// Of a temporary the value itself, so that `for (x : *call())` has something that lives.
  [[nodiscard]] T value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or the Error that stands in its way.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)), failed_(true) {}  // NOLINT: implicit

  [[nodiscard]] bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace tallyman
