#pragma once
// The one JSON shape of a reading and of a gap, one object a line: `tallyman readings --json`,
// executable plugins (less what they declare once) and `tallyman-rater import`. Its JSON Schema is
// reading.schema.json beside this file.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "wire/model.hpp"

namespace tallyman::wire {

using Labels = std::map<std::string, std::string>;

struct ReadingLine {
  std::string agent, plugin, instance, source, metric;
  Scope scope = Scope::host;  ///< told by the source: "host:…" is host, all else shared
  Kind kind = Kind::counter;
  std::string unit;
  Labels labels;  ///< identity
  Labels info;
  std::uint64_t epoch = 0;
  Ns start = 0;  ///< 0 = unknown: left out of the JSON
  std::uint64_t value = 0;
  Ns time = 0;  ///< the reading's position
  friend bool operator==(const ReadingLine&, const ReadingLine&) = default;
};

struct GapLine {
  std::string agent, plugin, instance, source;  ///< source may be empty: the whole instance
  std::string gap;                              ///< "hang: poll over its deadline of 5 s"
  Ns from = 0, to = 0;
  friend bool operator==(const GapLine&, const GapLine&) = default;
};

/// "host:…" is host, all else shared.
[[nodiscard]] Scope scope_of(std::string_view source);

[[nodiscard]] std::string to_json_line(const ReadingLine& reading);
[[nodiscard]] std::string to_json_line(const GapLine& gap);
/// `value` and `epoch` as decimal strings or numbers: integers exactly, up to 2^64 − 1; a number
/// with a fraction or exponent only if it is whole and below 2^53. What may be left out: instance
/// (then = plugin), labels, info, epoch, start; of a gap also source. A member that is not known,
/// or stands there twice, is an error. The first error found; its `where` is the column, in bytes
/// from 1.
[[nodiscard]] Result<std::variant<ReadingLine, GapLine>> parse_reading_line(std::string_view line);

}  // namespace tallyman::wire
