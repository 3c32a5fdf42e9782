// The tracker's state in bytes; the layout stands in tracker.hpp.

#include <algorithm>
#include <limits>
#include <numeric>

#include "tracker.hpp"

namespace netif {
namespace {

using Buffer = std::vector<std::uint8_t>;

void put(Buffer& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7U) out.push_back(static_cast<std::uint8_t>(value | 0x80U));
  out.push_back(static_cast<std::uint8_t>(value));
}

constexpr std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1U) ^ static_cast<std::uint64_t>(v >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t v) {
  return static_cast<std::int64_t>((v >> 1U) ^ (~(v & 1U) + 1U));
}

/// Reads varints; after the first failure everything is 0 and ok() stays false.
class Source {
 public:
  explicit Source(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }

  std::uint8_t byte() {
    if (bytes_.empty()) return fail();
    const std::uint8_t value = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return value;
  }
  std::uint64_t number(std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint64_t part = byte();
      if (shift == 63 && (part & 0x7fU) > 1) return fail();
      value |= (part & 0x7fU) << shift;
      if ((part & 0x80U) == 0) return value > max ? fail() : value;
    }
    return fail();
  }

 private:
  std::uint8_t fail() {
    ok_ = false;
    bytes_ = {};
    return 0;
  }
  std::span<const std::uint8_t> bytes_;
  bool ok_ = true;
};

constexpr std::uint64_t kMaxInstant = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMaxIfindex = std::numeric_limits<std::int32_t>::max();

constexpr unsigned kFromZero = 1, kUntold = 2;

std::uint64_t coarsened(std::uint64_t value, unsigned coarse) {
  return coarse >= 64 ? 0 : value >> coarse;
}

Buffer encode_at(const State& state, std::int64_t unit, unsigned coarse) {
  Buffer out(state.place.boot.begin(), state.place.boot.end());
  put(out, state.place.netns);
  put(out, static_cast<std::uint64_t>(state.instant));
  put(out, static_cast<std::uint64_t>(unit));
  put(out, coarse);
  put(out, state.links.size());
  std::uint32_t last_index = 0;
  std::int64_t last_creation = 0;
  for (const auto& [ifindex, tracked] : state.links) {
    put(out, ifindex - last_index);
    out.push_back(static_cast<std::uint8_t>((tracked.life.from_zero ? kFromZero : 0U) |
                                            (tracked.untold ? kUntold : 0U)));
    const std::int64_t creation = tracked.life.creation / unit;
    put(out, zigzag(creation - last_creation));
    last_index = ifindex;
    last_creation = creation;
    if (coarse >= 64) continue;
    for (const std::uint64_t value :
         {tracked.last.receive_bytes, tracked.last.transmit_bytes, tracked.last.receive_packets,
          tracked.last.transmit_packets}) {
      put(out, coarsened(value, coarse));
    }
  }
  return out;
}

/// One interface; false when its numbers cannot be.
bool read_link(Source& in, State& state, std::uint64_t unit, unsigned known_flags,
               std::uint64_t& index, std::int64_t& creation_units) {
  index += in.number(kMaxIfindex);
  const std::uint8_t flags = in.byte();
  const std::int64_t delta = unzigzag(in.number());
  if (!in.ok() || index == 0 || index > kMaxIfindex || (flags & ~known_flags) != 0) return false;
  if (__builtin_add_overflow(creation_units, delta, &creation_units) || creation_units < 0) {
    return false;
  }
  Tracked tracked;
  tracked.life.from_zero = (flags & kFromZero) != 0;
  tracked.untold = (flags & kUntold) != 0;
  if (__builtin_mul_overflow(creation_units, static_cast<std::int64_t>(unit),
                             &tracked.life.creation)) {
    return false;
  }
  if (state.coarse < 64) {
    const std::uint64_t max = std::numeric_limits<std::uint64_t>::max() >> state.coarse;
    for (std::uint64_t* value : {&tracked.last.receive_bytes, &tracked.last.transmit_bytes,
                                 &tracked.last.receive_packets, &tracked.last.transmit_packets}) {
      *value = in.number(max) << state.coarse;
    }
  }
  return in.ok() &&
         state.links.emplace(static_cast<std::uint32_t>(index), std::move(tracked)).second;
}

}  // namespace

std::variant<Buffer, Fault> encode_state(const State& state) {
  if (state.links.size() > kMaxLinks) return Fault{"too many interfaces for the state"};
  std::int64_t unit = 0;
  for (const auto& [ifindex, tracked] : state.links) {
    unit = std::gcd(unit, tracked.life.creation);
  }
  unit = std::max<std::int64_t>(unit, 1);
  for (unsigned coarse = state.coarse; coarse <= 64; coarse += 8) {
    Buffer bytes = encode_at(state, unit, coarse);
    if (bytes.size() <= kMaxStateBytes) return bytes;
  }
  return Fault{"the state of " + std::to_string(state.links.size()) + " interfaces is too large"};
}

std::variant<State, Fault> decode_state(std::uint32_t version,
                                        std::span<const std::uint8_t> bytes) {
  if (version == 0 || version > kStateVersion) {
    return Fault{"state of version " + std::to_string(version) + ", expected at most " +
                 std::to_string(kStateVersion)};
  }
  Source in(bytes);
  State state;
  for (std::uint8_t& byte : state.place.boot) byte = in.byte();
  state.place.netns = in.number();
  state.instant = static_cast<std::int64_t>(in.number(kMaxInstant));
  const std::uint64_t unit = in.number(kMaxInstant);
  state.coarse = static_cast<unsigned>(in.number(64));
  const std::uint64_t count = in.number(kMaxLinks);
  if (!in.ok() || unit == 0 || state.coarse % 8 != 0) return Fault{"the state's head is damaged"};
  const unsigned known_flags = version == 1 ? kFromZero : kFromZero | kUntold;
  std::uint64_t index = 0;
  std::int64_t creation_units = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!read_link(in, state, unit, known_flags, index, creation_units)) {
      return Fault{"interface " + std::to_string(i) + " of the state is damaged"};
    }
  }
  if (!in.at_end()) return Fault{"the state has bytes too many"};
  return state;
}

}  // namespace netif
