// How numbers lead to counters, and how info labels reach views.

#include <algorithm>
#include <utility>

#include "rater/derive/capacity.hpp"
#include "rater/derive/derive_fold.hpp"
#include "rater/derive/line_speed.hpp"

namespace tallyman::rater {
namespace {

/// Beyond, the earliest two become one that is as lenient as both.
constexpr std::size_t kMaxLimits = 64;

template <typename T>
const T* find(const fold::Stream& stream, wire::DefNo number) {
  const auto it = stream.definitions.find(number);
  return it == stream.definitions.end() ? nullptr : std::get_if<T>(&it->second);
}

std::map<std::string, std::string> labels_of(const std::vector<std::string>& names,
                                             const wire::LabelValues& values) {
  std::map<std::string, std::string> out;
  for (std::size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
    out[names[i]] = values[i];
  }
  return out;
}

/// Metric and source must be known.
SeriesKey key_of(const fold::Stream& stream, const wire::SeriesDef& series) {
  const auto& metric = *find<wire::MetricDef>(stream, series.metric);
  const auto& source = *find<wire::SourceDef>(stream, series.source);
  return {.source = source.id,
          .scope = source.scope,
          .metric = metric.name,
          .unit = metric.unit,
          .kind = metric.kind,
          .labels = labels_of(metric.identity, series.identity)};
}

}  // namespace

namespace fold {

std::string gap_subject(const wire::SourceDef& source) { return "source " + source.id; }
std::string gap_subject(const wire::MetricDef& metric) { return "metric " + metric.name; }
std::string gap_subject(const SeriesKey& series) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.text(series.source);
  out.text(series.metric);
  for (const auto& [name, value] : series.labels) out.text(name), out.text(value);
  return "series " + std::string(as_text(bytes));
}

}  // namespace fold

std::vector<std::string> part_subjects(const SeriesKey& series) {
  wire::MetricDef metric;
  metric.name = series.metric;
  return {fold::gap_subject(wire::SourceDef{series.scope, series.source}),
          fold::gap_subject(metric), fold::gap_subject(series)};
}

std::optional<std::string> Deriver::State::subject_of(const Stream& stream,
                                                      wire::DefNo subject) const {
  if (subject == 0) return std::string();
  if (const auto* source = find<wire::SourceDef>(stream, subject)) {
    return fold::gap_subject(*source);
  }
  if (const auto* metric = find<wire::MetricDef>(stream, subject)) {
    return fold::gap_subject(*metric);
  }
  const auto* series = find<wire::SeriesDef>(stream, subject);
  if (series == nullptr || find<wire::MetricDef>(stream, series->metric) == nullptr ||
      find<wire::SourceDef>(stream, series->source) == nullptr) {
    return std::nullopt;
  }
  return fold::gap_subject(key_of(stream, *series));
}

void Deriver::State::define(Stream& stream, const wire::Definition& definition) {
  if (!stream.definitions.emplace(definition.number, definition.body).second) return;
  const auto* info = std::get_if<wire::InfoDef>(&definition.body);
  if (info == nullptr) return;
  auto& numbers = stream.infos[info->series];
  numbers.insert(std::upper_bound(numbers.begin(), numbers.end(), definition.number),
                 definition.number);
}

fold::Target* Deriver::State::target(Stream& stream, wire::DefNo epoch, wire::DefNo instance) {
  const bool small = epoch <= 4 * stream.definitions.size() + 1024;
  if (small && epoch < stream.targets.size() && stream.targets[epoch].instance == instance) {
    return &stream.targets[epoch];
  }
  if (const auto it = stream.other_targets.find({epoch, instance});
      it != stream.other_targets.end()) {
    return &it->second;
  }
  Target found = resolve(stream, epoch, instance);
  if (found.view == nullptr) return nullptr;
  if (small && epoch >= stream.targets.size()) stream.targets.resize(epoch + 1);
  if (small && stream.targets[epoch].view == nullptr) return &(stream.targets[epoch] = found);
  return &(stream.other_targets[{epoch, instance}] = found);
}

fold::Target Deriver::State::resolve(Stream& stream, wire::DefNo epoch, wire::DefNo instance) {
  Target to;
  const auto* epoch_def = find<wire::EpochDef>(stream, epoch);
  if (epoch_def == nullptr || find<wire::InstanceDef>(stream, instance) == nullptr) return to;
  const auto* series = find<wire::SeriesDef>(stream, epoch_def->series);
  if (series == nullptr || find<wire::MetricDef>(stream, series->metric) == nullptr ||
      find<wire::SourceDef>(stream, series->source) == nullptr) {
    return to;
  }
  to.instance = instance;
  to.series = epoch_def->series;
  to.start = epoch_def->start;
  View& view = view_of(stream, instance, *series);
  to.view = &view;
  const auto [counter, fresh] = view.counters.try_emplace(epoch_def->epoch);
  if (fresh && view.key.series.kind == wire::Kind::gauge) gauges_stale = true;
  to.counter = &counter->second;
  to.infos = &stream.infos[to.series];
  announce(view);
  return to;
}

fold::View& Deriver::State::view_of(Stream& stream, wire::DefNo instance_number,
                                    const wire::SeriesDef& series) {
  const auto& metric = *find<wire::MetricDef>(stream, series.metric);
  Instance& instance = *instance_of(stream, instance_number);
  ViewKey key{.series = key_of(stream, series), .agent = agent, .instance = instance.name};
  auto& view = views[key];
  if (view == nullptr) {
    view = std::make_unique<View>();
    view->id = ++last_view;
    view->key = std::move(key);
    view->instance = &instance;
  }
  if (view->resolution != metric.resolution) {
    view->resolution = metric.resolution;
    view->announced = false;
  }
  return *view;
}

void Deriver::State::announce(View& view) {
  if (std::exchange(view.announced, true)) return;
  out.views.push_back({view.id, view.key, view.resolution});
}

void Deriver::State::tell_info(Stream& stream, const Target& target, Ns at) {
  if (target.infos->empty()) return;
  View& view = *target.view;
  if (view.info_stream != stream.id) view.info_stream = stream.id, view.info_number = 0;
  auto next = std::upper_bound(target.infos->begin(), target.infos->end(), view.info_number);
  for (; next != target.infos->end(); ++next) {
    const auto& info = *find<wire::InfoDef>(stream, *next);
    if (info.from > at) return;
    view.info_number = *next;
    const auto* metric =
        find<wire::MetricDef>(stream, find<wire::SeriesDef>(stream, target.series)->metric);
    auto labels = labels_of(metric->info, info.values);
    const bool later = info.from >= view.info_from;
    if (later && view.info_from != fold::kNever && labels == view.info) continue;
    out.info.push_back({view.id, info.from, labels});
    if (!later) continue;
    view.info = std::move(labels);
    view.info_from = info.from;
    tell_limit(view, info.from);
  }
}

void Deriver::State::tell_limit(View& view, Ns from) {
  if (view.key.series.unit != "bytes") return;
  const bool counter = view.key.series.kind == wire::Kind::counter;
  const std::uint64_t most = counter ? line_mbit(view.info) : capacity_bytes(view.info);
  auto& limits = view.limits;
  if (!limits.empty() && limits.back().most == most) return;
  limits.push_back({from, most});
  if (limits.size() <= kMaxLimits) return;
  Limit& second = limits[1];
  second.from = limits[0].from;
  second.most = second.most == 0 || limits[0].most == 0 ? 0 : std::max(second.most, limits[0].most);
  limits.erase(limits.begin());
}

}  // namespace tallyman::rater
