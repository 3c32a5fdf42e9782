// libraries: rater_core
// Given any bytes as a catalogue, TOML or JSON, then the loader ends with a catalogue or with
// errors; a catalogue without errors can be rated by, and its canonical text is the same catalogue.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "rater/rating/catalogue.hpp"
#include "rater/rating/close.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tallyman;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  app::ConfigErrors errors;
  const rater::Catalogue catalogue =
      rater::parse_catalogue(text, "fuzz.toml", 300 * kSecond, errors);
  if (!errors.empty()) {
    if (errors.text().empty()) std::abort();
    return 0;
  }
  const Hash version = catalogue.version();
  if (catalogue.version() != version) std::abort();
  const std::string canonical = rater::canonical_text(catalogue);
  const rater::Catalogue again =
      rater::parse_catalogue(canonical, "canonical", 300 * kSecond, errors);
  if (!errors.empty() || again.version() != version) std::abort();
  const rater::Period period =
      rater::period_at(catalogue.period, catalogue.zone, 1'795'348'800 * kSecond);
  (void)rater::rate(catalogue, period, 300 * kSecond, {}, {});
  return 0;
}
