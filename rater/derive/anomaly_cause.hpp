#pragma once
// Why a count cannot be believed. Numbers and names stand in ledgers: they stay as they are.

#include <cstdint>
#include <optional>
#include <string_view>

namespace tallyman::rater {

enum class AnomalyCause : std::uint8_t {
  speed = 1,      ///< a counter grew by more than its line carries
  room = 2,       ///< a gauge holds more than there is room for
  forgotten = 3,  ///< it may have been counted with a counter that is forgotten
  disputed = 4,   ///< a second value of a counter at one instant
  witnesses = 5,  ///< agents that read one source tell what cannot all be
};

/// Whether it is an interval of readings that is not counted. Others dispute readings that count
/// all the same.
[[nodiscard]] constexpr bool is_interval(AnomalyCause cause) {
  return cause != AnomalyCause::disputed && cause != AnomalyCause::witnesses;
}

/// In words; of witnesses only how they begin.
[[nodiscard]] std::string_view why_of(AnomalyCause cause);
/// One word.
[[nodiscard]] std::string_view name_of(AnomalyCause cause);
[[nodiscard]] std::optional<AnomalyCause> cause_named(std::string_view name);
[[nodiscard]] std::optional<AnomalyCause> cause_of_number(std::int64_t number);
/// By the words, for what older raters kept without a cause.
[[nodiscard]] std::optional<AnomalyCause> cause_of_words(std::string_view why);

}  // namespace tallyman::rater
