// The books in bytes; the layout stands in book.hpp.

#include <algorithm>

#include "book.hpp"

namespace nfs {
namespace {

constexpr std::uint64_t kLatest = std::uint64_t{1} << 62U;
constexpr std::uint64_t kLongestKey = 4096;
constexpr unsigned kFromZero = 1, kHasThing = 2, kOtherStatistics = 4, kOtherBirth = 8;

class Writer {
 public:
  void number(std::uint64_t v) {
    for (; v >= 0x80U; v >>= 7U) out_ += static_cast<char>(v | 0x80U);
    out_ += static_cast<char>(v);
  }
  void byte(std::uint8_t v) { out_ += static_cast<char>(v); }
  void hash(std::uint64_t v) {
    for (unsigned i = 0; i < 8; ++i) byte(static_cast<std::uint8_t>(v >> (8 * i)));
  }
  void text(std::string_view s) {
    number(s.size());
    out_ += s;
  }
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

  std::uint8_t byte() {
    if (bytes_.empty()) return fail();
    const auto value = static_cast<std::uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }
  std::uint64_t number(std::uint64_t most = UINT64_MAX) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint64_t part = byte();
      if (shift == 63 && part > 1) return fail();
      value |= (part & 0x7fU) << shift;
      if (part < 0x80U) return value > most ? fail() : value;
    }
    return fail();
  }
  std::int64_t instant() { return static_cast<std::int64_t>(number(kLatest)); }
  std::uint64_t hash() {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 8; ++i) value |= std::uint64_t{byte()} << (8 * i);
    return value;
  }
  std::string text(std::uint64_t most = kLongestKey) {
    const std::uint64_t n = number(most);
    if (n > bytes_.size()) fail();
    if (!ok_) return {};
    std::string out(bytes_.substr(0, n));
    bytes_.remove_prefix(n);
    return out;
  }

 private:
  std::uint8_t fail() {
    ok_ = false;
    bytes_ = {};
    return 0;
  }
  std::string_view bytes_;
  bool ok_ = true;
};

std::uint64_t coarsened(std::uint64_t value, unsigned coarse) {
  return coarse >= 64 ? 0 : value >> coarse;
}

void write_counters(Writer& out, const Counters& counters, unsigned coarse) {
  unsigned bits = 0;
  for (std::size_t i = 0; i < kCounters; ++i) {
    if (coarsened(counters[i], coarse) != 0) bits |= 1U << i;
  }
  out.byte(static_cast<std::uint8_t>(bits & 0xffU));
  out.byte(static_cast<std::uint8_t>(bits >> 8U));
  for (const std::uint64_t counter : counters) {
    if (coarsened(counter, coarse) != 0) out.number(coarsened(counter, coarse));
  }
}

void write_book(Writer& out, const Book& book, unsigned least) {
  const unsigned coarse = std::max(book.coarse, least);
  out.number(static_cast<std::uint64_t>(book.since));
  out.number(static_cast<std::uint64_t>(book.instant));
  out.number(coarse);
  out.number(book.things.size());
  std::uint64_t statistics = 0;
  std::int64_t birth = 0;
  for (const auto& [key, tracked] : book.things) {
    out.text(key);
    unsigned flags = tracked.life.from_zero ? kFromZero : 0;
    if (tracked.thing != 0) flags |= kHasThing;
    if (tracked.statistics != statistics) flags |= kOtherStatistics;
    if (tracked.life.birth != birth) flags |= kOtherBirth;
    statistics = tracked.statistics;
    birth = tracked.life.birth;
    out.byte(static_cast<std::uint8_t>(flags));
    if ((flags & kHasThing) != 0) out.hash(tracked.thing);
    if ((flags & kOtherStatistics) != 0) out.hash(statistics);
    if ((flags & kOtherBirth) != 0) out.number(static_cast<std::uint64_t>(birth));
    if (coarse < 64) write_counters(out, tracked.last, coarse);
  }
}

bool read_counters(Reader& in, Counters& counters, unsigned coarse) {
  const unsigned low = in.byte(), high = in.byte();
  const unsigned bits = low | high << 8U;
  for (std::size_t i = 0; i < kCounters; ++i) {
    if ((bits >> i & 1U) == 0) continue;
    const std::uint64_t value = in.number(UINT64_MAX >> coarse);
    if (value == 0) return false;
    counters[i] = value << coarse;
  }
  return in.ok();
}

bool read_book(Reader& in, Book& book) {
  book.since = in.instant();
  book.instant = in.instant();
  book.coarse = static_cast<unsigned>(in.number(64));
  const std::uint64_t count = in.number(kMaxThings);
  if (!in.ok() || book.coarse % 8 != 0) return false;
  std::uint64_t statistics = 0;
  std::int64_t birth = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string key = in.text();
    Tracked tracked;
    const unsigned flags = in.byte();
    if ((flags & kHasThing) != 0) tracked.thing = in.hash();
    if ((flags & kOtherStatistics) != 0) statistics = in.hash();
    if ((flags & kOtherBirth) != 0) birth = in.instant();
    tracked.life = {birth, (flags & kFromZero) != 0};
    tracked.statistics = statistics;
    if (flags >= 2 * kOtherBirth || !in.ok()) return false;
    if (book.coarse < 64 && !read_counters(in, tracked.last, book.coarse)) return false;
    if (!book.things.emplace(std::move(key), tracked).second) return false;
  }
  return true;
}

void write_kernel(Writer& out, const KernelWatch& kernel) {
  out.number(static_cast<std::uint64_t>(kernel.since));
  out.hash(kernel.boot);
  out.number(static_cast<std::uint64_t>(kernel.booted));
}

KernelWatch read_kernel(Reader& in) {
  KernelWatch kernel;
  kernel.since = in.instant();
  kernel.boot = in.hash();
  kernel.booted = in.instant();
  return kernel;
}

void write_shared(Writer& out, const SharedFolders& shared) {
  out.number(shared.size());
  for (const auto& [path, folder] : shared) {
    out.hash(path);
    out.text(folder.cluster);
    out.text(folder.folder);
  }
}

bool read_shared(Reader& in, SharedFolders& shared) {
  for (std::uint64_t left = in.number(kMaxShared); left > 0; --left) {
    const std::uint64_t path = in.hash();
    SharedFolder folder;
    folder.cluster = in.text(kLongestShared);
    folder.folder = in.text(kLongestShared);
    if (!in.ok() || !shared.emplace(path, std::move(folder)).second) return false;
  }
  return in.ok();
}

}  // namespace

std::variant<std::string, Fault> encode_state(const State& state) {
  for (unsigned coarse = 0; coarse <= 64; coarse += 8) {
    Writer out;
    out.byte(state.found);
    write_kernel(out, state.kernel);
    write_shared(out, state.shared);
    for (const Book& book : state.books) write_book(out, book, coarse);
    std::string bytes = out.take();
    if (bytes.size() <= kMaxStateBytes) return bytes;
  }
  return Fault{"more exports and clients than the state has room for"};
}

std::variant<State, Fault> decode_state(std::uint32_t version, std::string_view bytes) {
  if (version != kStateVersion) {
    return Fault{"a state of version " + std::to_string(version) + ", expected " +
                 std::to_string(kStateVersion)};
  }
  Reader in(bytes);
  State state;
  state.found = in.byte();
  state.kernel = read_kernel(in);
  if (!read_shared(in, state.shared)) return Fault{"the state's bytes are damaged"};
  for (Book& book : state.books) {
    if (!read_book(in, book)) return Fault{"the state's bytes are damaged"};
  }
  if (!in.ok() || !in.at_end()) return Fault{"the state's bytes are damaged"};
  return state;
}

}  // namespace nfs
