#include "rater/derive/derive_fold.hpp"

#include <algorithm>
#include <utility>

namespace tallyman::rater {
namespace {

constexpr std::size_t kGapsKept = 8;

}  // namespace

fold::Stream& Deriver::State::stream(std::uint64_t id) {
  Stream& stream = streams[id];
  stream.id = id;
  return stream;
}

fold::Instance* Deriver::State::instance_of(const Stream& stream, wire::DefNo number) {
  const auto it = stream.definitions.find(number);
  if (it == stream.definitions.end()) return nullptr;
  const auto* def = std::get_if<wire::InstanceDef>(&it->second);
  if (def == nullptr) return nullptr;
  Instance& instance = instances[def->instance];
  if (instance.name.empty()) instance.name = def->instance;
  instance.interval = std::clamp<Ns>(def->interval, 0, fold::kLongestBeat);
  return &instance;
}

void Deriver::State::poll(Stream& stream, const wire::Poll& poll) {
  Instance* instance = instance_of(stream, poll.instance);
  if (instance == nullptr) {
    out.unknown += poll.values.size();
    return;
  }
  ++polls;
  Beat& beat = stream.beats[instance->name];
  wire::Position position = wire::position_of(poll, beat.last);
  if (position.at > latest) {
    position.at = std::max(latest, beat.last);
    position.estimated = true;
  }
  position.at = std::max<Ns>(position.at, 1);
  beat.last = position.at;
  beat.instant = std::max(beat.instant, std::min(poll.scheduled, latest));
  run(*instance, position.at);
  for (const wire::Value& each : poll.values) value(stream, poll, each, position);
  for (const wire::DefNo epoch : poll.ended) {
    Target* ended = target(stream, epoch, poll.instance);
    if (ended == nullptr) continue;
    if (!Reader(spreader, out.anomalies).end(stream, *ended, position.at)) continue;
    View& view = *ended->view;
    if (view.absent_from != fold::kNever || view.seen >= position.at) continue;
    view.absent_from = position.at;
    out.presence.push_back({view.id, position.at, false});
  }
  if (position.at / kDay != instance->day) forget(*instance, position.at);
}

void Deriver::State::value(Stream& stream, const wire::Poll& poll, const wire::Value& value,
                           wire::Position position) {
  Target* to = target(stream, value.epoch, poll.instance);
  if (to == nullptr) {
    ++out.unknown;
    return;
  }
  fold::Placed placed{.value = value.value,
                      .raw = std::min(poll.in_time ? poll.scheduled : poll.wall, latest),
                      .at = position.at,
                      .read = std::min(poll.wall, latest),
                      .estimated = position.estimated};
  if (value.time != 0) {
    placed.raw = placed.read = std::min(value.time, latest);
    placed.at = std::clamp<Ns>(value.time, 1, position.at);
    placed.own_time = true;
    placed.estimated = false;
  }
  View& view = *to->view;
  tell_info(stream, *to, position.at);
  const bool first_reading = to->counter->position == fold::kNever;
  const bool begins = first_reading && to->start != 0;
  Reader reader(spreader, out.anomalies);
  const bool counts = view.key.series.kind == wire::Kind::counter
                          ? reader.counter(stream, *to, placed)
                          : reader.gauge(stream, *to, placed);
  if (!counts) return;
  const bool last_word = placed.own_time && std::find(poll.ended.begin(), poll.ended.end(),
                                                      value.epoch) != poll.ended.end();
  const bool fresh = view.seen == 0;
  seen(view, position.at, first_reading, begins ? std::min(to->start, placed.at) : 0);
  if (!last_word) view.seen = std::max(view.seen, position.at);
  if (!fresh && view.absent_from == fold::kNever) return;
  if (placed.own_time && placed.at <= view.absent_from) return;  // of the time before
  out.presence.push_back({view.id, begins ? std::min(to->start, placed.at) : placed.at, true});
  view.absent_from = fold::kNever;
}

void Deriver::State::seen(View& view, Ns at, bool first_reading, Ns start) {
  if (view.seen_take != takes) {
    view.seen_take = takes;
    view.seen_entry = out.seen.size();
    const bool fresh = view.seen == 0;
    if (fresh) view.first_poll = polls;
    out.seen.push_back({view.id, at, at, fresh, fresh ? start : 0});
    return;
  }
  Derived::Seen& entry = out.seen[view.seen_entry];
  // Several counters of the series in its first poll: it began with the earliest.
  if (first_reading && view.first_poll == polls) entry.born = std::min(entry.born, start);
  entry.last = std::max(entry.last, at);
}

void Deriver::State::gap(Stream& stream, const wire::Gap& gap) {
  Instance* instance = instance_of(stream, gap.instance);
  if (instance == nullptr || gap.to < gap.from) return;
  const auto subject = subject_of(stream, gap.subject);
  if (!subject) return;
  const Span told{std::min(gap.from, latest), std::min(gap.to, latest)};
  auto& spans = instance->gaps[*subject];
  if (!spans.empty() && told.from <= spans.back().to + instance->interval &&
      told.to + instance->interval >= spans.back().from) {
    spans.back().from = std::min(spans.back().from, told.from);
    spans.back().to = std::max(spans.back().to, told.to);
  } else {
    spans.push_back(told);
  }
  if (spans.size() > kGapsKept) spans.erase(spans.begin());
  if (gap.subject != 0) {
    const Ns beat = instance->interval > 0 ? instance->interval : spreader.slot();
    Derived::PartGap part{instance->name, *subject, spans.back().from, spans.back().to + beat};
    if (!out.part_gaps.empty() && out.part_gaps.back().instance == part.instance &&
        out.part_gaps.back().subject == part.subject && out.part_gaps.back().from == part.from) {
      out.part_gaps.pop_back();
    }
    out.part_gaps.push_back(std::move(part));
    return;
  }
  instance->interrupted = true;
  Beat& beat = stream.beats[instance->name];
  beat.instant = std::max(beat.instant, told.to);
}

void Deriver::State::lost(Stream& stream) {
  ++stream.losses;
  for (const auto& [name, beat] : stream.beats) instances[name].interrupted = true;
}

void Deriver::State::run(Instance& instance, Ns at) {
  const bool late = instance.interval > 0 && at - instance.run_to > 2 * instance.interval;
  if (instance.run_from != fold::kNever && (instance.interrupted || late)) {
    out.runs.push_back({instance.name, instance.run_from, instance.run_to});
    instance.run_from = fold::kNever;
  }
  instance.interrupted = false;
  if (instance.run_from == fold::kNever)
    instance.run_from = instance.run_to = std::max(at, instance.run_to);
  instance.run_to = std::max(instance.run_to, at);
  instance.run_dirty = true;
}

void Deriver::State::seal(Stream& stream, Ns watermark) {
  if (watermark == 0) return;
  stream.sealed = std::max(stream.sealed, std::min(watermark, latest));
  Ns in = stream.sealed;
  for (const auto& [name, beat] : stream.beats) {
    in = std::min(in, std::max(beat.instant, stream.sealed - instances[name].interval));
  }
  stream.watermark = std::max(stream.watermark, in);
  hold_gauges(stream);
}

void Deriver::State::hold_gauges(const Stream& stream) {
  if (gauges_stale) {
    gauges.clear();
    for (const auto& [key, view] : views) {
      if (key.series.kind != wire::Kind::gauge) continue;
      for (auto& [epoch, counter] : view->counters) {
        gauges.push_back({.view = view.get(), .counter = &counter});
      }
    }
    gauges_stale = false;
  }
  Reader reader(spreader, out.anomalies);
  for (const Target& gauge : gauges) {
    if (gauge.counter->stream != stream.id || gauge.counter->ended != 0) continue;
    announce(*gauge.view);
    reader.hold(*gauge.view, *gauge.counter, stream.sealed);
  }
}

void Deriver::State::forget(Instance& instance, Ns at) {
  instance.day = at / kDay;
  spreader.settle();
  bool any = false;
  for (auto it = views.begin(); it != views.end();) {
    View& view = *it->second;
    if (view.instance == &instance) {
      any |= std::erase_if(view.counters, [&](const auto& entry) {
               const fold::Counter& c = entry.second;
               const bool over = (c.ended != 0 && c.ended + fold::kKeepEnded <= at) ||
                                 c.position + fold::kKeepSilent <= at;
               if (over) instance.forgotten = std::max(instance.forgotten, c.position);
               return over;
             }) > 0;
    }
    it = view.counters.empty() ? views.erase(it) : std::next(it);
  }
  std::erase_if(instance.gaps,
                [&](const auto& gap) { return gap.second.back().to + 2 * kDay < at; });
  if (!any) return;
  gauges_stale = true;
  for (auto& [id, stream] : streams) {
    stream.targets.clear();
    stream.other_targets.clear();
  }
}

Derived Deriver::State::take() {
  spreader.take(out.usage);
  for (auto& [name, instance] : instances) {
    if (!std::exchange(instance.run_dirty, false) || instance.run_from == fold::kNever) continue;
    out.runs.push_back({name, instance.run_from, instance.run_to});
  }
  ++takes;
  return std::exchange(out, {});
}

}  // namespace tallyman::rater
