// A plugin for tests: its option `script` says, poll by poll, what it does.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <tallyman/plugin.hpp>
#include <thread>
#include <vector>

namespace tp = tallyman::plugin;

#ifndef PROBE_STATE_VERSION
#define PROBE_STATE_VERSION 2
#endif

class Probe {
 public:
  static constexpr const char *name = "probe", *version = "1.0";
  enum : std::uint32_t { kTotal, kLevel };
  static constexpr tm_metric metrics[] = {
      tp::counter("probe_total", "bytes", "What it counts", tp::labels<"id">, tp::labels<"note">,
                  3'600'000'000'000),
      tp::gauge("probe_level", "bytes", "Where it stands"),
  };
  static constexpr tm_option options[] = {
      tp::required("must", "has to be there"),
      tp::option("note", "hello", "the info label"),
      tp::option("script", "", "what to do, poll by poll"),
  };
  static constexpr tm_needs needs = tp::needing({.network = true,
                                                 .user = "nobody",
                                                 .capabilities = tp::list<"CAP_SYS_ADMIN">,
                                                 .paths = tp::list<"/proc", "+@note">});
  static constexpr std::uint32_t state_version = PROBE_STATE_VERSION;

  explicit Probe(tp::Host host)
      : host_(host),
        note_(host.option("note")),
        script_(host.options("script")),
        cluster_(host.shared_source("ceph:f00")) {
    const std::string must = host.option("must");
    if (must == "bad") throw tp::BadConfig("must is \"bad\", expected anything else");
    if (must == "undeclared") (void)host.option("no.such.option");
    if (must == "throw") throw std::runtime_error("no server yet");
    host.info("created with " + must);
  }

  void poll(tp::Poll& poll) {
    const std::string step = polls_ < script_.size() ? script_[polls_] : "ok";
    ++polls_;
    emit(poll, "a", polls_);
    poll.emit({.metric = kLevel, .value = 2 * polls_});
    act(step, poll);
  }

  void save(tp::StateWriter& out) const {
    if (big_state_) out.write(std::string(70'000, 'x'));
    out.write(std::as_bytes(std::span(&polls_, 1)));
  }

  void restore(std::uint32_t from_version, std::span<const std::byte> bytes) {
    if (from_version > state_version || bytes.size() != sizeof polls_) {
      throw tp::BadState("version " + std::to_string(from_version) + " with " +
                         std::to_string(bytes.size()) + " bytes");
    }
    std::memcpy(&polls_, bytes.data(), sizeof polls_);
  }

 private:
  void emit(tp::Poll& poll, const std::string& id, std::uint64_t value) {
    poll.emit({.metric = kTotal,
               .value = value,
               .epoch = tp::epoch(id, 7),
               .start = 1'000,
               .identity = {id},
               .info = {note_},
               .source = cluster_});
  }

  void act(const std::string& step, tp::Poll& poll) {
    if (step == "retry") throw tp::RetryLater("the server is away");
    if (step == "error") throw std::runtime_error("it broke");
    if (step == "int") throw 42;
    if (step == "broken") throw tp::Broken("beyond repair");
    if (step == "exit") _exit(3);
    if (step == "bigstate") big_state_ = true;
    if (step == "gap") {
      poll.gap("the cluster does not answer", cluster_);
      poll.gap(kTotal, {"b"}, "b is locked", cluster_);
      poll.gap(kLevel, {}, "no level");
    }
    if (step == "print") {
      for (int i = 0; i < 10'000; ++i) std::printf("printed by a plugin\n");
      std::fflush(stdout);
    }
    if (step == "log") {
      for (int i = 0; i < 1'000; ++i) host_.warning("line\n" + std::to_string(i));
    }
    if (step == "new") emit(poll, "n" + std::to_string(polls_), polls_);
    if (step == "many") {
      for (int i = 0; i < 20'000; ++i) emit(poll, "many" + std::to_string(i), polls_);
    }
    if (step == "flood") {
      for (int i = 0;; ++i) poll.emit({.metric = kLevel, .value = 1, .time = i + 1});
    }
    if (step == "info") note_ = "caf\xe9";
    if (step == "thread") {
      std::thread([&] { host_.info("from a thread of its own"); }).join();
    }
    misuse(step, poll);
  }

  void misuse(const std::string& step, tp::Poll& poll) {
    if (step == "undeclared") poll.emit({.metric = 9, .value = 1});
    if (step == "twice") poll.emit({.metric = kLevel, .value = 1});
    if (step == "gauge") poll.emit({.metric = kLevel, .value = 1, .epoch = 5});
    if (step == "labels") poll.emit({.metric = kTotal, .value = 1});
    for (int i = 0; step == "utf8" && i < 2; ++i) {
      poll.emit({.metric = kTotal, .value = 1, .identity = {"\xff"}, .info = {""}});
    }
    if (step == "far") poll.emit({.metric = kLevel, .value = 1, .time = std::int64_t{1} << 62});
    if (step == "hostsource") (void)host_.shared_source("host:stor-02");
    if (step == "longsource") (void)host_.shared_source(std::string(257, 's'));
    for (int i = 0; step == "gaps" && i < 1025; ++i) poll.gap(kLevel, {}, "no level");
    if (step == "source") poll.emit({.metric = kLevel, .value = 1, .source = 99});
    if (step == "swallow") {
      try {
        poll.emit({.metric = 9, .value = 1});
      } catch (const tp::Broken&) {
      }
    }
    if (step == "write") {
      (void)host_.raw()->write(host_.raw()->ctx, "x", 1);
    }
  }

  tp::Host host_;
  std::string note_;
  std::vector<std::string> script_;
  std::uint32_t cluster_;
  std::uint64_t polls_ = 0;
  bool big_state_ = false;
};
TALLYMAN_PLUGIN(Probe);
