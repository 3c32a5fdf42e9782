#include "agent/instance/successor.hpp"

#include <algorithm>
#include <utility>

#include "base/time_text.hpp"

namespace tallyman::agent {
namespace {

using wire::Cause;
using P = SuccessorPhase;
using E = SuccessorEvent;
using A = SuccessorAction;

constexpr Ns kUsageLook = 100 * kMillisecond;
/// So often at least it may miss the moment between two polls before it is given up.
constexpr unsigned kFewCreations = 3;
/// Polls over their time until it is given up.
constexpr unsigned kMostSlow = 3;

Fault protocol(const char* why) { return {Cause::protocol, why}; }

const char* when_words(P phase) {
  switch (phase) {
    case P::loading:
      return " while it was loaded";
    case P::creating:
    case P::stale:
      return " while it was created";
    case P::canary:
      return " in its first poll";
    default:
      return "";
  }
}

}  // namespace

std::string version_text(const std::optional<Described>& described, const Hash& digest) {
  const std::string short_digest = to_hex(digest).substr(0, 8);
  if (!described || described->version.empty()) return short_digest;
  return described->version + " (" + short_digest + ")";
}

Successor::Successor(app::EventLoop& loop, Dictionary& dictionary, const std::string& agent,
                     const InstanceConfig& config, RetiredHosts& retired, Ns start_deadline,
                     Handlers handlers)
    : loop_(loop),
      dictionary_(dictionary),
      agent_(agent),
      config_(config),
      retired_(retired),
      start_deadline_(start_deadline),
      handlers_(std::move(handlers)) {}

Successor::~Successor() {
  loop_.cancel(timer_);
  loop_.cancel(usage_timer_);
}

// ---- the table's events and actions -------------------------------------------------------------

SuccessorAction Successor::take(E event) {
  const Succession to = succession(phase_, event);
  phase_ = to.next;
  const auto cancel = [this] { loop_.cancel(std::exchange(timer_, 0)); };
  switch (to.action) {
    case A::none:
    case A::poll:
    case A::promote:
    case A::hand_over:
      break;
    case A::spawn:
      spawn();
      break;
    case A::renew:
      dismiss();
      spawn();
      break;
    case A::create:
      create();
      break;
    case A::hold:
      cancel();
      break;
    case A::refuse:
    case A::drop:
      cancel();
      dismiss();
      break;
  }
  return to.action;
}

void Successor::offer(PluginVersion version) {
  if (phase_ == P::canary) return;
  version_ = std::move(version);
  slow_ = 0;
  take(E::offer);
}

void Successor::outdated() {
  if (!described_ || described_->state_version == 0) return;
  const bool often = creations_ >= kFewCreations;
  if (phase_ == P::creating && often && loop_.clock().boot() - spawned_ >= start_deadline_) {
    return fail({Cause::hang, "not ready between two polls: tried " + std::to_string(creations_) +
                                  " times in " + to_duration_text(start_deadline_)});
  }
  take(E::outdated);
  if (phase_ == P::loaded) handlers_.loaded();
}

void Successor::poll(const PollRequest& request) {
  if (take(E::poll) != A::poll) return;
  polled_ = request.number;
  const std::optional<Usage> usage = process_->usage();
  cpu_before_ = usage ? usage->cpu : 0;
  received_before_ = process_->received();
  readings_ = 0;
  process_->send(request);
}

void Successor::take_in() {
  if (process_) process_->take_in();
}

void Successor::fail(const Fault& fault) {
  if (take(E::bad) == A::refuse) handlers_.refused(fault);
}

bool Successor::may_try_again() const {
  return phase_ == P::canary && slow_ + 1 < kMostSlow && retired_.size() == 0;
}

void Successor::try_again() {
  slow_++;
  take(E::slow);
}

Heir Successor::promote() {
  take(E::good);
  return heir();
}

std::optional<Heir> Successor::orphaned() {
  const P phase = phase_;
  if (take(E::orphaned) != A::hand_over) return std::nullopt;
  Heir taken = heir();
  taken.phase = phase;
  return taken;
}

Heir Successor::heir() {
  loop_.cancel(std::exchange(timer_, 0));
  loop_.cancel(std::exchange(usage_timer_, 0));
  return {version_, std::move(process_),   spawned_,
          phase_,   std::move(described_), std::move(recorder_)};
}

void Successor::dismiss() {
  loop_.cancel(std::exchange(usage_timer_, 0));
  retired_.kill(std::move(process_));
}

void Successor::spawn() {
  described_.reset();
  recorder_ = std::make_unique<Recorder>(dictionary_, agent_, config_.name);
  creations_ = 0;
  received_before_ = 0;
  spawned_ = loop_.clock().boot();
  HostProcess::Handlers handlers;
  handlers.frame = [this](FromHost& frame) {
    Verdict fault = within_bytes();
    if (!fault) fault = std::visit([this](auto& body) { return on(body); }, frame);
    if (fault) fail(*fault);
  };
  handlers.garbage = [this](const Error& error) {
    fail({Cause::protocol, "garbage on its descriptor: " + error.text()});
  };
  handlers.printed = handlers_.printed;
  handlers.ended = [this](const Ended& ended) { on_ended(ended); };
  auto process = handlers_.start(*version_, std::move(handlers));
  if (!process) return fail({Cause::crash, process.error().text()});
  process_ = std::move(*process);
  pid_ = process_->pid();
  arm();
  watch_usage();
}

void Successor::create() {
  Configure configure = handlers_.configuration(*described_);
  given_state_ = configure.state_version != 0;
  creations_++;
  process_->send(configure);
  arm();
}

void Successor::arm() {
  loop_.cancel(timer_);
  timer_ = loop_.after(start_deadline_, [this] {
    timer_ = 0;
    fail({Cause::hang,
          "not ready within " + to_duration_text(start_deadline_) + when_words(phase_)});
  });
}

void Successor::watch_usage() {
  usage_timer_ = loop_.after(kUsageLook, [this] {
    usage_timer_ = 0;
    std::optional<Usage> usage = process_ ? process_->usage() : std::nullopt;
    if (!usage) return;
    if (phase_ == P::canary) usage->cpu = std::max<Ns>(usage->cpu - cpu_before_, 0);
    const std::string words = over_limit(config_.limits, *usage);
    if (!words.empty()) return fail({Cause::limit, words + when_words(phase_)});
    watch_usage();
  });
}

Verdict Successor::within_bytes() const {
  const std::uint64_t bytes = process_ ? process_->received() - received_before_ : 0;
  const std::string words = over_bytes(config_.limits, bytes);
  if (words.empty()) return {};
  return Fault{Cause::limit, words + when_words(phase_)};
}

void Successor::on_ended(const Ended& ended) {
  const std::string memory = died_of_memory(config_.limits, ended.peak, ended.words);
  process_.reset();
  handlers_.ended(pid_);
  fail({memory.empty() ? Cause::crash : Cause::limit,
        (memory.empty() ? ended.words : memory) + when_words(phase_)});
}

std::string Successor::words() const {
  if (!alive()) return {};
  const char* how = "is being loaded";
  if (phase_ == P::loaded || phase_ == P::creating || phase_ == P::stale) how = "is being created";
  if (phase_ == P::ready) how = "is ready to take over";
  if (phase_ == P::canary) how = "polls first";
  const std::string again =
      slow_ == 0 ? "" : ", after first polls that were too slow: " + std::to_string(slow_);
  return "version " + version_text(described_, version_->digest) + " " + how + again;
}

// ---- frames -------------------------------------------------------------------------------------

Verdict Successor::on(Described& described) {
  if (phase_ != P::loading) return protocol("a second declaration");
  if (Verdict fault = recorder_->declared(described)) return Fault{Cause::refused, fault->why};
  described_ = std::move(described);
  if (Verdict fault = handlers_.fit(*described_)) return fault;
  take(E::described);
  handlers_.loaded();
  return {};
}

Verdict Successor::on(Created& created) {
  const std::string why = created.why.empty() ? "the plugin gave no reason" : created.why;
  // What is no plugin says so in place of its declaration.
  if (phase_ == P::loading && created.status != CallStatus::ok) return Fault{Cause::refused, why};
  if (phase_ != P::creating && phase_ != P::stale) {
    return protocol("an answer to nothing that was asked");
  }
  if (created.status == CallStatus::bad_config) return Fault{Cause::refused, why};
  if (created.status != CallStatus::ok) {
    return Fault{Cause::error, "it could not be created: " + why};
  }
  if (given_state_ && !created.restored) {
    return Fault{Cause::refused, "it does not go on with the state: " + why};
  }
  take(E::created);
  if (phase_ == P::loaded) handlers_.loaded();
  return {};
}

Verdict Successor::on(Define& define) {
  if (phase_ != P::canary) return protocol("a definition outside a poll");
  return recorder_->define(define);
}

Verdict Successor::on(Readings& readings) {
  if (phase_ != P::canary) return protocol("readings outside a poll");
  readings_ += readings.values.size();
  const std::string words = over_readings(config_.limits, readings_);
  if (!words.empty()) return Fault{Cause::limit, words + when_words(phase_)};
  return recorder_->readings(readings);
}

Verdict Successor::on(PartGap& part) {
  if (phase_ != P::canary) return protocol("a gap outside a poll");
  return recorder_->part(std::move(part));
}

Verdict Successor::on(State& state) {
  if (phase_ != P::canary) return protocol("a state outside a poll");
  return recorder_->state(std::move(state));
}

Verdict Successor::on(LogLine& line) {
  handlers_.log(line);
  return {};
}

Verdict Successor::on(PollDone& done) {
  if (phase_ != P::canary || done.number != polled_) {
    return protocol("the end of a poll that was not asked for");
  }
  if (done.status == CallStatus::ok) return handlers_.polled(done);
  return Fault{Cause::error, "its first poll failed: " +
                                 (done.why.empty() ? "the plugin gave no reason" : done.why)};
}

}  // namespace tallyman::agent
