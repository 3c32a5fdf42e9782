// Keeps `kibibytes` of memory more at every poll; otherwise it behaves, and goes on counting over
// restarts: its state is how many polls were good.
#include <cstring>
#include <vector>

#include "fault.hpp"

namespace tp = tallyman::plugin;

class Leaker {
 public:
  static constexpr const char *name = "leaker", *version = "1.0";
  static constexpr tm_metric metrics[] = {
      tp::counter("leaker_polls_total", "polls", "Good polls of all its processes")};
  static constexpr tm_option options[] = {tp::option("kibibytes", "4096", "kept at every poll")};
  static constexpr std::uint32_t state_version = 1;

  explicit Leaker(tp::Host host) : kibibytes_(fault::number(host, "kibibytes")) {}
  void poll(tp::Poll& poll) {
    kept_.emplace_back(kibibytes_ << 10U, 'x');
    if (first_ == 0) first_ = poll.scheduled();
    poll.emit({.metric = 0, .value = polls_, .epoch = 1, .start = first_});
    ++polls_;
  }
  void save(tp::StateWriter& out) const {
    const std::uint64_t words[] = {polls_, static_cast<std::uint64_t>(first_)};
    out.write(std::as_bytes(std::span(words)));
  }
  void restore(std::uint32_t, std::span<const std::byte> bytes) {
    std::uint64_t words[2];
    if (bytes.size() != sizeof words) throw tp::BadState("of another length");
    std::memcpy(words, bytes.data(), sizeof words);
    polls_ = words[0];
    first_ = static_cast<std::int64_t>(words[1]);
  }

 private:
  std::uint64_t kibibytes_, polls_ = 0;
  std::int64_t first_ = 0;
  std::vector<std::vector<char>> kept_;
};
TALLYMAN_PLUGIN(Leaker);
