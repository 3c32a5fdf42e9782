// What an instance's host takes, held against its limits, and what it prints.

#include <algorithm>
#include <utility>

#include "agent/instance/instance.hpp"
#include "agent/utf8.hpp"
#include "app/log.hpp"
#include "app/table.hpp"

namespace tallyman::agent {

using wire::Cause;

namespace {

// Between two looks at a host that is not polled.
constexpr Ns kIdleLook = 2 * kSecond;

}  // namespace

void Instance::watch_usage(Ns delay) {
  context_.loop.cancel(usage_timer_);
  usage_timer_ = context_.loop.after(delay, [this] {
    usage_timer_ = 0;
    check_usage();
  });
}

void Instance::check_usage() {
  const PluginPhase phase = supervisor_.phase();
  const bool lives = phase == PluginPhase::starting || phase == PluginPhase::running;
  std::optional<Usage> usage = lives && process_ ? process_->usage() : std::nullopt;
  if (!usage) return;
  const bool busy = flight_ || phase == PluginPhase::starting;
  cpu_ = usage->cpu;
  plugin_pid_ = usage->plugin;
  Usage in_poll = *usage;
  in_poll.cpu = std::max<Ns>(cpu_ - cpu_before_, 0);
  if (const std::string words = over_limit(config_.limits, in_poll); !words.empty()) {
    return condemn({Cause::limit, words}, PluginEvent::overrun);
  }
  if (!busy) {
    if (!first_usage_) first_usage_ = usage;
    const std::string words = grown(config_.limits, *first_usage_, *usage);
    if (!words.empty() && !stopping_ && !successor_.alive()) return recycle(words);
  }
  watch_usage(busy ? kBusyLook : kIdleLook);
}

// Only between two polls: none is under way that could be lost, and the next one waits.
void Instance::recycle(const std::string& why) {
  recycled_++;
  recycled_why_ = why;
  recycling_ = true;
  context_.event(*this, "recycled: " + why);
  take(PluginEvent::recycle);
}

Fault Instance::blame(Fault fault) const {
  // What the C++ library says when it is refused memory.
  if (fault.why.find("std::bad_alloc") != std::string::npos) {
    return {Cause::limit, allocation_refused(config_.limits) + "; " + fault.why};
  }
  std::optional<Usage> usage = process_ ? process_->usage() : std::nullopt;
  if (!usage) return fault;
  usage->cpu = std::max<Ns>(usage->cpu - cpu_before_, 0);
  const std::string words = over_limit(config_.limits, *usage);
  return words.empty() ? fault : Fault{Cause::limit, words + "; " + fault.why};
}

void Instance::give_up_held() {
  recycling_ = false;
  const std::optional<HeldPoll> held = std::exchange(held_, std::nullopt);
  if (held) gap_for_phase(held->scheduled);
}

void Instance::poll_held() {
  recycling_ = false;
  const std::optional<HeldPoll> held = std::exchange(held_, std::nullopt);
  if (held) begin_poll(held->scheduled, context_.loop.clock().wall(), held->stepped);
}

std::string Instance::notes() const {
  std::string out;
  if (recycled_ > 0) {
    const std::string often = recycled_ == 1 ? "once" : std::to_string(recycled_) + " times, last";
    out = "recycled " + often + ": " + recycled_why_;
  }
  const std::uint64_t dropped = output_dropped_ + (process_ ? process_->output_dropped() : 0);
  if (dropped > 0) {
    out += (out.empty() ? "" : "; ") + app::human_bytes(dropped) + " of what it printed is dropped";
  }
  if (const std::string words = swap_words(); !words.empty()) {
    out += (out.empty() ? "" : "; ") + words;
  }
  if (version_ && !version_->note.empty()) out += (out.empty() ? "" : "; ") + version_->note;
  return out;
}

void Instance::on_printed(const std::string& line) {
  LogLine plain{static_cast<std::uint8_t>(log::Level::info),
                "prints: " + plain_text(line, wire::kMaxTextBytes)};
  (void)on(plain);
}

}  // namespace tallyman::agent
