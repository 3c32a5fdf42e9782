#include "rater/derive/anomaly_cause.hpp"

#include <array>

namespace tallyman::rater {
namespace {

struct Words {
  AnomalyCause cause;
  std::string_view name, why;
};

constexpr std::array kWords{
    Words{AnomalyCause::speed, "speed", "more than the line can carry in this time"},
    Words{AnomalyCause::room, "room", "more than there is room for"},
    Words{AnomalyCause::forgotten, "forgotten",
          "lies in a time whose ended counters are forgotten"},
    Words{AnomalyCause::disputed, "disputed", "two values of one counter at one instant"},
    Words{AnomalyCause::witnesses, "witnesses", "witnesses disagree"},
};

const Words& words_of(AnomalyCause cause) { return kWords[static_cast<std::size_t>(cause) - 1]; }

}  // namespace

std::string_view why_of(AnomalyCause cause) { return words_of(cause).why; }

std::string_view name_of(AnomalyCause cause) { return words_of(cause).name; }

std::optional<AnomalyCause> cause_named(std::string_view name) {
  for (const Words& each : kWords) {
    if (each.name == name) return each.cause;
  }
  return std::nullopt;
}

std::optional<AnomalyCause> cause_of_number(std::int64_t number) {
  for (const Words& each : kWords) {
    if (static_cast<std::int64_t>(each.cause) == number) return each.cause;
  }
  return std::nullopt;
}

std::optional<AnomalyCause> cause_of_words(std::string_view why) {
  for (const Words& each : kWords) {
    const bool whole = each.cause != AnomalyCause::witnesses;
    if (whole ? each.why == why : why.starts_with(each.why)) return each.cause;
  }
  return std::nullopt;
}

}  // namespace tallyman::rater
