#include "agent/cli/plugin_trial.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "agent/control/readings_view.hpp"
#include "agent/instance/host_process.hpp"
#include "agent/instance/plugin_files.hpp"
#include "agent/instance/recorder.hpp"
#include "agent/isolation/isolation.hpp"
#include "agent/spool/dictionary.hpp"
#include "agent/utf8.hpp"
#include "base/time_text.hpp"

namespace tallyman::cli {
namespace {

using namespace agent;

constexpr Ns kStartDeadline = 10 * kSecond;
constexpr Ns kStopDeadline = kSecond;
constexpr const char* kAgentName = "check";

/// The trial of one plugin, over the two processes it has. Lives on the stack of try_plugin().
class Run {
 public:
  Run(app::EventLoop& loop, const TrialPlan& plan)
      : loop_(loop),
        plan_(plan),
        recorder_(dictionary_, kAgentName, plan.config.name),
        definitions_{[this](wire::DefNo number) { return dictionary_.find(number); },
                     [this](wire::DefNo series) { return dictionary_.info_of(series); }} {}

  Trial take() {
    if (start() && create({})) {
      for (unsigned i = 0; i < plan_.polls && fault_.empty(); i++) {
        if (i > 0) wait(plan_.between, [] { return false; });
        poll();
      }
      if (fault_.empty()) stop();
      if (fault_.empty() && state_) restore();
    }
    trial_.ended = fault_;
    process_.reset();
    return std::move(trial_);
  }

 private:
  bool start() {
    process_.reset();
    described_.reset();
    ended_ = false;
    HostProcess::Handlers handlers;
    handlers.frame = [this](FromHost& frame) { heard(on_frame(frame)); };
    handlers.garbage = [this](const Error& error) {
      heard(Fault{wire::Cause::protocol, "garbage on its descriptor: " + error.text()});
    };
    handlers.printed = [this](const std::string& line) { say("prints: " + line); };
    handlers.ended = [this](const Ended& ended) {
      ended_ = true;
      if (!stopping_) heard(Fault{wire::Cause::crash, ended.words});
      loop_.stop();
    };
    Result<Confinement> confined =
        isolation_.confine({plan_.config.name, plan_.file, plan_.plugin_host, user(),
                            access_.value_or(Access{}), plan_.config.limits});
    if (!confined) return fail(confined.error().text());
    auto process = HostProcess::start(loop_, plan_.plugin_host, {plan_.file}, plan_.config.limits,
                                      std::move(*confined), std::move(handlers));
    if (!process) return fail(process.error().text());
    process_ = std::move(*process);
    if (!await(kStartDeadline, "declare itself", [this] { return described_.has_value(); })) {
      return false;
    }
    trial_.loaded = true;
    trial_.declared = *described_;
    // It is given what it needs, as if that were granted: from its beginning, as by an agent.
    const Needs& needs = described_->needs;
    const auto options = option_values(described_->options, plan_.config.options);
    if (!access_) {
      access_ = judge(needs, needs, options).access;
      if (!(*access_ == Access{})) return start();
    }
    const wire::InstanceDef definition{plan_.config.name, described_->name, described_->version,
                                       kNoHash, plan_.config.interval};
    if (Verdict fault = recorder_.described(*described_, definition)) return fail(fault->why);
    if (Status fit = check_options(described_->options, plan_.config); !fit.ok()) {
      return fail(fit.error().text());
    }
    return true;
  }

  [[nodiscard]] User user() const {
    if (plan_.config.user.uid != 0) return plan_.config.user;
    const uid_t uid = draw_uid(plan_.config.name, {}, UidRange{}).value();
    return {uid, uid, {}};
  }

  bool create(Configure configure) {
    configure.options = plan_.config.options;
    created_.reset();
    process_->send(configure);
    if (!await(kStartDeadline, "be created", [this] { return created_.has_value(); })) return false;
    if (created_->status == CallStatus::ok) return true;
    return fail("it could not be created: " +
                (created_->why.empty() ? "the plugin gave no reason" : created_->why));
  }

  void poll() {
    const Clock& clock = loop_.clock();
    TrialPoll result;
    PollTimes times;
    times.scheduled = clock.wall();
    done_.reset();
    const Ns begun = clock.boot();
    const Ns cpu = process_->usage().value_or(Usage{}).cpu;
    process_->send(PollRequest{++number_, times.scheduled, begun + plan_.config.deadline});
    const bool answered =
        await(plan_.config.deadline, "answer a poll", [this] { return done_.has_value(); });
    times.wall = clock.wall();
    times.boot = clock.boot();
    result.took = times.boot - begun;
    result.wall = times.wall;
    result.usage = process_->usage().value_or(Usage{});
    result.usage.cpu = std::max<Ns>(result.usage.cpu - cpu, 0);
    if (answered && done_->status == CallStatus::ok) {
      finish(times, result);
    } else {
      recorder_.abandon();
      result.why = answered ? done_->why : fault_;
      if (result.why.empty()) result.why = "the plugin gave no reason";
      if (answered && done_->status != CallStatus::retry) (void)fail(result.why);
    }
    trial_.polls.push_back(std::move(result));
  }

  void finish(const PollTimes& times, TrialPoll& result) {
    RecordedPoll recorded;
    if (Verdict fault = recorder_.finish(times, done_->forgotten, recorded)) {
      result.why = fault->why;
      return;
    }
    recorder_.committed();
    for (const wire::Value& value : recorded.poll.values) {
      auto line =
          reading_of(value, times.scheduled, recorder_.definition(), kAgentName, definitions_);
      if (line) result.readings.push_back(std::move(*line));
    }
    for (const wire::Gap& gap : recorded.gaps) {
      result.gaps.push_back(gap_of(gap, recorder_.definition(), kAgentName, definitions_));
    }
    if (!recorded.state) return;
    result.state_bytes = recorded.state->bytes.size();
    state_ = State{recorded.state->version, std::move(recorded.state->bytes)};
  }

  void stop() {
    stopping_ = true;
    process_->send(Stop{});
    wait(kStopDeadline, [this] { return ended_; });
    if (!ended_) trial_.not_stopped = "it does not end within " + to_duration_text(kStopDeadline);
    process_.reset();
    stopping_ = false;
  }

  void restore() {
    Configure configure;
    configure.state_version = state_->version;
    configure.state = state_->bytes;
    if (start() && create(std::move(configure))) {
      trial_.restored = created_->restored;
      trial_.not_restored = created_->why;
      if (trial_.restored) poll();
    }
    if (fault_.empty()) return;
    trial_.not_restored = std::exchange(fault_, {});
    trial_.restored = false;
  }

  Verdict on_frame(FromHost& frame) {
    if (auto* described = std::get_if<Described>(&frame)) described_ = std::move(*described);
    if (auto* created = std::get_if<Created>(&frame)) {
      // Before it has declared itself, this is why it could not be loaded.
      if (!described_) return Fault{wire::Cause::refused, created->why};
      created_ = *created;
    }
    if (auto* line = std::get_if<LogLine>(&frame)) say("logs: " + line->text);
    if (const auto* define = std::get_if<Define>(&frame)) return recorder_.define(*define);
    if (const auto* readings = std::get_if<Readings>(&frame)) return recorder_.readings(*readings);
    if (auto* part = std::get_if<PartGap>(&frame)) return recorder_.part(std::move(*part));
    if (auto* state = std::get_if<State>(&frame)) return recorder_.state(std::move(*state));
    if (auto* done = std::get_if<PollDone>(&frame)) done_ = std::move(*done);
    return {};
  }

  void heard(const Verdict& fault) {
    if (fault) (void)fail(fault->why);
    loop_.stop();
  }

  void say(const std::string& line) {
    if (trial_.said.size() < kMostSaid) trial_.said.push_back(plain_text(line, 1024));
  }

  bool fail(const std::string& why) {
    if (fault_.empty()) fault_ = plain_text(why, wire::kMaxTextBytes);
    return false;
  }

  template <typename Condition>
  bool await(Ns limit, const std::string& what, Condition condition) {
    wait(limit, [&] { return !fault_.empty() || condition(); });
    if (fault_.empty() && !condition()) {
      return fail("it does not " + what + " within " + to_duration_text(limit));
    }
    return fault_.empty();
  }

  template <typename Condition>
  void wait(Ns limit, Condition condition) {
    bool over = false;
    const app::TimerId timer = loop_.after(limit, [&] {
      over = true;
      loop_.stop();
    });
    while (!over && !condition()) loop_.run();
    loop_.cancel(timer);
  }

  app::EventLoop& loop_;
  const TrialPlan& plan_;
  Trial trial_;
  DefinitionMap dictionary_;
  Recorder recorder_;
  Definitions definitions_;
  Isolation isolation_{Means::of_this_process(), Cgroups{}};
  std::optional<Access> access_;  ///< of the process, once it is known what it needs
  std::unique_ptr<HostProcess> process_;
  std::optional<Described> described_;
  std::optional<Created> created_;
  std::optional<PollDone> done_;
  std::optional<State> state_;
  std::uint64_t number_ = 0;
  bool stopping_ = false;
  bool ended_ = false;
  std::string fault_;
};

}  // namespace

Trial try_plugin(app::EventLoop& loop, const TrialPlan& plan) { return Run(loop, plan).take(); }

}  // namespace tallyman::cli
