#pragma once
// What the misbehaving plugins share: they are good for `after` polls, then each does its one
// thing, at every poll.

#include <charconv>
#include <cstdint>
#include <string>
#include <system_error>
#include <tallyman/plugin.hpp>

namespace fault {

namespace tp = tallyman::plugin;

/// An option as a number; BadConfig when it is none.
inline std::uint64_t number(const tp::Host& host, const char* key) {
  const std::string text = host.option(key);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw tp::BadConfig(std::string(key) + " = \"" + text + "\": expected a whole number");
  }
  return value;
}

/// Strike has a name and a static strike().
template <typename Strike>
class Faulty {
 public:
  static constexpr const char* name = Strike::name;
  static constexpr const char* version = "1.0";
  static constexpr tm_metric metrics[] = {
      tp::gauge("fault_good_polls", "polls", "Good polls of this process before this one")};
  static constexpr tm_option options[] = {
      tp::option("after", "0", "Good polls before the misbehaviour")};

  explicit Faulty(tp::Host host) : after_(number(host, "after")) {}
  void poll(tp::Poll& poll) {
    poll.emit({.metric = 0, .value = good_});
    if (good_ >= after_) Strike::strike();
    ++good_;
  }

 private:
  std::uint64_t after_, good_ = 0;
};

}  // namespace fault
