#pragma once
// How derived usage stands in rows: the one place that knows. Private to usage_store*.cpp.
//
//   view key   text source · u8 scope · text metric · text unit · u8 kind · labels · text agent ·
//              text instance      (text = varint length and bytes; labels = varint count, then a
//                                  name and a value each, ascending by name)
// Slots have a folder of their own: rater/slots/.

#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "rater/derive/derive.hpp"

namespace tallyman::rater {

extern const char* const kUsageTables;  ///< all but those of slots

[[nodiscard]] Bytes encode_view_key(const ViewKey& key);
/// What the keys of all its views begin with, and no others.
[[nodiscard]] Bytes encode_series_key(const SeriesKey& series);
[[nodiscard]] Result<ViewKey> decode_view_key(ByteView bytes);
[[nodiscard]] Bytes encode_labels(const std::map<std::string, std::string>& labels);
[[nodiscard]] Result<std::map<std::string, std::string>> decode_labels(ByteView bytes);

}  // namespace tallyman::rater
