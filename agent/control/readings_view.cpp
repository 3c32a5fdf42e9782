#include "agent/control/readings_view.hpp"

#include <algorithm>

namespace tallyman::agent {
namespace {

template <typename T>
const T* find(const Definitions& definitions, wire::DefNo number) {
  const wire::DefBody* body = definitions.find(number);
  return body ? std::get_if<T>(body) : nullptr;
}

wire::Labels labels(const std::vector<std::string>& names, const wire::LabelValues& values) {
  wire::Labels labels;
  for (std::size_t i = 0; i < std::min(names.size(), values.size()); i++) {
    labels[names[i]] = values[i];
  }
  return labels;
}

Definitions of(const Dictionary& dictionary) {
  return {[&dictionary](wire::DefNo number) { return dictionary.find(number); },
          [&dictionary](wire::DefNo series) { return dictionary.info_of(series); }};
}

}  // namespace

std::optional<wire::ReadingLine> reading_of(const wire::Value& value, Ns at,
                                            const wire::InstanceDef& instance,
                                            const std::string& agent,
                                            const Definitions& definitions) {
  const auto* epoch = find<wire::EpochDef>(definitions, value.epoch);
  const auto* series = epoch ? find<wire::SeriesDef>(definitions, epoch->series) : nullptr;
  const auto* metric = series ? find<wire::MetricDef>(definitions, series->metric) : nullptr;
  const auto* source = series ? find<wire::SourceDef>(definitions, series->source) : nullptr;
  if (metric == nullptr || source == nullptr) return std::nullopt;
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
  const wire::LabelValues* info = definitions.info_of(epoch->series);
  if (info != nullptr) line.info = labels(metric->info, *info);
  line.epoch = epoch->epoch;
  line.start = epoch->start;
  line.value = value.value;
  line.time = value.time != 0 ? value.time : at;
  return line;
}

std::vector<std::string> reading_lines(const wire::Poll& poll, const wire::InstanceDef& instance,
                                       const std::string& agent, const Dictionary& dictionary) {
  std::vector<std::string> lines;
  lines.reserve(poll.values.size());
  const Ns at = wire::position_of(poll, 0).at;
  const Definitions definitions = of(dictionary);
  for (const wire::Value& value : poll.values) {
    if (const auto line = reading_of(value, at, instance, agent, definitions))
      lines.push_back(wire::to_json_line(*line));
  }
  return lines;
}

wire::GapLine gap_of(const wire::Gap& gap, const wire::InstanceDef& instance,
                     const std::string& agent, const Definitions& definitions) {
  wire::GapLine line;
  line.agent = agent;
  line.plugin = instance.plugin;
  line.instance = instance.instance;
  if (const auto* source = find<wire::SourceDef>(definitions, gap.subject)) {
    line.source = source->id;
  }
  if (const auto* series = find<wire::SeriesDef>(definitions, gap.subject)) {
    if (const auto* source = find<wire::SourceDef>(definitions, series->source)) {
      line.source = source->id;
    }
  }
  line.gap = std::string(wire::cause_name(gap.cause)) + ": " + gap.why;
  line.from = gap.from;
  line.to = gap.to;
  return line;
}

std::string gap_line(const wire::Gap& gap, const wire::InstanceDef& instance,
                     const std::string& agent, const Dictionary& dictionary) {
  return wire::to_json_line(gap_of(gap, instance, agent, of(dictionary)));
}

}  // namespace tallyman::agent
