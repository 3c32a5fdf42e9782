#include "agent/control/readings_view.hpp"

#include <algorithm>

#include "wire/reading_json.hpp"

namespace tallyman::agent {
namespace {

template <typename T>
const T* find(const Dictionary& dictionary, wire::DefNo number) {
  const wire::DefBody* body = dictionary.find(number);
  return body ? std::get_if<T>(body) : nullptr;
}

wire::Labels labels(const std::vector<std::string>& names, const wire::LabelValues& values) {
  wire::Labels labels;
  for (std::size_t i = 0; i < std::min(names.size(), values.size()); i++) {
    labels[names[i]] = values[i];
  }
  return labels;
}

}  // namespace

std::vector<std::string> reading_lines(const wire::Poll& poll, const wire::InstanceDef& instance,
                                       const std::string& agent, const Dictionary& dictionary) {
  std::vector<std::string> lines;
  lines.reserve(poll.values.size());
  Ns at = wire::position_of(poll, 0).at;
  for (const wire::Value& value : poll.values) {
    const auto* epoch = find<wire::EpochDef>(dictionary, value.epoch);
    const auto* series = epoch ? find<wire::SeriesDef>(dictionary, epoch->series) : nullptr;
    const auto* metric = series ? find<wire::MetricDef>(dictionary, series->metric) : nullptr;
    const auto* source = series ? find<wire::SourceDef>(dictionary, series->source) : nullptr;
    if (metric == nullptr || source == nullptr) continue;
    wire::ReadingLine line;
    line.agent = agent;
    line.plugin = instance.plugin;
    line.instance = instance.instance;
    line.source = source->id;
    line.scope = source->scope;
    line.metric = metric->name;
    line.kind = metric->kind;
    line.unit = metric->unit;
    line.labels = labels(metric->identity, series->identity);
    const wire::LabelValues* info = dictionary.info_of(epoch->series);
    if (info != nullptr) line.info = labels(metric->info, *info);
    line.epoch = epoch->epoch;
    line.start = epoch->start;
    line.value = value.value;
    line.time = value.time != 0 ? value.time : at;
    lines.push_back(wire::to_json_line(line));
  }
  return lines;
}

std::string gap_line(const wire::Gap& gap, const wire::InstanceDef& instance,
                     const std::string& agent, const Dictionary& dictionary) {
  wire::GapLine line;
  line.agent = agent;
  line.plugin = instance.plugin;
  line.instance = instance.instance;
  if (const auto* source = find<wire::SourceDef>(dictionary, gap.subject)) line.source = source->id;
  if (const auto* series = find<wire::SeriesDef>(dictionary, gap.subject)) {
    if (const auto* source = find<wire::SourceDef>(dictionary, series->source)) {
      line.source = source->id;
    }
  }
  line.gap = std::string(wire::cause_name(gap.cause)) + ": " + gap.why;
  line.from = gap.from;
  line.to = gap.to;
  return wire::to_json_line(line);
}

}  // namespace tallyman::agent
