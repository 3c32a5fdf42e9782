#include "agent/instance/recorder.hpp"

#include <algorithm>
#include <utility>

namespace tallyman::agent {
namespace {

using wire::Cause;
using wire::DefNo;

Fault protocol(std::string why) { return {Cause::protocol, std::move(why)}; }

Fault over_limit(const std::string& what, std::size_t limit) {
  return {Cause::limit, "more than " + std::to_string(limit) + " " + what};
}

Verdict check_text(const std::string& text, std::size_t max, const char* what) {
  if (text.size() <= max) return {};
  return protocol(std::string(what) + " longer than " + std::to_string(max) + " bytes");
}

Verdict check_labels(const wire::LabelValues& values, std::size_t declared, const char* what) {
  if (values.size() != declared) {
    return protocol(std::to_string(values.size()) + " " + what + " label values where " +
                    std::to_string(declared) + " are declared");
  }
  for (const std::string& value : values) {
    if (Verdict fault = check_text(value, 4 * wire::kMaxNameBytes, "a label value")) return fault;
  }
  return {};
}

Verdict check_metric(const wire::MetricDef& metric) {
  if (metric.name.empty()) return protocol("a metric without a name");
  if (Verdict fault = check_text(metric.name, wire::kMaxNameBytes, "a metric's name")) return fault;
  if (Verdict fault = check_text(metric.unit, wire::kMaxNameBytes, "a metric's unit")) return fault;
  if (Verdict fault = check_text(metric.help, wire::kMaxTextBytes, "a metric's help")) return fault;
  if (metric.identity.size() > wire::kMaxLabels || metric.info.size() > wire::kMaxLabels) {
    return protocol("metric " + metric.name + " has more than " + std::to_string(wire::kMaxLabels) +
                    " labels");
  }
  if (metric.resolution < 0) return protocol("metric " + metric.name + ": resolution below zero");
  return {};
}

bool is_instant(Ns time) { return time >= 0 && time < wire::kMaxTime; }

const wire::SeriesDef* series_of(const Dictionary& dictionary, DefNo epoch, DefNo* number) {
  const wire::DefBody* body = dictionary.find(epoch);
  const auto* found = body ? std::get_if<wire::EpochDef>(body) : nullptr;
  if (found == nullptr) return nullptr;
  if (number != nullptr) *number = found->series;
  const wire::DefBody* series = dictionary.find(found->series);
  return series ? std::get_if<wire::SeriesDef>(series) : nullptr;
}

}  // namespace

Recorder::Recorder(Dictionary& dictionary, std::string agent, std::string instance,
                   const RecorderLimits& limits)
    : dictionary_(dictionary),
      agent_(std::move(agent)),
      name_(std::move(instance)),
      limits_(limits) {}

void Recorder::adopt(const wire::InstanceDef& definition) {
  if (instance_ != 0 && definition == definition_) return;
  definition_ = definition;
  instance_ = dictionary_.intern(definition);
}

Verdict Recorder::described(const Described& declaration, const wire::InstanceDef& definition) {
  if (Verdict fault = declared(declaration)) return fault;
  adopt(definition);
  if (instance_ == 0) return protocol("a name or version that cannot be recorded");
  return {};
}

Verdict Recorder::declared(const Described& declaration) {
  abandon();
  handles_.clear();
  fresh_info_.clear();
  metrics_.clear();
  sources_.clear();
  if (declaration.metrics.size() > limits_.metrics) return over_limit("metrics", limits_.metrics);
  if (declaration.options.size() > limits_.options) return over_limit("options", limits_.options);
  if (declaration.name.empty()) return protocol("a plugin without a name");
  for (const std::string* text : {&declaration.name, &declaration.version}) {
    if (Verdict fault = check_text(*text, wire::kMaxNameBytes, "name or version")) return fault;
  }
  for (const wire::MetricDef& metric : declaration.metrics) {
    if (Verdict fault = check_metric(metric)) return fault;
  }
  for (const wire::MetricDef& metric : declaration.metrics) {
    metrics_.push_back({dictionary_.intern(metric), metric.kind, metric.name,
                        metric.identity.size(), metric.info.size()});
    if (metrics_.back().number == 0) {
      return protocol("metric " + metric.name + " cannot be recorded");
    }
  }
  return {};
}

Verdict Recorder::check_source(wire::Scope scope, const std::string& id) const {
  if (scope == wire::Scope::shared && id.empty()) return protocol("a shared source without an id");
  if (scope == wire::Scope::shared && id.starts_with("host:")) {
    return protocol("a shared source named like a host: " + id.substr(0, 80));
  }
  return check_text(id, kMaxSourceBytes, "a source's id");
}

DefNo Recorder::source(wire::Scope scope, const std::string& id) {
  std::string full = id;
  if (scope == wire::Scope::host) full = "host:" + agent_ + (id.empty() ? "" : "/" + id);
  DefNo number = dictionary_.intern(wire::SourceDef{scope, std::move(full)});
  sources_.insert(number);
  return number;
}

Verdict Recorder::define(const Define& define) {
  if (define.metric >= metrics_.size()) return protocol("a metric that is not declared");
  if (handles_.size() >= limits_.handles) return over_limit("series", limits_.handles);
  if (++defined_ > limits_.definitions) {
    return over_limit("new series in one poll", limits_.definitions);
  }
  const Metric& metric = metrics_[define.metric];
  if (Verdict fault = check_source(define.scope, define.source)) return fault;
  if (Verdict fault = check_labels(define.identity, metric.identity, "identity")) return fault;
  if (Verdict fault = check_labels(define.info, metric.info, "info")) return fault;
  if (!is_instant(define.start)) return protocol("a start before 1970 or after 2116");
  bool counter = metric.kind == wire::Kind::counter;
  HandleTable::Slot slot;
  slot.series = dictionary_.intern(
      wire::SeriesDef{source(define.scope, define.source), metric.number, define.identity});
  slot.epoch = dictionary_.intern(
      wire::EpochDef{slot.series, counter ? define.epoch : 0, counter ? define.start : 0});
  slot.fresh = metric.info > 0;
  if (slot.series == 0 || slot.epoch == 0) return protocol("a series that cannot be recorded");
  if (!handles_.add(define.handle, slot)) {
    return protocol("handle " + std::to_string(define.handle) + " is out of order");
  }
  if (slot.fresh) fresh_info_.emplace(define.handle, define.info);
  return {};
}

Verdict Recorder::readings(const Readings& readings) {
  if (readings.values.size() > limits_.readings - values_.size()) {
    return over_limit("readings in one poll", limits_.readings);
  }
  for (const HandleValue& reading : readings.values) {
    HandleTable::Slot* slot = handles_.find(reading.handle);
    if (slot == nullptr) {
      return protocol("handle " + std::to_string(reading.handle) + " is not defined");
    }
    if (!is_instant(reading.time)) return protocol("a reading from before 1970 or after 2116");
    if (slot->fresh) fresh_.push_back(reading.handle);
    values_.push_back({slot->epoch, reading.value, reading.time});
  }
  return {};
}

Verdict Recorder::part(PartGap&& part) {
  if (parts_.size() >= limits_.parts) return over_limit("gaps in one poll", limits_.parts);
  if (!part.all_metrics && part.metric >= metrics_.size()) {
    return protocol("a gap of a metric that is not declared");
  }
  if (part.all_metrics && !part.all_series) return protocol("a gap of a series without a metric");
  if (Verdict fault = check_source(part.scope, part.source)) return fault;
  if (!part.all_series) {
    std::size_t declared = metrics_[part.metric].identity;
    if (Verdict fault = check_labels(part.identity, declared, "identity")) return fault;
  }
  if (part.why.size() > wire::kMaxTextBytes) part.why.resize(wire::kMaxTextBytes);
  parts_.push_back(std::move(part));
  return {};
}

Verdict Recorder::state(State&& state) {
  if (state.bytes.size() > kMaxState) return over_limit("bytes of state", kMaxState);
  if (state.version == 0) return protocol("a state of version 0");
  state_ = PluginState{name_, state.version, std::move(state.bytes), 0};
  return {};
}

void Recorder::abandon() {
  values_.clear();
  fresh_.clear();
  parts_.clear();
  state_.reset();
  defined_ = 0;
}

Verdict Recorder::finish(const PollTimes& times, const std::vector<Handle>& forgotten,
                         RecordedPoll& out) {
  out = {};
  Verdict fault = fill(times, out);
  // The host has dropped these whatever becomes of the poll.
  for (Handle handle : forgotten) {
    handles_.forget(handle);
    fresh_info_.erase(handle);
  }
  abandon();
  if (fault) lost();
  return fault;
}

Verdict Recorder::fill(const PollTimes& times, RecordedPoll& out) {
  out.poll.instance = instance_;
  out.poll.scheduled = times.scheduled;
  out.poll.wall = times.wall;
  out.poll.boot = times.boot;
  out.poll.in_time = times.in_time;
  out.poll.stepped = times.stepped;
  if (Verdict fault = sort_values(values_)) return fault;
  out.poll.values = values_;
  if (Verdict fault = write_parts(times.scheduled, out.gaps)) return fault;
  if (Verdict fault = find_ended(out)) return fault;
  // One entry that no page takes would cost everybody who shares the page.
  if (Status good = wire::check_entry(out.poll); !good.ok()) return protocol(good.error().text());
  for (const wire::Gap& gap : out.gaps) {
    if (Status good = wire::check_entry(gap); !good.ok()) return protocol(good.error().text());
  }
  record_info(times.scheduled);
  out.state = std::exchange(state_, std::nullopt);
  if (out.state) out.state->scheduled = times.scheduled;
  return {};
}

Verdict Recorder::sort_values(std::vector<wire::Value>& values) const {
  auto before = [](const wire::Value& a, const wire::Value& b) {
    return a.epoch != b.epoch ? a.epoch < b.epoch : a.time < b.time;
  };
  if (!std::is_sorted(values.begin(), values.end(), before)) {
    std::sort(values.begin(), values.end(), before);
  }
  auto same = [](const wire::Value& a, const wire::Value& b) {
    return a.epoch == b.epoch && a.time == b.time;
  };
  auto twice = std::adjacent_find(values.begin(), values.end(), same);
  if (twice == values.end()) return {};
  return Fault{Cause::error,
               "two readings of one counter at one time: " + epoch_name(twice->epoch)};
}

// What the last poll had and this one lacks has ended, but for what a gap covers: that stays known,
// so that a later end is still told.
Verdict Recorder::find_ended(RecordedPoll& out) {
  candidate_.clear();
  candidate_.reserve(out.poll.values.size());
  for (const wire::Value& value : out.poll.values) {
    if (candidate_.empty() || candidate_.back() != value.epoch) candidate_.push_back(value.epoch);
  }
  std::unordered_set<DefNo> subjects;
  for (const wire::Gap& gap : out.gaps) subjects.insert(gap.subject);
  std::vector<DefNo> held;
  auto seen = candidate_.begin();
  for (DefNo epoch : present_) {
    while (seen != candidate_.end() && *seen < epoch) ++seen;
    if (seen != candidate_.end() && *seen == epoch) continue;
    (covered(epoch, subjects) ? held : out.poll.ended).push_back(epoch);
  }
  if (held.size() + candidate_.size() > limits_.present) {
    return over_limit("series read or covered by gaps", limits_.present);
  }
  if (held.empty()) return {};
  auto middle = static_cast<std::ptrdiff_t>(candidate_.size());
  candidate_.insert(candidate_.end(), held.begin(), held.end());
  std::inplace_merge(candidate_.begin(), candidate_.begin() + middle, candidate_.end());
  return {};
}

bool Recorder::covered(DefNo epoch, const std::unordered_set<DefNo>& subjects) const {
  if (subjects.empty()) return false;
  DefNo number = 0;
  const wire::SeriesDef* series = series_of(dictionary_, epoch, &number);
  if (series == nullptr) return false;
  return subjects.contains(number) || subjects.contains(series->source) ||
         subjects.contains(series->metric);
}

Verdict Recorder::write_parts(Ns scheduled, std::vector<wire::Gap>& gaps) {
  constexpr std::size_t kGapBytes = 64;  // encoded, without its words
  std::size_t left = limits_.part_bytes;
  auto add = [&](DefNo subject, const std::string& why) -> Verdict {
    if (subject == 0) return {};
    std::size_t bytes = kGapBytes + why.size();
    if (bytes > left) return over_limit("bytes of gaps in one poll", limits_.part_bytes);
    left -= bytes;
    gaps.push_back({instance_, subject, scheduled, scheduled, Cause::part, why});
    return {};
  };
  std::optional<std::map<Part, std::vector<DefNo>>> known;
  for (const PartGap& part : parts_) {
    DefNo from = source(part.scope, part.source);
    DefNo metric = part.all_metrics ? 0 : metrics_[part.metric].number;
    std::vector<DefNo> subjects;
    if (part.all_metrics) {
      subjects = {from};
    } else if (!part.all_series) {
      subjects = {dictionary_.intern(wire::SeriesDef{from, metric, part.identity})};
    } else if (sources_.size() == 1) {
      subjects = {metric};
    } else {
      // A gap of the metric as such would cover other sources: name the series known of this one.
      if (!known) known = present_series();
      if (auto found = known->find({from, metric}); found != known->end()) subjects = found->second;
    }
    for (DefNo subject : subjects) {
      if (Verdict fault = add(subject, part.why)) return fault;
    }
  }
  return {};
}

std::map<Recorder::Part, std::vector<DefNo>> Recorder::present_series() const {
  std::map<Part, std::vector<DefNo>> known;
  std::unordered_set<DefNo> seen;
  for (DefNo epoch : present_) {
    DefNo number = 0;
    const wire::SeriesDef* series = series_of(dictionary_, epoch, &number);
    if (series == nullptr || !seen.insert(number).second) continue;
    known[{series->source, series->metric}].push_back(number);
  }
  return known;
}

void Recorder::record_info(Ns scheduled) {
  for (Handle handle : fresh_) {
    HandleTable::Slot* slot = handles_.find(handle);
    auto values = fresh_info_.find(handle);
    if (slot == nullptr || values == fresh_info_.end()) continue;
    dictionary_.info(slot->series, scheduled, values->second);
    slot->fresh = false;
    fresh_info_.erase(values);
  }
}

void Recorder::take_over(Recorder&& host) {
  abandon();
  definition_ = std::move(host.definition_);
  instance_ = host.instance_;
  metrics_ = std::move(host.metrics_);
  handles_ = std::move(host.handles_);
  fresh_info_ = std::move(host.fresh_info_);
  sources_ = std::move(host.sources_);
  candidate_ = std::move(host.candidate_);
}

void Recorder::committed() { present_.swap(candidate_); }
void Recorder::lost() { candidate_.clear(); }

std::string Recorder::epoch_name(DefNo epoch) const {
  const wire::SeriesDef* series = series_of(dictionary_, epoch, nullptr);
  const wire::DefBody* body = series ? dictionary_.find(series->metric) : nullptr;
  const auto* metric = body ? std::get_if<wire::MetricDef>(body) : nullptr;
  if (metric == nullptr) return "a series";
  std::string name = metric->name + "{";
  for (std::size_t i = 0; i < metric->identity.size() && i < series->identity.size(); i++) {
    name += (i > 0 ? "," : "") + metric->identity[i] + "=\"" + series->identity[i] + "\"";
  }
  return name + "}";
}

}  // namespace tallyman::agent
