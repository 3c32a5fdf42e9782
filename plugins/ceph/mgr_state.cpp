#include <algorithm>

#include "mgr_book.hpp"

namespace ceph {
namespace {

constexpr std::int64_t kLatest = std::int64_t{1} << 62U;

class Writer {
 public:
  void number(std::uint64_t v) {
    while (v >= 0x80U) {
      out_ += static_cast<char>(v | 0x80U);
      v >>= 7U;
    }
    out_ += static_cast<char>(v);
  }
  void instant(std::int64_t v) { number(static_cast<std::uint64_t>(v)); }
  void text(std::string_view s) {
    number(s.size());
    out_ += s;
  }
  void hash(std::uint64_t v) {
    for (unsigned i = 0; i < 8; ++i) out_ += static_cast<char>(v >> (8 * i) & 0xffU);
  }
  void counters(const TrackedCounters& c, std::int64_t now) {
    instant(c.life.birth);
    number(c.life.from_zero ? 1 : 0);
    number(c.read);
    number(c.written);
    instant(std::max<std::int64_t>(now - c.seen, 0));
  }
  void append(const Writer& other) { out_ += other.out_; }
  [[nodiscard]] std::size_t size() const { return out_.size(); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

/// Reads as long as it is ok(); then everything is 0.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }
  std::uint64_t number() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint64_t byte = next();
      if (shift == 63 && byte > 1) ok_ = false;
      out |= (byte & 0x7fU) << shift;
      if (byte < 0x80U) return ok_ ? out : 0;
    }
    ok_ = false;
    return 0;
  }
  std::int64_t instant() {
    const std::uint64_t v = number();
    if (v > static_cast<std::uint64_t>(kLatest)) ok_ = false;
    return ok_ ? static_cast<std::int64_t>(v) : 0;
  }
  bool flag() {
    const std::uint64_t v = number();
    if (v > 1) ok_ = false;
    return v == 1;
  }
  std::string text() {
    const std::uint64_t n = number();
    if (n > bytes_.size()) ok_ = false;
    if (!ok_) return {};
    std::string out(bytes_.substr(0, n));
    bytes_.remove_prefix(n);
    return out;
  }
  std::uint64_t hash() {
    std::uint64_t out = 0;
    for (unsigned i = 0; i < 8; ++i) out |= std::uint64_t{next()} << (8 * i);
    return out;
  }
  KnownGateway gateway() {
    KnownGateway out;
    out.answered = flag();
    for (std::uint64_t n = number(); ok_ && n > 0; --n) {
      if (!out.processes.insert(text()).second) ok_ = false;
    }
    return out;
  }
  TrackedCounters counters(std::int64_t now) {
    TrackedCounters c;
    c.life.birth = instant();
    c.life.from_zero = flag();
    c.read = number();
    c.written = number();
    const std::int64_t ago = instant();
    if (ago > now) ok_ = false;
    c.seen = now - ago;
    return c;
  }

 private:
  std::uint8_t next() {
    if (bytes_.empty()) ok_ = false;
    if (!ok_) return 0;
    const auto byte = static_cast<std::uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte;
  }
  std::string_view bytes_;
  bool ok_ = true;
};

constexpr std::size_t kRoomForCounts = 16;

}  // namespace

std::variant<std::string, Fault> encode_state(const SavedState& state) {
  Writer head;
  head.instant(state.usage_begin);
  head.instant(state.usage_told);
  head.instant(state.mgr.instant);
  head.instant(std::max<std::int64_t>(state.mgr.instant - state.mgr.images_at, 0));
  head.text(state.mgr.active);
  head.number(state.mgr.collections);
  head.number(state.gateways.size());
  for (const auto& [endpoint, gateway] : state.gateways) {
    head.text(endpoint);
    head.number(gateway.answered ? 1 : 0);
    head.number(gateway.processes.size());
    for (const std::string& process : gateway.processes) head.text(process);
  }
  head.number(state.mgr.pools.size());
  for (const auto& [id, counters] : state.mgr.pools) {
    head.text(id);
    head.counters(counters, state.mgr.instant);
  }
  if (head.size() + kRoomForCounts > kMaxStateBytes) {
    return Fault{"more pools than the state has room for; meter the pools in a second instance"};
  }
  Writer images;
  std::size_t kept = 0;
  for (const auto& [hash, counters] : state.mgr.images) {
    Writer one;
    one.hash(hash);
    one.counters(counters, state.mgr.instant);
    if (head.size() + images.size() + one.size() + kRoomForCounts > kMaxStateBytes) break;
    images.append(one);
    ++kept;
  }
  head.number(state.mgr.images_whole && kept == state.mgr.images.size() ? 1 : 0);
  head.number(kept);
  head.append(images);
  return head.take();
}

std::variant<SavedState, Fault> decode_state(std::uint32_t version, std::string_view bytes) {
  if (version != 1 && version != kStateVersion) {
    return Fault{"a state of version " + std::to_string(version) + ", this plugin knows 1 and 2"};
  }
  Reader in(bytes);
  SavedState state;
  state.usage_begin = in.instant();
  state.usage_told = in.instant();
  state.mgr.instant = in.instant();
  const std::int64_t ago = version == 1 ? 0 : in.instant();
  if (ago > state.mgr.instant) return Fault{"its bytes are damaged"};
  state.mgr.images_at = state.mgr.instant - ago;
  state.mgr.active = in.text();
  state.mgr.collections = in.number();
  for (std::uint64_t n = version == 1 ? 0 : in.number(); in.ok() && n > 0; --n) {
    std::string endpoint = in.text();
    KnownGateway gateway = in.gateway();
    if (!state.gateways.emplace(std::move(endpoint), std::move(gateway)).second) {
      return Fault{"a gateway twice"};
    }
  }
  for (std::uint64_t n = in.number(); in.ok() && n > 0; --n) {
    std::string id = in.text();
    const TrackedCounters counters = in.counters(state.mgr.instant);
    if (!state.mgr.pools.emplace(std::move(id), counters).second) return Fault{"a pool twice"};
  }
  state.mgr.images_whole = in.flag();
  for (std::uint64_t n = in.number(); in.ok() && n > 0; --n) {
    const std::uint64_t hash = in.hash();
    const TrackedCounters counters = in.counters(state.mgr.instant);
    if (!state.mgr.images.emplace(hash, counters).second) return Fault{"an image twice"};
  }
  if (!in.ok() || !in.at_end()) return Fault{"its bytes are damaged"};
  return state;
}

}  // namespace ceph
