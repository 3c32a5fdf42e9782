// Given any text as a line of JSON, then reading it ends with an error that names a column, or with
// a reading or gap whose own line reads back to the same.
#include <cstdint>
#include <cstdlib>

#include "wire/reading_json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tallyman::wire;
  const auto line = parse_reading_line({reinterpret_cast<const char*>(data), size});
  if (!line.ok()) {
    if (!line.error().where.starts_with("column ")) std::abort();
    return 0;
  }
  const std::string text =
      std::visit([](const auto& what) { return to_json_line(what); }, line.value());
  const auto again = parse_reading_line(text);
  if (!again.ok() || !(again.value() == line.value())) std::abort();
  return 0;
}
