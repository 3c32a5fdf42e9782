// Given any text as lines of slots, then each is an error that names a column, or a reading that
// stands within its slot and is read back from its own JSON to the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "rater/import_slots.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tallyman;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  rater::SlotLines lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() + (line.size() < text.size() ? 1 : 0));
    const auto slot = lines.take(line, "old");
    if (!slot.ok()) {
      if (slot.error().where.empty()) std::abort();
      if (slot.error().where.find_first_not_of("0123456789") != std::string::npos) std::abort();
      continue;
    }
    if (!slot->has_value()) continue;
    const wire::ReadingLine& reading = **slot;
    if (reading.time <= reading.start || reading.time > reading.start + lines.length())
      std::abort();
  }
  return 0;
}
