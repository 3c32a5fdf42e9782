// Behaves, but takes its time: each poll gives half of its readings, waits `takes` milliseconds,
// and gives the other half. A counter of its good polls, `series` times.
#include <poll.h>

#include "fault.hpp"

namespace tp = tallyman::plugin;

class Dawdler {
 public:
  static constexpr const char *name = "dawdler", *version = "1.0";
  static constexpr tm_metric metrics[] = {
      tp::gauge("dawdler_polls", "polls", "Polls of this process", tp::labels<"series">)};
  static constexpr tm_option options[] = {tp::option("takes", "1000", "milliseconds of a poll"),
                                          tp::option("series", "2", "readings of a poll")};

  explicit Dawdler(tp::Host host)
      : takes_(fault::number(host, "takes")), series_(fault::number(host, "series")) {}
  void poll(tp::Poll& poll) {
    ++polls_;
    for (std::uint64_t i = 0; i < series_; ++i) {
      if (i == series_ / 2) ::poll(nullptr, 0, static_cast<int>(takes_));
      poll.emit({.metric = 0, .value = polls_, .identity = {std::to_string(i)}});
    }
  }

 private:
  std::uint64_t takes_, series_, polls_ = 0;
};
TALLYMAN_PLUGIN(Dawdler);
