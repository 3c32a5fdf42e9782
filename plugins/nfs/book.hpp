#pragma once
// Which counters of Ganesha are still the same, pure: state × what a poll saw → state × lives.
//
// Ganesha does not say when an export was made anew under its old name, so the book remembers what
// the last good poll saw of each, and gives each life of a counter a birth:
//
//   seen by the very first good poll     its statistics began since we have been watching: from
//                                        zero at that instant; else a baseline: what it counted
//                                        before was not ours to meter
//   not seen by the last good poll       from zero at that poll, or when its statistics began
//   same statistics, nothing fell        goes on
//   same statistics, something fell      made anew: from zero at the last good poll
//   same statistics, other thing behind  made anew: from zero at the last good poll; but if it had
//   the key (an id with another path)    counted and nothing fell, it may be the same with another
//                                        path: a baseline. Never counts twice
//   other statistics, that began after   from zero when they began (the server was started anew, or
//   the last good poll                   its statistics were reset)
//   other statistics, that began before  something fell: from zero at the last good poll where
//   it, or nobody knows when             nobody knows when; else a baseline. Never counts twice
//
// What cannot be seen: something removed and made again between two polls that has counted more of
// everything than before. Then what it had counted before is taken for what it counted since.
// A thing that a good poll lacks has ended. A poll without an answer changes nothing.
//
// Owned by the plugin, one per sort of thing (exports, clients). The kernel names the lives of its
// counters itself (nfsd_part.hpp) and needs no book.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fault.hpp"

namespace nfs {

/// The counters of one thing, in whatever order; what it has none of is 0.
constexpr std::size_t kCounters = 16;
using Counters = std::array<std::uint64_t, kCounters>;

/// One thing as a poll saw it. Instants are nanoseconds since 1970.
struct Sighting {
  std::string key;               ///< names it among its sort
  std::uint64_t thing = 0;       ///< hash of what is behind the key; 0 = nothing more is known
  std::uint64_t statistics = 0;  ///< which life of the statistics, opaque
  std::int64_t began = 0;        ///< when those began; 0 = not known
  Counters counters{};
};

/// One life of a counter.
struct Life {
  std::int64_t birth = 0;  ///< names the life among those of its key
  bool from_zero = false;  ///< known to have been zero at `birth`
  [[nodiscard]] std::int64_t start() const { return from_zero ? birth : 0; }
  friend bool operator==(const Life&, const Life&) = default;
};

struct Tracked {
  Life life;
  std::uint64_t thing = 0, statistics = 0;
  Counters last{};
  friend bool operator==(const Tracked&, const Tracked&) = default;
};

/// What the last good poll left behind.
struct Book {
  std::int64_t since = 0;    ///< the first poll that looked, good or not; 0 = there was none
  std::int64_t instant = 0;  ///< of the last good poll, ever ascending; 0 = there was none
  unsigned coarse = 0;       ///< `last` is exact but for this many low bits, which are 0
  std::map<std::string, Tracked> things;
  friend bool operator==(const Book&, const Book&) = default;
};

/// One good poll. `lives` are as `seen`, one each; of a key seen twice only the first counts, the
/// others have the same life.
struct Step {
  Book next;
  std::vector<Life> lives;
};
[[nodiscard]] Step advance(Book before, const std::vector<Sighting>& seen, std::int64_t scheduled);

// ---- State in bytes ----------------------------------------------------------------------------
// version 1; numbers are LEB128 of at most 64 bits, t = a number of bytes and those bytes:
//   a byte: which back ends were ever found (State::found)
//   the kernel: since · 8 bytes boot · booted
//   folders on a CephFS (≤ kMaxShared), by hash: 8 bytes hash of the path · t cluster · t folder
//   books, in this order: exports, clients:
//     since · instant · coarse (a multiple of 8, to 64) · things (≤ kMaxThings)
//     per thing, by key: t key · a byte of flags: from_zero (1), thing is not 0 (2), another
//       statistics than the one before (4), another birth (8); before the first both are 0
//       where flagged: 8 bytes thing · 8 bytes statistics · birth
//       unless coarse is 64: 2 bytes, a bit for each counter that is not 0 (>> coarse), low first;
//       each of those >> coarse
// coarse is the least with which all of it fits: a fall is then seen if it is larger than that.
// Considered: keeping counters of the idle (no need: zeros cost no byte), paths (the hash tells),
// clients by their addresses (2000 of them do not fit).

/// What is known of the kernel's clock and counters.
struct KernelWatch {
  std::int64_t since = 0;   ///< the first poll that looked for an nfsd; 0 = none did
  std::uint64_t boot = 0;   ///< hash of the boot that `booted` is of
  std::int64_t booted = 0;  ///< when its monotonic clock was 0, as first reckoned: it stays so
  friend bool operator==(const KernelWatch&, const KernelWatch&) = default;
};

/// A folder of a CephFS: which series is its own, also while it does not answer.
struct SharedFolder {
  std::string cluster, folder;
  friend bool operator==(const SharedFolder&, const SharedFolder&) = default;
};
using SharedFolders = std::map<std::uint64_t, SharedFolder>;  ///< by hash of the path

struct State {
  std::uint8_t found = 0;
  KernelWatch kernel;
  SharedFolders shared;
  std::array<Book, 2> books;
  friend bool operator==(const State&, const State&) = default;
};

/// Which counters a poll looks for.
struct Wanted {
  bool exports = false, clients = false, kernel = false;
};
/// Notes what polls look for from now on, if they did not before. What this one does not is
/// forgotten: what that counts meanwhile is not ours to meter.
void look_for(State& state, const Wanted& wanted, std::int64_t scheduled);

constexpr std::uint32_t kStateVersion = 1;
constexpr std::size_t kMaxStateBytes = 64U << 10U;
constexpr std::size_t kMaxThings = 2000;  ///< exports and clients together: so many always fit
constexpr std::size_t kMaxShared = 128;
constexpr std::size_t kLongestShared = 48;  ///< bytes of each of their texts

/// At most kMaxStateBytes; a fault when there are too many things with too long keys.
[[nodiscard]] std::variant<std::string, Fault> encode_state(const State& state);
/// Total: any bytes give a state or a fault.
[[nodiscard]] std::variant<State, Fault> decode_state(std::uint32_t version,
                                                      std::string_view bytes);

}  // namespace nfs
