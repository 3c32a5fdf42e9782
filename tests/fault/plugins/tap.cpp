// Behaves. Its counters come from a file that a test owns, so that the truth is known: a line for
// each, "START VALUE", START in nanoseconds since 1970 or 0 for unknown. Whoever writes it renames
// a new one over it.
#include <fstream>
#include <stdexcept>

#include "fault.hpp"

namespace tp = tallyman::plugin;

class Tap {
 public:
  static constexpr const char *name = "tap", *version = "1.0";
  static constexpr tm_metric metrics[] = {
      tp::counter("tap_bytes_total", "bytes", "Bytes as the file says", tp::labels<"series">)};
  static constexpr tm_option options[] = {tp::option("path", "", "the file with the values")};
  // The test's folder is its own user's alone.
  static constexpr tm_needs needs =
      tp::needing({.capabilities = tp::list<"CAP_DAC_READ_SEARCH">, .paths = tp::list<"@path">});

  explicit Tap(tp::Host host) : path_(host.option("path")) {}
  void poll(tp::Poll& poll) {
    std::ifstream file(path_);
    std::int64_t start = 0;
    std::uint64_t value = 0;
    std::size_t line = 0;
    for (; file >> start >> value; ++line) {
      poll.emit({.metric = 0,
                 .value = value,
                 .epoch = 1,
                 .start = start,
                 .identity = {std::to_string(line)}});
    }
    if (line == 0 || !file.eof()) throw std::runtime_error(path_ + " cannot be read to its end");
  }

 private:
  std::string path_;
};
TALLYMAN_PLUGIN(Tap);
