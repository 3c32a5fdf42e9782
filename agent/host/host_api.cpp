#include "agent/host/host_api.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "agent/utf8.hpp"

namespace tallyman::host {
namespace {

constexpr std::size_t kReadingLeast = offsetof(tm_reading, info) + sizeof(tm_reading::info);
constexpr std::size_t kGapLeast = offsetof(tm_gap, why) + sizeof(tm_gap::why);
constexpr std::size_t kReadingsPerFrame = 2048;

constexpr std::int64_t kLogBurst = 100;
constexpr Ns kLogEvery = kSecond / 20;

const char* status_name(CallStatus status) {
  switch (status) {
    case CallStatus::ok:
      return "TM_OK";
    case CallStatus::retry:
      return "TM_RETRY";
    case CallStatus::bad_config:
      return "TM_BAD_CONFIG";
    case CallStatus::bad_state:
      return "TM_BAD_STATE";
    case CallStatus::broken:
      break;
  }
  return "TM_BROKEN";
}

std::span<const char* const> span_of(const char* const* values, std::uint32_t n) {
  return {values, n};
}

}  // namespace

HostApi::HostApi(const Described& plugin, Channel& channel, const Clock& clock)
    : plugin_(plugin),
      channel_(channel),
      clock_(clock),
      log_tokens_(kLogBurst),
      log_filled_(clock.boot()) {
  table_.size = sizeof(tm_host_v1);
  table_.minor = TM_PLUGIN_V1_MINOR;
  table_.ctx = this;
  table_.log = [](void* ctx, std::uint32_t level, const char* text) noexcept {
    of(ctx).log(level, text);
  };
  table_.fail = [](void* ctx, const char* why) noexcept {
    if (of(ctx).allowed("fail", true)) of(ctx).why_ = why == nullptr ? "" : why;
  };
  table_.emit = [](void* ctx, const tm_reading* reading) noexcept {
    HostApi& me = of(ctx);
    if (reading == nullptr) return me.fault(CallStatus::broken, "it emitted NULL");
    return me.emit(*reading);
  };
  table_.source = [](void* ctx, const char* id, std::uint32_t scope) noexcept {
    return of(ctx).source(id, scope);
  };
  table_.gap = [](void* ctx, const tm_gap* part) noexcept {
    HostApi& me = of(ctx);
    if (part == nullptr) return me.fault(CallStatus::broken, "it named a gap at NULL");
    return me.gap(*part);
  };
  table_.write = [](void* ctx, const void* bytes, std::uint64_t n) noexcept {
    return of(ctx).write(bytes, n);
  };
  table_.config = [](void* ctx, const char* key, std::uint32_t i) noexcept {
    return of(ctx).config(key, i);
  };
  table_.extension = [](void*, const char*) noexcept -> const void* { return nullptr; };
}

void HostApi::begin(Call call) {
  call_ = call;
  why_.clear();
  fault_ = {};
  if (call == Call::poll) {
    ++poll_number_;
    emitted_ = gaps_ = 0;
    given_up_.clear();
    readings_.values.clear();
  }
  if (call == Call::save) state_.clear();
}

HostApi::Outcome HostApi::end(tm_status returned) {
  call_ = Call::none;
  if (foreign_.exchange(false)) {
    return {CallStatus::broken, "the plugin called the host on a thread of its own"};
  }
  if (fault_.status != CallStatus::ok) return fault_;
  if (returned == TM_OK) return {};
  if (returned < TM_OK || returned > TM_BROKEN) {
    return {CallStatus::broken, "returned the unknown status " + std::to_string(returned)};
  }
  Outcome out{static_cast<CallStatus>(returned), plain_text(why_, wire::kMaxTextBytes)};
  if (out.why.empty()) {
    out.why = std::string("returned ") + status_name(out.status) + " without saying why";
  }
  return out;
}

std::vector<Handle> HostApi::finish_poll() {
  flush_readings();
  return series_.forget_unused(poll_number_, kMaxForgotten);
}

bool HostApi::allowed(const char* function, bool here) {
  if (std::this_thread::get_id() != thread_) {
    foreign_ = true;
    return false;
  }
  if (!here)
    fault(CallStatus::broken, std::string("it called ") + function + "() where it may not");
  return here;
}

tm_status HostApi::fault(CallStatus status, const std::string& what) {
  if (fault_.status == CallStatus::ok) {
    fault_ = {status, plain_text("plugin fault: " + what, wire::kMaxTextBytes)};
  }
  return static_cast<tm_status>(status);
}

void HostApi::log(std::uint32_t level, const char* text) {
  if (!allowed("log", true)) return;
  const Ns now = clock_.boot();
  const std::int64_t refill = (now - log_filled_) / kLogEvery;
  log_tokens_ = std::min(kLogBurst, log_tokens_ + refill);
  log_filled_ += refill * kLogEvery;
  if (log_tokens_ == 0) {
    ++log_dropped_;
    return;
  }
  --log_tokens_;
  if (log_dropped_ > 0) {
    send_log(TM_WARNING, std::to_string(std::exchange(log_dropped_, 0)) + " lines were dropped");
  }
  send_log(static_cast<std::uint8_t>(std::min<std::uint32_t>(level, TM_ERROR)),
           text == nullptr ? "" : text);
}

void HostApi::send_log(std::uint8_t level, std::string_view text) {
  channel_.send(LogLine{level, plain_text(text, wire::kMaxTextBytes)});
}

bool HostApi::source_known(std::uint32_t source) {
  if (source < sources_.size()) return true;
  fault(CallStatus::broken, "source " + std::to_string(source) + " is none that source() gave");
  return false;
}

bool HostApi::labels_fit(const char* const* values, std::uint32_t n,
                         const std::vector<std::string>& names, const std::string& metric,
                         const char* sort) {
  if (n != names.size() || (n > 0 && values == nullptr)) {
    fault(CallStatus::broken, metric + " has " + std::to_string(values == nullptr ? 0 : n) + " " +
                                  sort + " labels, expected " + std::to_string(names.size()));
    return false;
  }
  for (std::uint32_t i = 0; i < n; ++i) {
    if (values[i] != nullptr) continue;
    fault(CallStatus::broken, metric + ": the label " + names[i] + " is NULL");
    return false;
  }
  return true;
}

bool HostApi::reading_fits(const tm_reading& r) {
  if (r.size < kReadingLeast) {
    fault(CallStatus::broken, "a reading of size " + std::to_string(r.size) +
                                  ", expected at least " + std::to_string(kReadingLeast));
    return false;
  }
  if (r.metric >= plugin_.metrics.size()) {
    fault(CallStatus::broken, "metric " + std::to_string(r.metric) + " is not declared; it has " +
                                  std::to_string(plugin_.metrics.size()));
    return false;
  }
  const wire::MetricDef& metric = plugin_.metrics[r.metric];
  for (const std::int64_t instant : {r.start_ns, r.time_ns}) {
    if (instant >= 0 && instant < wire::kMaxTime) continue;
    fault(CallStatus::broken, metric.name + " has the instant " + std::to_string(instant) +
                                  " ns, expected one from 1970 to 2116");
    return false;
  }
  if (metric.kind == wire::Kind::gauge && (r.epoch != 0 || r.start_ns != 0)) {
    fault(CallStatus::broken, metric.name + " is a gauge: it has no epoch and no start");
    return false;
  }
  return source_known(r.source) &&
         labels_fit(r.identity, r.n_identity, metric.identity, metric.name, "identity") &&
         labels_fit(r.info, r.n_info, metric.info, metric.name, "info");
}

tm_status HostApi::emit(const tm_reading& r) {
  if (!allowed("emit", call_ == Call::poll)) return TM_BROKEN;
  if (fault_.status != CallStatus::ok || !reading_fits(r)) return TM_BROKEN;
  if (emitted_ >= kMaxPollReadings) {
    return fault(CallStatus::retry,
                 "over the limit of " + std::to_string(kMaxPollReadings) + " readings in a poll");
  }
  ++emitted_;
  const SeriesKey key{r.metric,
                      r.source,
                      r.epoch,
                      r.start_ns,
                      span_of(r.identity, r.n_identity),
                      span_of(r.info, r.n_info)};
  SeriesTable::Entry* entry = series_.find(key);
  const std::string* bad_label = nullptr;
  if (entry == nullptr && (entry = define(key, &bad_label)) == nullptr) {
    return bad_label == nullptr ? TM_BROKEN : give_up(r.metric, r.source, *bad_label);
  }
  if (r.time_ns == 0 && std::exchange(entry->untimed, poll_number_) == poll_number_) {
    return fault(CallStatus::broken,
                 plugin_.metrics[r.metric].name + " was emitted twice for the same series");
  }
  entry->used = poll_number_;
  readings_.values.push_back({entry->handle, r.value, r.time_ns});
  if (readings_.values.size() == kReadingsPerFrame) flush_readings();
  return TM_OK;
}

void HostApi::flush_readings() {
  if (readings_.values.empty()) return;
  FromHost frame(std::move(readings_));
  channel_.send(frame);
  readings_ = std::move(std::get<Readings>(frame));
  readings_.values.clear();
}

// Nothing when one cannot be a label: `bad_label` is then its name.
std::optional<wire::LabelValues> HostApi::identity_values(const wire::MetricDef& metric,
                                                          std::span<const char* const> values,
                                                          const std::string** bad_label) {
  wire::LabelValues out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::string value(values[i], ::strnlen(values[i], kMaxLabelBytes + 1));
    if (value.size() > kMaxLabelBytes || !is_plain_text(value)) {
      *bad_label = &metric.identity[i];
      log(TM_WARNING,
          (metric.name + ": the identity label " + **bad_label + " is over " +
           std::to_string(kMaxLabelBytes) + " bytes or no UTF-8 without control characters: \"" +
           plain_text(value, 80) + "\"")
              .c_str());
      return std::nullopt;
    }
    out.push_back(std::move(value));
  }
  return out;
}

// A series that cannot be named: its metric is unknown for this poll, all else is good.
tm_status HostApi::give_up(std::uint32_t metric, std::uint32_t source, const std::string& label) {
  if (!given_up_.emplace(metric, source).second) return TM_OK;
  if (!one_more_gap()) return TM_RETRY;
  PartGap part;
  part.all_metrics = false;
  part.metric = metric;
  part.scope = sources_[source].first;
  part.source = sources_[source].second;
  const std::string& name = plugin_.metrics[metric].name;
  part.why = plain_text("a series of " + name + " has an identity label " + label +
                            " that is too long or no plain UTF-8",
                        wire::kMaxTextBytes);
  channel_.send(part);
  return TM_OK;
}

wire::LabelValues HostApi::info_values(std::uint32_t metric, std::span<const char* const> values) {
  wire::LabelValues out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    out.push_back(plain_text(values[i], kMaxLabelBytes));
    if (out.back() != values[i]) {
      const std::string& label = plugin_.metrics[metric].info[i];
      log(TM_WARNING, ("the info label " + label + " was made plain: " + out.back()).c_str());
    }
  }
  return out;
}

SeriesTable::Entry* HostApi::define(const SeriesKey& key, const std::string** bad_label) {
  if (series_.size() >= kMaxSeries || series_.exhausted()) {
    fault(CallStatus::broken, "it defined over " + std::to_string(kMaxSeries) + " series");
    return nullptr;
  }
  std::optional<wire::LabelValues> identity =
      identity_values(plugin_.metrics[key.metric], key.identity, bad_label);
  if (!identity) return nullptr;
  SeriesTable::Entry& entry = series_.add(key);
  const Source& source = sources_[key.source];
  channel_.send(Define{entry.handle, key.metric, source.first, source.second, std::move(*identity),
                       info_values(key.metric, key.info), key.epoch, key.start});
  return &entry;
}

std::uint32_t HostApi::source(const char* id, std::uint32_t scope) {
  const bool here = call_ == Call::create || call_ == Call::restore || call_ == Call::poll;
  if (!allowed("source", here)) return TM_NO_SOURCE;
  if (id == nullptr || (scope != TM_SCOPE_HOST && scope != TM_SCOPE_SHARED)) {
    fault(CallStatus::broken, "a source without an id, or of an unknown scope");
    return TM_NO_SOURCE;
  }
  Source key{static_cast<wire::Scope>(scope), std::string(id, ::strnlen(id, kMaxSourceBytes + 1))};
  const auto known = source_numbers_.find(key);
  if (known != source_numbers_.end()) return known->second;
  const bool like_a_host = key.first == wire::Scope::shared && key.second.starts_with("host:");
  if (key.second.empty() || key.second.size() > kMaxSourceBytes || like_a_host ||
      !is_plain_text(key.second)) {
    fault(CallStatus::retry, "a source's id is empty, over " + std::to_string(kMaxSourceBytes) +
                                 " bytes, named like a host, or no plain UTF-8: \"" +
                                 plain_text(key.second, 80) + "\"");
    return TM_NO_SOURCE;
  }
  if (sources_.size() >= kMaxSources) {
    fault(CallStatus::broken, "over " + std::to_string(kMaxSources) + " sources");
    return TM_NO_SOURCE;
  }
  const auto number = static_cast<std::uint32_t>(sources_.size());
  sources_.push_back(key);
  source_numbers_.emplace(std::move(key), number);
  return number;
}

bool HostApi::one_more_gap() {
  if (gaps_++ < kMaxPollGaps) return true;
  fault(CallStatus::retry, "over the limit of " + std::to_string(kMaxPollGaps) + " gaps in a poll");
  return false;
}

tm_status HostApi::gap(const tm_gap& g) {
  if (!allowed("gap", call_ == Call::poll)) return TM_BROKEN;
  if (fault_.status != CallStatus::ok) return TM_BROKEN;
  if (g.size < kGapLeast) {
    return fault(CallStatus::broken, "a gap of size " + std::to_string(g.size) +
                                         ", expected at least " + std::to_string(kGapLeast));
  }
  const bool all = g.metric == TM_ALL_METRICS;
  if (!all && g.metric >= plugin_.metrics.size()) {
    return fault(CallStatus::broken,
                 "a gap of metric " + std::to_string(g.metric) + ", which is not declared");
  }
  if (all && g.n_identity != 0) {
    return fault(CallStatus::broken, "a gap with identity labels, but without a metric");
  }
  if (!source_known(g.source)) return TM_BROKEN;
  if (!one_more_gap()) return TM_RETRY;
  PartGap part;
  part.all_metrics = all;
  part.metric = all ? 0 : g.metric;
  part.scope = sources_[g.source].first;
  part.source = sources_[g.source].second;
  part.all_series = g.n_identity == 0;
  if (!part.all_series) {
    const wire::MetricDef& metric = plugin_.metrics[g.metric];
    if (!labels_fit(g.identity, g.n_identity, metric.identity, metric.name, "identity")) {
      return TM_BROKEN;
    }
    const std::string* bad_label = nullptr;
    auto identity = identity_values(metric, span_of(g.identity, g.n_identity), &bad_label);
    if (!identity) return give_up(g.metric, g.source, *bad_label);
    part.identity = std::move(*identity);
  }
  part.why = plain_text(g.why == nullptr ? "" : g.why, wire::kMaxTextBytes);
  if (part.why.empty()) part.why = "the plugin does not say why";
  channel_.send(part);
  return TM_OK;
}

tm_status HostApi::write(const void* bytes, std::uint64_t n) {
  if (!allowed("write", call_ == Call::save)) return TM_BROKEN;
  if (n > kMaxState - state_.size()) {
    return fault(CallStatus::broken, "its state is over " + std::to_string(kMaxState) + " bytes");
  }
  if (n > 0 && bytes == nullptr) return fault(CallStatus::broken, "it saved bytes at NULL");
  const auto* from = static_cast<const std::uint8_t*>(bytes);
  state_.insert(state_.end(), from, from + n);
  return TM_OK;
}

const char* HostApi::config(const char* key, std::uint32_t i) {
  if (!allowed("config", true)) return nullptr;
  const auto option = key == nullptr ? options_.end() : options_.find(std::string_view(key));
  if (option == options_.end()) {
    fault(CallStatus::broken, std::string("it asks for the option \"") +
                                  (key == nullptr ? "NULL" : key) +
                                  "\", which it does not declare");
    return nullptr;
  }
  return i < option->second.size() ? option->second[i].c_str() : nullptr;
}

}  // namespace tallyman::host
