#include "agent/supervisor.hpp"

#include <algorithm>
#include <array>

namespace tallyman::agent {
namespace {

using P = PluginPhase;
using A = PluginAction;

using Row = std::array<Transition, kPluginEvents>;

// clang-format off
constexpr std::array<Row, kPluginPhases> kTable{{
  // enable               ready                  refuse                     overrun               garbage               exit                   exit_often             timer                  disable
  {{ {P::starting, A::spawn},  {P::disabled, A::none},    {P::disabled, A::none},    {P::disabled, A::none},    {P::disabled, A::none},    {P::disabled, A::none},    {P::disabled, A::none},    {P::disabled, A::none},    {P::disabled, A::none} }},     // disabled
  {{ {P::starting, A::none},   {P::running, A::admit},    {P::quarantined, A::drop}, {P::overdue, A::kill},     {P::overdue, A::kill},     {P::backoff, A::wait},     {P::failed, A::probe},     {P::overdue, A::kill},     {P::stopping, A::ask} }},      // starting
  {{ {P::running, A::none},    {P::running, A::none},     {P::quarantined, A::drop}, {P::overdue, A::kill},     {P::overdue, A::kill},     {P::backoff, A::wait},     {P::failed, A::probe},     {P::running, A::none},     {P::stopping, A::ask} }},      // running
  {{ {P::overdue, A::none},    {P::overdue, A::none},     {P::overdue, A::none},     {P::overdue, A::none},     {P::overdue, A::none},     {P::backoff, A::wait},     {P::failed, A::probe},     {P::overdue, A::none},     {P::stopping, A::kill} }},     // overdue
  {{ {P::stopping, A::none},   {P::stopping, A::none},    {P::stopping, A::none},    {P::stopping, A::kill},    {P::stopping, A::kill},    {P::disabled, A::rest},    {P::disabled, A::rest},    {P::stopping, A::kill},    {P::stopping, A::none} }},     // stopping
  {{ {P::backoff, A::none},    {P::backoff, A::none},     {P::backoff, A::none},     {P::backoff, A::none},     {P::backoff, A::none},     {P::backoff, A::none},     {P::backoff, A::none},     {P::starting, A::spawn},   {P::disabled, A::rest} }},     // backoff
  {{ {P::failed, A::none},     {P::failed, A::none},      {P::failed, A::none},      {P::failed, A::none},      {P::failed, A::none},      {P::failed, A::none},      {P::failed, A::none},      {P::starting, A::spawn},   {P::disabled, A::rest} }},     // failed
  {{ {P::quarantined, A::none},{P::quarantined, A::none}, {P::quarantined, A::none}, {P::quarantined, A::none}, {P::quarantined, A::none}, {P::quarantined, A::none}, {P::quarantined, A::none}, {P::starting, A::spawn},   {P::disabled, A::rest} }},     // quarantined
}};
// clang-format on

}  // namespace

Transition transition(PluginPhase phase, PluginEvent event) {
  return kTable[static_cast<std::size_t>(phase)][static_cast<std::size_t>(event)];
}

const char* phase_name(PluginPhase phase) {
  static constexpr std::array<const char*, kPluginPhases> kNames{
      "disabled", "starting", "running", "overdue", "stopping", "back-off", "failed", "quarantined",
  };
  return kNames[static_cast<std::size_t>(phase)];
}

Supervisor::Supervisor(const SupervisorOptions& options, std::uint64_t seed)
    : options_(options), random_(static_cast<std::minstd_rand::result_type>(seed % 2147483646U + 1)) {}

PluginAction Supervisor::take(PluginEvent event, Ns boot) {
  bool alive = phase_ == P::starting || phase_ == P::running || phase_ == P::overdue;
  if (event == PluginEvent::exit && alive) {
    good_polls_ = 0;
    failures_++;
    ends_.push_back(boot);
    if (ends_.size() > options_.max_restarts + 1) ends_.pop_front();
    if (ends_.size() > options_.max_restarts && boot - ends_.front() <= options_.within) {
      event = PluginEvent::exit_often;
    }
  }
  Transition to = transition(phase_, event);
  phase_ = to.next;
  if (to.action == A::spawn) spawns_++;
  if (to.action == A::wait) {
    Ns delay = options_.backoff_min;
    for (unsigned i = 1; i < failures_ && delay < options_.backoff_max; i++) delay *= 2;
    delay_ = jittered(std::min(delay, options_.backoff_max));
  }
  if (to.action == A::probe || to.action == A::drop) delay_ = jittered(options_.probe);
  return to.action;
}

void Supervisor::good_poll() {
  if (++good_polls_ < options_.proven) return;
  failures_ = 0;
  ends_.clear();
}

// Between three quarters and all of it, so that many plugins that failed together do not start
// together, and no limit is ever exceeded.
Ns Supervisor::jittered(Ns length) {
  auto part = static_cast<Ns>(random_() % 1025);
  return length - length / 4 * part / 1024;
}

}  // namespace tallyman::agent
