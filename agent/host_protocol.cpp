#include "agent/host_protocol.hpp"

namespace tallyman::agent {
namespace {

void put_texts(ByteWriter& w, const std::vector<std::string>& texts) {
  w.varint(texts.size());
  for (const std::string& text : texts) w.text(text);
}

void put_type(ByteWriter& w, FrameType type) { w.u8(static_cast<std::uint8_t>(type)); }

void put_bool(ByteWriter& w, bool b) { w.u8(b ? 1 : 0); }

void put(ByteWriter& w, const Configure& f) {
  put_type(w, FrameType::configure);
  w.varint(f.options.size());
  for (const HostOption& option : f.options) {
    w.text(option.key);
    put_texts(w, option.values);
  }
  w.varint(f.state_version);
  w.blob(f.state);
}

void put(ByteWriter& w, const PollRequest& f) {
  put_type(w, FrameType::poll);
  w.varint(f.number);
  w.i64(f.scheduled);
  w.i64(f.deadline);
}

void put(ByteWriter& w, const Stop&) { put_type(w, FrameType::stop); }

void put(ByteWriter& w, const wire::MetricDef& m) {
  w.text(m.name);
  w.text(m.unit);
  w.text(m.help);
  w.u8(static_cast<std::uint8_t>(m.kind));
  w.svarint(m.resolution);
  put_texts(w, m.identity);
  put_texts(w, m.info);
}

void put(ByteWriter& w, const OptionDef& o) {
  w.text(o.key);
  put_bool(w, o.fallback.has_value());
  if (o.fallback) w.text(*o.fallback);
  w.text(o.help);
}

void put(ByteWriter& w, const Described& f) {
  put_type(w, FrameType::described);
  w.text(f.name);
  w.text(f.version);
  w.varint(f.abi_minor);
  w.varint(f.state_version);
  w.varint(f.metrics.size());
  for (const wire::MetricDef& metric : f.metrics) put(w, metric);
  w.varint(f.options.size());
  for (const OptionDef& option : f.options) put(w, option);
  w.text(f.needs.user);
  put_texts(w, f.needs.capabilities);
  put_texts(w, f.needs.paths);
  put_bool(w, f.needs.network);
}

void put(ByteWriter& w, const Created& f) {
  put_type(w, FrameType::created);
  w.u8(static_cast<std::uint8_t>(f.status));
  w.text(f.why);
  put_bool(w, f.restored);
}

void put(ByteWriter& w, const Define& f) {
  put_type(w, FrameType::define);
  w.varint(f.handle);
  w.varint(f.metric);
  w.u8(static_cast<std::uint8_t>(f.scope));
  w.text(f.source);
  put_texts(w, f.identity);
  put_texts(w, f.info);
  w.u64(f.epoch);
  w.svarint(f.start);
}

/// A handle as the distance from the one before: mostly one byte.
void put_handle(ByteWriter& w, Handle handle, Handle& last) {
  w.svarint(static_cast<std::int64_t>(handle) - static_cast<std::int64_t>(last));
  last = handle;
}

void put(ByteWriter& w, const Readings& f) {
  put_type(w, FrameType::readings);
  w.varint(f.values.size());
  Handle last = 0;
  for (const HandleValue& v : f.values) {
    put_handle(w, v.handle, last);
    w.varint(v.value);
    w.svarint(v.time);
  }
}

void put(ByteWriter& w, const PartGap& f) {
  put_type(w, FrameType::part_gap);
  put_bool(w, f.all_metrics);
  w.varint(f.metric);
  w.text(f.source);
  w.u8(static_cast<std::uint8_t>(f.scope));
  put_bool(w, f.all_series);
  put_texts(w, f.identity);
  w.text(f.why);
}

void put(ByteWriter& w, const LogLine& f) {
  put_type(w, FrameType::log_line);
  w.u8(f.level);
  w.text(f.text);
}

void put(ByteWriter& w, const State& f) {
  put_type(w, FrameType::state);
  w.varint(f.version);
  w.blob(f.bytes);
}

void put(ByteWriter& w, const PollDone& f) {
  put_type(w, FrameType::poll_done);
  w.varint(f.number);
  w.u8(static_cast<std::uint8_t>(f.status));
  w.text(f.why);
  w.varint(f.forgotten.size());
  Handle last = 0;
  for (const Handle handle : f.forgotten) put_handle(w, handle, last);
  w.i64(f.ended);
}

template <typename Frame>
Bytes framed(const Frame& frame) {
  Bytes out(4, 0);
  ByteWriter w(out);
  std::visit([&](const auto& body) { put(w, body); }, frame);
  const std::size_t length = out.size() - 4;
  for (unsigned i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(length >> (8 * i));
  return out;
}

}  // namespace

Bytes encode_frame(const ToHost& frame) { return framed(frame); }
Bytes encode_frame(const FromHost& frame) { return framed(frame); }

void FrameCutter::feed(ByteView bytes) {
  if (taken_ > 0 && taken_ >= buffer_.size() / 2) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

Result<std::optional<Bytes>> FrameCutter::next() {
  const ByteView rest = ByteView(buffer_).subspan(taken_);
  if (rest.size() < 4) return std::optional<Bytes>();
  ByteReader r(rest);
  const std::uint32_t length = r.u32();
  if (length == 0 || length > kMaxFrame) {
    return Error{"a frame claims " + std::to_string(length) + " bytes, expected 1 to " +
                     std::to_string(kMaxFrame),
                 "plugin socket",
                 {}};
  }
  if (r.left() < length) return std::optional<Bytes>();
  const ByteView body = r.raw(length);
  taken_ += 4 + static_cast<std::size_t>(length);
  return std::optional<Bytes>(Bytes(body.begin(), body.end()));
}

}  // namespace tallyman::agent
