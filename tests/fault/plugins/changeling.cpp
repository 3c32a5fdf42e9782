// Counts its committed polls in its state, and does one thing wrong at one stage of its life.
// Which, and what version it is, stands in its file behind a mark, for tests to make versions of
// it.
#include <tallyman/plugin.hpp>

#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace tp = tallyman::plugin;

constexpr std::size_t kMark = 12, kField = 32;
// Mark, version, what to do: padded with zeros, and never optimised into the code.
extern char changeling_script[kMark + 2 * kField];
__attribute__((used)) char changeling_script[kMark + 2 * kField] =
    "CHANGELING!\0"
    "1.0";

namespace {

const char* todo() {
  char* volatile script = changeling_script;
  return script + kMark + kField;
}

/// "crash in poll": does `crash` when the stage is `poll`.
void act(const char* stage) {
  const char* at = std::strstr(todo(), " in ");
  if (at == nullptr || std::strcmp(at + 4, stage) != 0) return;
  const std::string what(todo(), at);
  if (what == "crash") std::abort();
  if (what == "exit") std::_Exit(0);
  if (what == "hang") {
    for (;;) ::poll(nullptr, 0, -1);
  }
  if (what == "garbage") {
    const char noise[] = "\xff\xff\xff\xff no frame of ours";
    if (::write(3, noise, sizeof noise) < 0) std::abort();
  }
  if (what == "fail") throw std::runtime_error("as it was told");
  if (what == "refuse") throw tp::BadConfig("as it was told");
  if (what == "dislike") throw tp::BadState("as it was told");
  if (what == "doze") ::poll(nullptr, 0, 300);
}

/// "linger": every poll and every save takes a while.
void linger() {
  if (std::strcmp(todo(), "linger") == 0) ::poll(nullptr, 0, 10);
}

struct Loaded {
  Loaded() { act("constructor"); }
};
const Loaded loaded;

}  // namespace

class Changeling {
 public:
  static constexpr const char* name = "changeling";
  static constexpr const char* version = changeling_script + kMark;
  static constexpr tm_metric metrics[] = {
      tp::counter("changeling_polls_total", "polls", "Good polls before this one",
                  tp::labels<"name">),
      tp::gauge("changeling_process", "polls", "Good polls of this process before this one",
                tp::labels<"name">)};
  static constexpr tm_option options[] = {tp::option("name", "only", "tells instances apart")};
#ifndef CHANGELING_STATELESS
  static constexpr std::uint32_t state_version = 1;
#endif

  explicit Changeling(tp::Host host) : name_(host.option("name")) { act("create"); }
  void poll(tp::Poll& poll) {
    if (here_ == 0) act("poll");
    linger();
    if (here_ == 0 && std::strcmp(todo(), "undeclared") == 0) poll.emit({.metric = 7, .value = 1});
    if (here_ == 0 && std::strcmp(todo(), "abundance") == 0) {
      for (int i = 0; i < 100; i++) {
        poll.emit({.metric = 1, .value = 0, .identity = {"more " + std::to_string(i)}});
      }
    }
    poll.emit({.metric = 0, .value = polls_++, .epoch = 1, .start = 1, .identity = {name_}});
    poll.emit({.metric = 1, .value = here_++, .identity = {name_}});
  }
  void save(tp::StateWriter& out) const {
    if (here_ == 1) act("save");
    linger();
    out.write(std::as_bytes(std::span(&polls_, 1)));
  }
  void restore(std::uint32_t, std::span<const std::byte> bytes) {
    act("restore");
    if (bytes.size() != sizeof polls_) throw tp::BadState("of another size");
    std::memcpy(&polls_, bytes.data(), sizeof polls_);
  }

 private:
  std::string name_;
  std::uint64_t polls_ = 0, here_ = 0;
};
TALLYMAN_PLUGIN(Changeling);
