#pragma once
// Random histories of one agent: counters that grow, are reset, re-created, end and come back;
// polls that are late, missed or partial; clock steps; lost batches; new incarnations, and batches
// of the old one that arrive late. One tick is ten nanoseconds, so that a slow model can follow.

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "wire/batch.hpp"

namespace tallyman::rater::testing {

/// One batch as the rater would take it, with the definitions it must know by then.
struct Delivered {
  std::uint64_t stream = 0;
  std::vector<wire::Definition> definitions;
  wire::Batch batch;
  Ns received = 0;
};

class History {
 public:
  explicit History(std::uint64_t seed, int ticks = 120) : random_(seed), steps_(seed % 2 == 0) {
    for (const char* name : {"a", "b"}) {
      Instance instance;
      instance.name = name;
      instance.interval = name[0] == 'a' ? 10 : 20;
      for (const char* id : {"1", "2", "3"}) {
        const bool gauge = id[0] == '3';
        instance.things.push_back({id[0] == '2' ? "shared:x" : "host:h",
                                   gauge ? "held_bytes" : "sent_bytes_total",
                                   id,
                                   gauge,
                                   {}});
      }
      instances_.push_back(std::move(instance));
    }
    begin_stream();
    for (int i = 0; i < ticks; ++i) tick(i);
    flush();
    deliver_late(true);
    Ns received = 0;
    for (Delivered& each : delivered) each.received = received = std::max(received, each.received);
  }

  std::vector<Delivered> delivered;

 private:
  struct Life {
    std::uint64_t epoch = 0, value = 0;
    Ns start = 0;
    Ns last_word = 0;  ///< gone, but its last value is told once more, of this instant
  };
  struct Thing {
    std::string source, metric, label;
    bool gauge = false;
    std::vector<Life> lives;
  };
  struct Instance {
    std::string name;
    Ns interval = 10;
    std::vector<Thing> things;
    std::vector<std::string>
        present;  ///< names of epochs in the last good poll or excused by a gap
    Ns last_good = 0, last_instant = 0;
    bool stepped = false;
  };

  std::uint64_t roll(std::uint64_t n) { return random_() % n; }
  bool chance(unsigned percent) { return roll(100) < percent; }

  void begin_stream() {
    ++stream_;
    numbers_.clear();
    epochs_.clear();
    next_ = 1;
    batch_ = {};
    for (Instance& instance : instances_) instance.present.clear(), instance.last_instant = 0;
  }

  wire::DefNo define(const std::string& name, const wire::DefBody& body) {
    const auto [it, fresh] = numbers_.try_emplace(name, next_);
    if (fresh) batch_.entries.emplace_back(wire::Definition{next_++, body});
    return it->second;
  }
  wire::DefNo define(const Instance& i) {
    return define("i" + i.name, wire::InstanceDef{i.name, "p", "1", {}, i.interval});
  }
  wire::DefNo define_source(const Thing& t) {
    return define("s" + t.source, wire::SourceDef{wire::Scope::host, t.source});
  }
  wire::DefNo define_metric(const Thing& t) {
    const auto kind = t.gauge ? wire::Kind::gauge : wire::Kind::counter;
    return define("m" + t.metric, wire::MetricDef{t.metric, "bytes", "", kind, 0, {"id"}, {}});
  }
  wire::DefNo define(const Thing& t) {
    const wire::DefNo source = define_source(t);
    const wire::DefNo metric = define_metric(t);
    return define("r" + t.source + t.metric + t.label, wire::SeriesDef{source, metric, {t.label}});
  }
  wire::DefNo define(const Thing& t, const Life& life) {
    const wire::DefNo series = define(t);
    const std::string name = "e" + std::to_string(series) + "/" + std::to_string(life.epoch);
    return define(name, wire::EpochDef{series, life.epoch, life.start});
  }

  void grow(Life& life) {
    switch (roll(5)) {
      case 0:
        break;
      case 1:
        life.value += roll(3);
        break;
      case 2:
        life.value += roll(std::uint64_t{1} << 40U);
        break;
      default:
        life.value += roll(1000);
    }
    if (chance(2)) life.value = roll(2) == 0 ? 0 : roll(500);
    if (chance(1)) life.value = std::max(life.value, ~std::uint64_t{0} - roll(1000));
  }

  void live(Instance& instance, Thing& thing) {
    for (Life& life : thing.lives) {
      if (thing.gauge) {
        if (chance(50)) life.value = roll(1'000'000);
      } else if (life.last_word == 0) {
        const std::uint64_t before = life.value;
        grow(life);
        if (life.value < before && life.value > 500) life.value = before;
      }
    }
    if (chance(4) && !thing.lives.empty()) {
      if (!thing.gauge && chance(50)) {
        thing.lives.front().last_word = std::max<Ns>(1, now_ - static_cast<Ns>(roll(15)));
      } else {
        gone_ = thing.lives.front();
        thing.lives.erase(thing.lives.begin());
      }
    }
    if (thing.lives.size() < 3 && (thing.lives.empty() ? chance(30) : !thing.gauge && chance(3))) {
      Life life{.epoch = thing.gauge ? 0 : random_(), .value = roll(2000)};
      if (!thing.gauge && chance(60)) life.start = std::max<Ns>(1, instance.last_good);
      if (!thing.gauge && chance(5)) life.start = static_cast<Ns>(1 + roll(3000));
      if (!thing.gauge && chance(10) && gone_.epoch != 0) life.value = gone_.value + roll(100);
      thing.lives.push_back(life);
    }
  }

  void tick(int n) {
    now_ += 10;
    if (steps_ && chance(3)) {
      offset_ += static_cast<Ns>(roll(120)) - 70;
      for (Instance& instance : instances_) instance.stepped = true;
    }
    if (chance(1)) new_incarnation();
    for (Instance& instance : instances_) {
      for (Thing& thing : instance.things) live(instance, thing);
      if (n % (instance.interval / 10) == 0) instant(instance);
    }
    if (chance(30)) flush();
    deliver_late(false);
  }

  void instant(Instance& instance) {
    const Ns wall = std::max<Ns>(now_ + offset_, 10);
    const Ns scheduled = wall / 10 * 10;
    if (!steps_) instance.last_instant = scheduled;
    const wire::DefNo number = define(instance);
    if (chance(8)) {
      batch_.entries.emplace_back(
          wire::Gap{number, 0, scheduled, scheduled, wire::Cause::hang, "hang"});
      return;
    }
    wire::Poll poll;
    poll.instance = number;
    poll.scheduled = scheduled;
    poll.in_time = chance(92);
    poll.wall = scheduled + static_cast<Ns>(roll(poll.in_time ? 3 : 9));
    poll.stepped = std::exchange(instance.stepped, false) && offset_ < 0;
    fill(instance, poll);
    instance.last_good = scheduled;
    // With a clock that steps back a watermark must not pass what a later poll may be forced to.
    instance.last_instant = std::max(instance.last_instant, scheduled);
    batch_.entries.emplace_back(std::move(poll));
  }

  void fill(Instance& instance, wire::Poll& poll) {
    const Thing* missing = nullptr;
    const unsigned part = static_cast<unsigned>(roll(3));
    if (chance(6)) missing = &instance.things[roll(instance.things.size())];
    std::vector<std::string> present, excused;
    for (Thing& thing : instance.things) {
      const bool lost = missing != nullptr && (part == 0   ? missing->source == thing.source
                                               : part == 1 ? missing->metric == thing.metric
                                                           : missing->label == thing.label);
      for (Life& life : thing.lives) {
        const std::string name = thing.label + "/" + std::to_string(life.epoch);
        epochs_[name] = define(thing, life);
        if (lost) {
          if (std::count(instance.present.begin(), instance.present.end(), name) != 0) {
            excused.push_back(name);
          }
          continue;
        }
        poll.values.push_back({epochs_[name], life.value, life.last_word});
        if (life.last_word == 0) present.push_back(name);
      }
      if (!lost) std::erase_if(thing.lives, [](const Life& life) { return life.last_word != 0; });
    }
    if (missing != nullptr) {
      const wire::DefNo subject = part == 0   ? define_source(*missing)
                                  : part == 1 ? define_metric(*missing)
                                              : define(*missing);
      batch_.entries.emplace_back(wire::Gap{poll.instance, subject, poll.scheduled, poll.scheduled,
                                            wire::Cause::part, "part"});
    }
    for (const std::string& name : instance.present) {
      if (std::count(present.begin(), present.end(), name) == 0 &&
          std::count(excused.begin(), excused.end(), name) == 0) {
        poll.ended.push_back(epochs_.at(name));
      }
    }
    std::sort(poll.values.begin(), poll.values.end(),
              [](const wire::Value& x, const wire::Value& y) { return x.epoch < y.epoch; });
    instance.present = present;
    instance.present.insert(instance.present.end(), excused.begin(), excused.end());
  }

  void flush() {
    Ns watermark = 0;
    if (!chance(10)) {
      watermark = instances_[0].last_instant + (steps_ ? 0 : 10);
      watermark = std::min(watermark, instances_[1].last_instant + (steps_ ? 0 : 20));
    }
    batch_.seal.watermark = watermark;
    // Nor must it pass a poll that stands where its batch was received: clocks do one or the other.
    const Ns received = now_ + (steps_ ? 1000 : static_cast<Ns>(roll(30)) - 10);
    Delivered out{stream_, {}, std::exchange(batch_, {}), received};
    if (chance(4)) {
      for (const wire::Entry& entry : out.batch.entries) {
        if (const auto* d = std::get_if<wire::Definition>(&entry)) out.definitions.push_back(*d);
      }
      out.batch = {};
      out.batch.head.kind = wire::BatchKind::stand_in;
    }
    pending_.push_back(std::move(out));
    if (pending_.size() > held_back_) {
      delivered.push_back(std::move(pending_.front()));
      pending_.erase(pending_.begin());
    }
  }

  void new_incarnation() {
    flush();
    for (Delivered& each : pending_) late_.push_back(std::move(each));
    pending_.clear();
    held_back_ = roll(3);
    begin_stream();
  }

  void deliver_late(bool all) {
    while (!late_.empty() && (all || chance(10))) {
      delivered.push_back(std::move(late_.front()));
      late_.erase(late_.begin());
    }
    if (!all) return;
    for (Delivered& each : pending_) delivered.push_back(std::move(each));
    pending_.clear();
  }

  std::mt19937_64 random_;
  bool steps_;
  Ns now_ = 1000, offset_ = 0;
  std::uint64_t stream_ = 0;
  wire::DefNo next_ = 1;
  std::map<std::string, wire::DefNo> numbers_, epochs_;
  std::vector<Instance> instances_;
  wire::Batch batch_;
  Life gone_;
  std::size_t held_back_ = 2;
  std::vector<Delivered> pending_, late_;
};

}  // namespace tallyman::rater::testing
