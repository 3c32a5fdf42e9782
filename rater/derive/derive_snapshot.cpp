// A Deriver's state in bytes, little-endian, all integers but epochs as varints:
//
//   u8 version (2) · text agent · slot · last view
//   texts (every string below stands as its number in this list)
//   instances: name interval forgotten day run_from run_to interrupted, gaps: subject, spans (from
//   to) views: id, source scope metric unit kind labels, instance resolution, cover set, estimated
//   set,
//          seen absent_from, info_stream info_number info_from info, limits, counters
//   counters: u64 epoch · position from value within(2) ended stream losses disputed ·
//             u8 flags · trusted trusted_at
//   streams: id losses sealed watermark, beats: name last instant
//
// Every list has a varint count before it. Instants that may be kNever stand one higher.

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/bytes.hpp"
#include "rater/derive/derive_fold.hpp"

namespace tallyman::rater {
namespace {

using fold::Counter;
using fold::CoverSet;
using fold::Instance;
using fold::Limit;
using fold::View;

constexpr std::uint8_t kVersion = 2;
constexpr std::size_t kMaxText = 2 * wire::kMaxLabels * 8 * wire::kMaxNameBytes;

class Packer {
 public:
  void number(std::uint64_t v) { body_.varint(v); }
  void instant(Ns v) { body_.varint(static_cast<std::uint64_t>(v + 1)); }
  void flag(bool v) { body_.u8(v ? 1 : 0); }
  void u64(std::uint64_t v) { body_.u64(v); }
  void text(const std::string& s) {
    const auto [it, fresh] = numbers_.try_emplace(s, numbers_.size());
    if (fresh) texts_.push_back(&it->first);
    number(it->second);
  }
  void labels(const std::map<std::string, std::string>& labels) {
    number(labels.size());
    for (const auto& [name, value] : labels) text(name), text(value);
  }
  void spans(const CoverSet& set) {
    instant(set.floor());
    number(set.spans().size());
    Ns last = 0;
    for (const Span& span : set.spans()) {
      number(static_cast<std::uint64_t>(span.from - last));
      number(static_cast<std::uint64_t>(span.to - span.from));
      last = span.to;
    }
  }
  void finish(ByteWriter& out) const {
    out.varint(texts_.size());
    for (const std::string* text : texts_) out.text(*text);
    out.raw(bytes_);
  }

 private:
  Bytes bytes_;
  ByteWriter body_{bytes_};
  std::unordered_map<std::string, std::size_t> numbers_;
  std::vector<const std::string*> texts_;
};

class Unpacker {
 public:
  explicit Unpacker(ByteReader& in) : in_(in) {
    texts_.resize(in.count());
    for (std::string& text : texts_) text = in.text(kMaxText);
  }
  std::uint64_t number() { return in_.varint(); }
  Ns instant() {
    const std::uint64_t v = in_.varint();
    if (v > static_cast<std::uint64_t>(wire::kMaxTime)) in_.fail();
    return in_.ok() ? static_cast<Ns>(v) - 1 : 0;
  }
  bool flag() {
    const std::uint8_t v = in_.u8();
    if (v > 1) in_.fail();
    return v == 1;
  }
  std::uint64_t u64() { return in_.u64(); }
  std::size_t count() { return in_.count(); }
  std::string text() {
    const std::uint64_t n = in_.varint();
    if (n >= texts_.size()) in_.fail();
    return in_.ok() ? texts_[n] : std::string();
  }
  std::map<std::string, std::string> labels() {
    std::map<std::string, std::string> labels;
    for (std::size_t n = in_.count(2); n > 0; --n) {
      std::string name = text();
      labels[std::move(name)] = text();
    }
    return labels;
  }
  void spans(CoverSet& set) {
    const Ns floor = instant();
    std::vector<Span> spans(in_.count(2));
    Ns last = 0;
    for (Span& span : spans) {
      span.from = last + length(last);
      span.to = last = span.from + length(span.from);
    }
    if (in_.ok() && !set.assign(floor, std::move(spans))) in_.fail();
  }
  template <typename T>
  T one_of(T low, T high) {
    const std::uint64_t v = in_.varint();
    if (v < static_cast<std::uint64_t>(low) || v > static_cast<std::uint64_t>(high)) in_.fail();
    return in_.ok() ? static_cast<T>(v) : low;
  }
  void fail() { in_.fail(); }

 private:
  Ns length(Ns from) {
    const std::uint64_t v = in_.varint();
    if (v > static_cast<std::uint64_t>(wire::kMaxTime - from)) in_.fail();
    return in_.ok() ? static_cast<Ns>(v) : 0;
  }
  ByteReader& in_;
  std::vector<std::string> texts_;
};

void pack(Packer& out, const Instance& instance) {
  out.text(instance.name);
  out.instant(instance.interval);
  out.instant(instance.forgotten);
  out.instant(instance.day);
  out.instant(instance.run_from);
  out.instant(instance.run_to);
  out.flag(instance.interrupted);
  out.number(instance.gaps.size());
  for (const auto& [subject, spans] : instance.gaps) {
    out.text(subject);
    out.number(spans.size());
    for (const Span& span : spans) out.instant(span.from), out.instant(span.to);
  }
}

void unpack(Unpacker& in, Instance& instance) {
  instance.interval = std::clamp<Ns>(in.instant(), 0, fold::kLongestBeat);
  instance.forgotten = in.instant();
  instance.day = in.instant();
  instance.run_from = in.instant();
  instance.run_to = in.instant();
  instance.interrupted = in.flag();
  for (std::size_t n = in.count(); n > 0; --n) {
    const std::string subject = in.text();
    auto& spans = instance.gaps[subject];
    spans.resize(in.count());
    for (Span& span : spans) span.from = in.instant(), span.to = in.instant();
    if (spans.empty()) in.fail();
  }
}

void pack(Packer& out, std::uint64_t epoch, const Counter& c) {
  out.u64(epoch);
  out.instant(c.position);
  out.instant(c.from);
  out.number(c.value);
  out.number(static_cast<std::uint64_t>(c.within));
  out.number(static_cast<std::uint64_t>(c.within >> 64U));
  out.instant(c.ended);
  out.number(c.stream);
  out.number(c.losses);
  out.number(c.disputed);
  out.flag(c.blurred);
  out.flag(c.suspect);
  if (!c.suspect) return;
  out.number(c.trusted);
  out.instant(c.trusted_at);
}

void unpack(Unpacker& in, Counter& c) {
  c.position = in.instant();
  c.from = in.instant();
  c.value = in.number();
  c.within = in.number();
  c.within |= static_cast<u128>(in.number()) << 64U;
  c.ended = in.instant();
  c.stream = in.number();
  c.losses = in.number();
  c.disputed = in.number();
  c.blurred = in.flag();
  c.suspect = in.flag();
  if (!c.suspect) return;
  c.trusted = in.number();
  c.trusted_at = in.instant();
}

void pack(Packer& out, const View& view) {
  const SeriesKey& series = view.key.series;
  out.number(view.id);
  out.text(series.source);
  out.number(static_cast<std::uint64_t>(series.scope));
  out.text(series.metric);
  out.text(series.unit);
  out.number(static_cast<std::uint64_t>(series.kind));
  out.labels(series.labels);
  out.text(view.key.instance);
  out.instant(view.resolution);
  out.spans(view.covered);
  out.spans(view.estimated);
  out.instant(view.seen);
  out.instant(view.absent_from);
  out.number(view.info_stream);
  out.number(view.info_number);
  out.instant(view.info_from);
  out.labels(view.info);
  out.number(view.limits.size());
  for (const Limit& limit : view.limits) out.instant(limit.from), out.number(limit.most);
  out.number(view.counters.size());
  for (const auto& [epoch, counter] : view.counters) pack(out, epoch, counter);
}

void unpack(Unpacker& in, View& view) {
  SeriesKey& series = view.key.series;
  view.id = in.number();
  series.source = in.text();
  series.scope = in.one_of(wire::Scope::host, wire::Scope::shared);
  series.metric = in.text();
  series.unit = in.text();
  series.kind = in.one_of(wire::Kind::counter, wire::Kind::gauge);
  series.labels = in.labels();
  view.key.instance = in.text();
  view.resolution = in.instant();
  in.spans(view.covered);
  in.spans(view.estimated);
  view.seen = in.instant();
  view.absent_from = in.instant();
  view.info_stream = in.number();
  view.info_number = in.number();
  view.info_from = in.instant();
  view.info = in.labels();
  view.limits.resize(in.count());
  for (Limit& limit : view.limits) limit.from = in.instant(), limit.most = in.number();
  for (std::size_t n = in.count(); n > 0; --n) {
    const std::uint64_t epoch = in.u64();
    unpack(in, view.counters[epoch]);
  }
}

void pack(Packer& out, const fold::Stream& stream) {
  out.number(stream.id);
  out.number(stream.losses);
  out.instant(stream.sealed);
  out.instant(stream.watermark);
  out.number(stream.beats.size());
  for (const auto& [name, beat] : stream.beats) {
    out.text(name);
    out.instant(beat.last);
    out.instant(beat.instant);
  }
}

}  // namespace

Bytes Deriver::snapshot() const {
  Packer body;
  body.number(state_->instances.size());
  for (const auto& [name, instance] : state_->instances) pack(body, instance);
  body.number(state_->views.size());
  for (const auto& [key, view] : state_->views) pack(body, *view);
  body.number(state_->streams.size());
  for (const auto& [id, stream] : state_->streams) pack(body, stream);

  Bytes bytes;
  ByteWriter out(bytes);
  out.u8(kVersion);
  out.text(state_->agent);
  out.varint(static_cast<std::uint64_t>(state_->spreader.slot()));
  out.varint(state_->last_view);
  body.finish(out);
  return bytes;
}

Result<Deriver> Deriver::restore(ByteView bytes) {
  ByteReader reader(bytes);
  if (reader.u8() != kVersion) {
    return Error{"the state of derivation has a version this program does not know", "ledger",
                 "use the program that wrote it"};
  }
  const Error damaged{"the state of derivation is damaged", "ledger",
                      "restore the ledger from a backup"};
  std::string agent = reader.text(kMaxText);
  const std::uint64_t slot = reader.varint();
  if (!reader.ok() || slot == 0 || slot > static_cast<std::uint64_t>(wire::kMaxTime)) {
    return damaged;
  }
  auto state = std::make_unique<State>(std::move(agent), static_cast<Ns>(slot));
  state->last_view = reader.varint();
  Unpacker in(reader);
  for (std::size_t n = in.count(); n > 0; --n) {
    const std::string name = in.text();
    Instance& instance = state->instances[name];
    instance.name = name;
    unpack(in, instance);
  }
  for (std::size_t n = in.count(); n > 0; --n) {
    auto view = std::make_unique<View>();
    unpack(in, *view);
    view->key.agent = state->agent;
    const auto instance = state->instances.find(view->key.instance);
    if (instance == state->instances.end() || view->id > state->last_view) return damaged;
    view->instance = &instance->second;
    const ViewKey key = view->key;
    state->views[key] = std::move(view);
  }
  for (std::size_t n = in.count(); n > 0; --n) {
    fold::Stream& stream = state->stream(in.number());
    stream.losses = in.number();
    stream.sealed = in.instant();
    stream.watermark = in.instant();
    for (std::size_t beats = in.count(); beats > 0; --beats) {
      const std::string name = in.text();
      if (!state->instances.contains(name)) in.fail();
      fold::Beat& beat = stream.beats[name];
      beat.last = in.instant();
      beat.instant = in.instant();
    }
  }
  if (!reader.ok() || !reader.at_end()) return damaged;
  return Deriver(std::move(state));
}

}  // namespace tallyman::rater
