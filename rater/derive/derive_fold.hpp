#pragma once
// The Deriver's inside: how a batch's entries reach counters. Private to derive*.cpp.

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "rater/derive/derive_counter.hpp"
#include "rater/derive/derive_spread.hpp"
#include "rater/derive/derive_state.hpp"

namespace tallyman::rater {

struct Deriver::State {
  using Beat = fold::Beat;
  using Instance = fold::Instance;
  using Reader = fold::Reader;
  using Spreader = fold::Spreader;
  using Limit = fold::Limit;
  using Stream = fold::Stream;
  using Target = fold::Target;
  using View = fold::View;

  State(std::string agent_name, Ns slot) : agent(std::move(agent_name)), spreader(slot) {}

  std::string agent;
  Spreader spreader;
  std::map<std::string, Instance> instances;
  std::map<ViewKey, std::unique_ptr<View>> views;
  std::map<std::uint64_t, Stream> streams;
  std::uint64_t last_view = 0;
  Ns latest = wire::kMaxTime;          ///< nothing of the batch at hand stands later
  Derived out;                         ///< less the usage, which the spreader collects
  std::uint64_t takes = 1, polls = 0;  ///< since it was made or restored
  std::vector<Target> gauges;
  bool gauges_stale = true;

  Stream& stream(std::uint64_t id);
  Instance* instance_of(const Stream& stream, wire::DefNo number);
  void define(Stream& stream, const wire::Definition& definition);
  void poll(Stream& stream, const wire::Poll& poll);
  void gap(Stream& stream, const wire::Gap& gap);
  void lost(Stream& stream);
  void seal(Stream& stream, Ns watermark);
  Derived take();

 private:
  Target* target(Stream& stream, wire::DefNo epoch, wire::DefNo instance);
  Target resolve(Stream& stream, wire::DefNo epoch, wire::DefNo instance);
  View& view_of(Stream& stream, wire::DefNo instance, const wire::SeriesDef& series);
  [[nodiscard]] std::optional<std::string> subject_of(const Stream& stream,
                                                      wire::DefNo subject) const;
  void value(Stream& stream, const wire::Poll& poll, const wire::Value& value,
             wire::Position position);
  void announce(View& view);
  void seen(View& view, Ns at, bool first_reading, Ns start);
  void tell_info(Stream& stream, const Target& target, Ns at);
  void tell_limit(View& view, Ns from);
  void run(Instance& instance, Ns at);
  void forget(Instance& instance, Ns at);
  void hold_gauges(const Stream& stream);
};

}  // namespace tallyman::rater
