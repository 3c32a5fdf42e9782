// The supervisor against a model of the world it supervises, written without its table: a process
// that is there or not, and what is wanted of it. Events come at random, with a hand-cranked clock.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <vector>

#include "agent/instance/supervisor.hpp"

namespace tallyman::agent {
namespace {

using P = PluginPhase;
using E = PluginEvent;
using A = PluginAction;

/// What is true of one plugin and its host, in plain facts.
class World {
 public:
  World(const SupervisorOptions& options, Strategy strategy)
      : options_(options), strategy_(strategy) {}

  enum class Wish { stop, run, run_anew };
  enum class Rest { none, backoff, failed, quarantined, ended };

  void enable() {
    if (wish_ == Wish::stop && process_) {
      wish_ = Wish::run_anew;
    } else if (wish_ == Wish::stop) {
      wish_ = Wish::run;
      begin();
    }
  }
  void disable() {
    wish_ = Wish::stop;
    rest_ = Rest::none;
    if (dropped_) process_ = dropped_ = false;
  }
  void restart() {
    if (wish_ == Wish::stop) return;
    if (rest_ != Rest::none) return begin();
    wish_ = Wish::run_anew;
  }
  void reset() {
    forgive();
    if (wish_ != Wish::stop && rest_ != Rest::none) begin();
  }
  void ready() {
    if (serves()) created_ = true;
  }
  void refuse() {
    if (!serves()) return;
    rest_ = Rest::quarantined;
    dropped_ = true;
  }
  void misbehave(Ns now) {
    if (!serves()) {
      killed_ |= process_ && !dropped_;
      return;
    }
    killed_ = true;
    fail(now);
  }
  void timer(Ns now) {
    if (rest_ == Rest::ended) return;
    if (rest_ != Rest::none) return begin();
    if (serves() && !created_) return misbehave(now);  // the start's deadline
    if (process_ && wish_ != Wish::run && !killed_) killed_ = true;
  }
  void stuck() {
    if (process_ && !dropped_ && (killed_ || wish_ != Wish::run)) unkillable_ = true;
    if (serves() && !created_) {  // the one before it
      unkillable_ = killed_ = true;
      wish_ = Wish::run_anew;
    }
  }
  void recycle() {
    if (serves() && created_) created_ = false;
  }
  void replace() {
    const bool there = process_ || rest_ != Rest::none;
    if (!there || wish_ != Wish::run || unkillable_ || rest_ == Rest::quarantined) return;
    rest_ = Rest::none;
    gone();
    process_ = created_ = true;
  }
  void exit(Ns now, bool clean) {
    if (dropped_) {
      process_ = dropped_ = false;
      return;
    }
    if (!process_) return;
    const bool by_itself = !killed_;
    const Wish wish = wish_;
    process_ = false;
    if (wish == Wish::stop) {
      gone();
    } else if (wish == Wish::run_anew) {
      gone();
      begin();
    } else {
      if (by_itself) fail(now);
      gone();
      const bool final = strategy_ == Strategy::temporary ||
                         (strategy_ == Strategy::transient && clean && by_itself);
      const auto recent = std::count_if(failures_at_.begin(), failures_at_.end(),
                                        [&](Ns at) { return now - at <= options_.within; });
      const bool often = recent > static_cast<std::ptrdiff_t>(options_.max_restarts);
      rest_ = final ? Rest::ended : often ? Rest::failed : Rest::backoff;
    }
  }
  void good_poll() {
    if (++good_ >= options_.proven) forgive();
  }

  [[nodiscard]] P phase() const {
    switch (rest_) {
      case Rest::backoff:
        return P::backoff;
      case Rest::failed:
        return P::failed;
      case Rest::quarantined:
        return P::quarantined;
      case Rest::ended:
        return P::ended;
      case Rest::none:
        break;
    }
    if (!process_) return P::disabled;
    if (wish_ == Wish::stop) return unkillable_ ? P::unkillable_stopping : P::stopping;
    if (wish_ == Wish::run_anew) return unkillable_ ? P::unkillable_restarting : P::restarting;
    if (unkillable_) return P::unkillable;
    if (killed_) return P::overdue;
    return created_ ? P::running : P::starting;
  }
  [[nodiscard]] unsigned failures() const { return failures_; }
  [[nodiscard]] bool created() const { return phase() == P::running; }
  /// The longest wait in the state it is in.
  [[nodiscard]] Ns longest() const {
    if (rest_ != Rest::backoff) return options_.probe;
    Ns wait = options_.backoff_min;
    for (unsigned i = 1; i < failures_; i++) wait = std::min(wait * 2, options_.backoff_max);
    return wait;
  }

 private:
  [[nodiscard]] bool serves() const {
    return process_ && !dropped_ && !killed_ && wish_ == Wish::run && rest_ == Rest::none;
  }
  void begin() {
    wish_ = Wish::run;
    rest_ = Rest::none;
    gone();
    process_ = true;
  }
  void gone() { created_ = killed_ = unkillable_ = dropped_ = process_ = false; }
  void fail(Ns now) {
    failures_++;
    good_ = 0;
    failures_at_.push_back(now);
  }
  void forgive() {
    failures_ = 0;
    failures_at_.clear();
  }

  SupervisorOptions options_;
  Strategy strategy_;
  Wish wish_ = Wish::stop;
  Rest rest_ = Rest::none;
  bool process_ = false, created_ = false, killed_ = false, unkillable_ = false;
  bool dropped_ = false;  ///< refused and killed: nobody waits for it
  unsigned failures_ = 0, good_ = 0;
  std::vector<Ns> failures_at_;  ///< all of them, since the last forgiveness
};

void happen(World& world, E event, Ns now, bool clean) {
  switch (event) {
    case E::enable:
      return world.enable();
    case E::ready:
      return world.ready();
    case E::refuse:
      return world.refuse();
    case E::overrun:
    case E::garbage:
      return world.misbehave(now);
    case E::exit:
      return world.exit(now, clean);
    case E::timer:
      return world.timer(now);
    case E::disable:
      return world.disable();
    case E::recycle:
      return world.recycle();
    case E::restart:
      return world.restart();
    case E::reset:
      return world.reset();
    case E::stuck:
      return world.stuck();
    case E::replace:
      return world.replace();
    case E::hold:
    case E::hold_often:
    case E::exit_often:
    case E::exit_final:
      return;  // the supervisor's own
  }
}

constexpr std::array kWorldly{E::enable,  E::ready,   E::ready, E::ready,   E::refuse,
                              E::overrun, E::garbage, E::exit,  E::exit,    E::exit,
                              E::timer,   E::timer,   E::timer, E::disable, E::recycle,
                              E::restart, E::reset,   E::stuck, E::replace};

/// The limits of a small world, so that all of them are met.
SupervisorOptions drawn(std::mt19937_64& random) {
  SupervisorOptions options;
  options.backoff_min = static_cast<Ns>(1 + random() % 1000) * kMillisecond;
  options.backoff_max = options.backoff_min * static_cast<Ns>(1 + random() % 100);
  options.max_restarts = static_cast<unsigned>(random() % 6);
  options.within = static_cast<Ns>(1 + random() % 60) * kSecond;
  options.probe = static_cast<Ns>(1 + random() % 100) * kSecond;
  options.proven = static_cast<unsigned>(1 + random() % 4);
  return options;
}

// Given any events in any order at any pace, then the supervisor is always in the state that the
// facts say, and every wait lies between three quarters of its length and all of it.
TEST(SupervisorModel, agrees_with_the_world) {
  std::mt19937_64 random(17);
  std::array<unsigned, kPluginPhases> met{};
  for (int round = 0; round < 3000; round++) {
    const SupervisorOptions options = drawn(random);
    const auto strategy = static_cast<Strategy>(random() % 3);
    const Ns pace = kMillisecond << (random() % 14);
    Supervisor supervisor(options, strategy, random());
    World world(options, strategy);
    Ns now = static_cast<Ns>(random() % (1U << 30U));
    for (int step = 0; step < 150; step++) {
      now += static_cast<Ns>(random() % static_cast<std::uint64_t>(pace));
      const E event = kWorldly[random() % kWorldly.size()];
      const bool clean = random() % 2 == 0;
      const P before = supervisor.phase();
      const A action = supervisor.take(event, now, clean);
      happen(world, event, now, clean);
      ASSERT_EQ(phase_name(supervisor.phase()), phase_name(world.phase()))
          << "round " << round << ", step " << step << ", event " << static_cast<int>(event)
          << " in " << phase_name(before);
      ASSERT_EQ(supervisor.phase(), world.phase());
      ASSERT_EQ(supervisor.blemished(), world.failures() > 0);
      ASSERT_EQ(supervisor.memory(now, now).failures, world.failures());
      met[static_cast<std::size_t>(supervisor.phase())]++;
      if (action == A::wait || action == A::probe) {
        ASSERT_LE(supervisor.delay(), world.longest());
        ASSERT_GE(supervisor.delay(), world.longest() / 4 * 3);
      }
      if (world.created() && random() % 3 == 0) {
        supervisor.good_poll();
        world.good_poll();
      }
    }
  }
  for (std::size_t phase = 0; phase < met.size(); phase++) {
    EXPECT_GT(met[phase], 300U) << "hardly ever met: " << phase_name(static_cast<P>(phase));
  }
}

// Given any events, then a process is started only where there is none, but for the one that
// follows a recycled one: that one it waits for (as for one that was refused, and is killed).
TEST(SupervisorModel, starts_only_what_is_not_there) {
  std::mt19937_64 random(18);
  for (int round = 0; round < 2000; round++) {
    Supervisor supervisor(drawn(random), static_cast<Strategy>(random() % 3), random());
    bool there = false;
    for (int step = 0; step < 150; step++) {
      const E event = kWorldly[random() % kWorldly.size()];
      if (event == E::exit && !there) continue;
      const P before = supervisor.phase();
      if (event == E::exit) there = false;
      const A action = supervisor.take(event, step * kSecond);
      if (action == A::drop) there = false;
      if (event == E::replace && action == A::admit) there = true;
      if (action != A::spawn) continue;
      ASSERT_TRUE(!there || event == E::recycle)
          << phase_name(before) << " × " << static_cast<int>(event);
      there = true;
    }
  }
}

}  // namespace
}  // namespace tallyman::agent
