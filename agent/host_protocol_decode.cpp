#include <limits>

#include "agent/host_protocol.hpp"
#include "agent/utf8.hpp"

namespace tallyman::agent {
namespace {

std::string get_text(ByteReader& r, std::size_t max) {
  std::string text = r.text(max);
  if (!is_plain_text(text)) r.fail();
  return text;
}
std::string get_name(ByteReader& r) { return get_text(r, wire::kMaxNameBytes); }
std::string get_words(ByteReader& r) { return get_text(r, wire::kMaxTextBytes); }

std::vector<std::string> get_texts(ByteReader& r, std::size_t max_count, std::size_t max_bytes) {
  const std::size_t n = r.count();
  if (n > max_count) r.fail();
  std::vector<std::string> texts;
  for (std::size_t i = 0; r.ok() && i < n; ++i) texts.push_back(get_text(r, max_bytes));
  return texts;
}
wire::LabelValues get_labels(ByteReader& r) {
  return get_texts(r, wire::kMaxLabels, kMaxLabelBytes);
}

bool get_bool(ByteReader& r) {
  const std::uint8_t b = r.u8();
  if (b > 1) r.fail();
  return b == 1;
}

std::uint32_t get_u32(ByteReader& r) {
  const std::uint64_t v = r.varint();
  if (v > std::numeric_limits<std::uint32_t>::max()) r.fail();
  return static_cast<std::uint32_t>(v);
}

/// An enumeration whose values are `low` to `high`.
template <typename E>
E get_enum(ByteReader& r, E low, E high) {
  const auto v = static_cast<E>(r.u8());
  if (v >= low && v <= high) return v;
  r.fail();
  return low;
}
wire::Scope get_scope(ByteReader& r) { return get_enum(r, wire::Scope::host, wire::Scope::shared); }
CallStatus get_status(ByteReader& r) { return get_enum(r, CallStatus::ok, CallStatus::broken); }

Handle get_handle(ByteReader& r, Handle& last) {
  const std::int64_t step = r.svarint();
  constexpr std::int64_t kTop = std::numeric_limits<Handle>::max();
  if (step < -kTop || step > kTop || last + step < 0 || last + step > kTop) {
    r.fail();
    return 0;
  }
  last = static_cast<Handle>(last + step);
  return last;
}

Configure get_configure(ByteReader& r) {
  Configure f;
  const std::size_t n = r.count(2);
  for (std::size_t i = 0; r.ok() && i < n; ++i) {
    HostOption option;
    option.key = get_name(r);
    option.values = get_texts(r, kMaxFrame, kMaxOptionBytes);
    f.options.push_back(std::move(option));
  }
  f.state_version = get_u32(r);
  const ByteView state = r.blob(kMaxState);
  f.state.assign(state.begin(), state.end());
  return f;
}

PollRequest get_poll(ByteReader& r) {
  PollRequest f;
  f.number = r.varint();
  f.scheduled = r.i64();
  f.deadline = r.i64();
  return f;
}

wire::MetricDef get_metric(ByteReader& r) {
  wire::MetricDef m;
  m.name = get_name(r);
  m.unit = get_name(r);
  m.help = get_words(r);
  m.kind = get_enum(r, wire::Kind::counter, wire::Kind::gauge);
  m.resolution = r.svarint();
  m.identity = get_texts(r, wire::kMaxLabels, wire::kMaxNameBytes);
  m.info = get_texts(r, wire::kMaxLabels, wire::kMaxNameBytes);
  return m;
}

OptionDef get_option(ByteReader& r) {
  OptionDef o;
  o.key = get_name(r);
  if (get_bool(r)) o.fallback = get_text(r, kMaxOptionBytes);
  o.help = get_words(r);
  return o;
}

Described get_described(ByteReader& r) {
  Described f;
  f.name = get_name(r);
  f.version = get_name(r);
  f.abi_minor = get_u32(r);
  f.state_version = get_u32(r);
  const std::size_t metrics = r.count(7);
  if (metrics > kMaxMetrics) r.fail();
  for (std::size_t i = 0; r.ok() && i < metrics; ++i) f.metrics.push_back(get_metric(r));
  const std::size_t options = r.count(3);
  if (options > kMaxMetrics) r.fail();
  for (std::size_t i = 0; r.ok() && i < options; ++i) f.options.push_back(get_option(r));
  f.needs.user = get_name(r);
  f.needs.capabilities = get_texts(r, kMaxMetrics, wire::kMaxNameBytes);
  f.needs.paths = get_texts(r, kMaxMetrics, kMaxOptionBytes);
  f.needs.network = get_bool(r);
  return f;
}

Created get_created(ByteReader& r) {
  Created f;
  f.status = get_status(r);
  f.why = get_words(r);
  f.restored = get_bool(r);
  return f;
}

Define get_define(ByteReader& r) {
  Define f;
  f.handle = get_u32(r);
  f.metric = get_u32(r);
  f.scope = get_scope(r);
  f.source = get_text(r, kMaxLabelBytes);
  f.identity = get_labels(r);
  f.info = get_labels(r);
  f.epoch = r.u64();
  f.start = r.svarint();
  return f;
}

Readings get_readings(ByteReader& r) {
  Readings f;
  const std::size_t n = r.count(3);
  f.values.reserve(n);
  Handle last = 0;
  for (std::size_t i = 0; r.ok() && i < n; ++i) {
    HandleValue v;
    v.handle = get_handle(r, last);
    v.value = r.varint();
    v.time = r.svarint();
    f.values.push_back(v);
  }
  return f;
}

PartGap get_part_gap(ByteReader& r) {
  PartGap f;
  f.all_metrics = get_bool(r);
  f.metric = get_u32(r);
  f.source = get_text(r, kMaxLabelBytes);
  f.scope = get_scope(r);
  f.all_series = get_bool(r);
  f.identity = get_labels(r);
  f.why = get_words(r);
  return f;
}

LogLine get_log_line(ByteReader& r) {
  LogLine f;
  f.level = r.u8();
  if (f.level > 3) r.fail();
  f.text = get_words(r);
  return f;
}

State get_state(ByteReader& r) {
  State f;
  f.version = get_u32(r);
  const ByteView bytes = r.blob(kMaxState);
  f.bytes.assign(bytes.begin(), bytes.end());
  return f;
}

PollDone get_poll_done(ByteReader& r) {
  PollDone f;
  f.number = r.varint();
  f.status = get_status(r);
  f.why = get_words(r);
  const std::size_t n = r.count();
  if (n > kMaxForgotten) r.fail();
  Handle last = 0;
  for (std::size_t i = 0; r.ok() && i < n; ++i) f.forgotten.push_back(get_handle(r, last));
  f.ended = r.i64();
  return f;
}

std::optional<ToHost> get_to_host(ByteReader& r, FrameType type) {
  switch (type) {
    case FrameType::configure:
      return get_configure(r);
    case FrameType::poll:
      return get_poll(r);
    case FrameType::stop:
      return Stop{};
    default:
      return std::nullopt;
  }
}

std::optional<FromHost> get_from_host(ByteReader& r, FrameType type) {
  switch (type) {
    case FrameType::described:
      return get_described(r);
    case FrameType::created:
      return get_created(r);
    case FrameType::define:
      return get_define(r);
    case FrameType::readings:
      return get_readings(r);
    case FrameType::part_gap:
      return get_part_gap(r);
    case FrameType::log_line:
      return get_log_line(r);
    case FrameType::state:
      return get_state(r);
    case FrameType::poll_done:
      return get_poll_done(r);
    default:
      return std::nullopt;
  }
}

/// Turns one getter into a total decoder of a whole body.
template <typename Frame, typename Getter>
Result<Frame> decode(ByteView body, const char* from, Getter getter) {
  if (body.size() > kMaxFrame) return Error{"a frame is over its limit", from, {}};
  ByteReader r(body);
  const std::uint8_t type = r.u8();
  std::optional<Frame> frame = getter(r, static_cast<FrameType>(type));
  const std::string which = "frame of type " + std::to_string(type);
  if (!frame) return Error{which + " is not known", from, {}};
  if (!r.ok()) return Error{which + " does not decode", from, {}};
  if (!r.at_end()) return Error{which + " has bytes behind its end", from, {}};
  return *std::move(frame);
}

}  // namespace

Result<ToHost> decode_to_host(ByteView body) { return decode<ToHost>(body, "agent", get_to_host); }
Result<FromHost> decode_from_host(ByteView body) {
  return decode<FromHost>(body, "plugin host", get_from_host);
}

}  // namespace tallyman::agent
