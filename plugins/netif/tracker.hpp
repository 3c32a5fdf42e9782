#pragma once
// Which interface is still the same counter, pure: state × what a poll saw → state × samples.
//
// The kernel does not say when an interface was created, and may give an index again. So the
// tracker remembers what the last good poll saw, of ALL interfaces, wanted by the filters or not
// (or a rename into a filter would look like a birth), and gives each life of an interface a
// creation:
//
//   seen at the very first poll          creation 0, start unknown: a baseline
//   not seen by the last good poll       creation = start = that poll's instant: it was not there
//                                        then, so it counts from zero
//   moved in from another namespace      creation = that instant, start unknown; the counters it
//                                        came with are a sample of their own (needs an unbroken
//                                        stream of events)
//   deleted and made again, same index   as not seen (the event says so)
//   counters fell, all that had counted  reset: creation = start = the last good poll's instant
//   counters fell, but not all           no restart explains it: creation = that instant, start
//                                        unknown. Never counts twice; what is lost is one interval
//   the kind changed                     made again: as not seen
//   wanted, and was not at the last poll creation = that instant, start unknown: what it counted
//                                        while nobody wanted it is not told
//
// A deletion tells final counters, but a veth's do not know what came in (its peer is cut off
// first): a final counter that is zero, or below what was known, is not told. What cannot be known,
// after a restart or lost events: that an interface unseen before was moved in; then what it
// brought counts as this host's. A second life within one interval has its creation one nanosecond
// later, so it is another epoch. Name, alias, MAC, master … change nothing. Errors and drops decide
// nothing: drivers revise them.
//
// After a reboot every counter began at zero at boot: that is a virtual good poll which saw nothing
// (first_state). A change of network namespace without a reboot says nothing: baseline.

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "link_dump.hpp"

namespace netif {

/// Whose counters: a boot of a kernel, and a network namespace in it.
struct Place {
  std::array<std::uint8_t, 16> boot{};
  std::uint64_t netns = 0;
  friend bool operator==(const Place&, const Place&) = default;
};

/// One life of an interface. Instants are nanoseconds since the Unix epoch.
struct Life {
  std::int64_t creation = 0;  ///< names the life among those of its index
  bool from_zero = false;     ///< known to have counted zero at `creation`
  [[nodiscard]] std::int64_t start() const { return from_zero ? creation : 0; }
  friend bool operator==(const Life&, const Life&) = default;
};

struct Tracked {
  Life life;
  Counters last;
  std::optional<std::string> kind;  ///< absent right after a restore
  bool untold = false;              ///< the last good poll did not want it
  friend bool operator==(const Tracked&, const Tracked&) = default;
};

/// What the last good poll left behind.
struct State {
  Place place;
  std::int64_t instant = 0;  ///< of the last good poll, ever ascending; 0 = there was none
  unsigned coarse = 0;       ///< `last` is exact but for this many low bits, which are 0
  std::map<std::uint32_t, Tracked> links;
  friend bool operator==(const State&, const State&) = default;
};

/// What one poll saw. `events` all happened after the last good poll's `links` were read and before
/// these were.
struct Observation {
  std::int64_t scheduled = 0;
  bool complete = false;  ///< `events` are all there were since the last good poll
  std::vector<LinkEvent> events;
  std::vector<Link> links;
};

/// A reading of one life of an interface.
struct Sample {
  Link link;
  Life life;
  std::bitset<kCounterFields.size()> told;  ///< which counters are, in the order of kCounterFields
  std::int64_t time = 0;                    ///< 0 = the poll's instant
};

struct Step {
  State next;
  std::vector<Sample> samples;
};

constexpr std::size_t kMaxLinks = 8192;  ///< beyond, a poll fails: its state could not be kept

/// What a new process begins with. `boot_wall`: the instant at which this kernel began to run.
[[nodiscard]] State first_state(const std::optional<State>& restored, const Place& now,
                                std::int64_t boot_wall);

/// One good poll.
[[nodiscard]] Step advance(State before, const Observation& seen);

/// Whether events that came in while `links` were being read leave no doubt on which side of the
/// reading they fall. If not, read again.
[[nodiscard]] bool settled(std::span<const LinkEvent> late, std::span<const Link> links);

// ---- State in bytes ----------------------------------------------------------------------------
// version 2; numbers are LEB128 of at most 64 bits, s = zigzag:
//   16 bytes boot id · netns · instant · unit (≥ 1) · coarse (0 to 64) · count (≤ kMaxLinks)
//   per interface, by index:
//     index less the one before (≥ 1)
//     a byte: bit 0 from_zero, bit 1 untold (version 1 has no bit 1)
//     s(creation ÷ unit less the one before)
//     unless coarse is 64: receive bytes, transmit bytes, receive packets, transmit packets, each
//     >> coarse
// unit divides all creations: they are instants of an interval's grid. coarse is the least multiple
// of 8 with which it all fits: a fall is then seen if it is larger than that. Considered: fixed
// 32-bit mantissas (larger for the usual idle interface), keeping MAC or kind (16 bytes each, and
// the counters tell the same), errors and drops (decide nothing).

constexpr std::uint32_t kStateVersion = 2;
constexpr std::size_t kMaxStateBytes = 64U << 10U;

/// At most kMaxStateBytes for at most kMaxLinks interfaces; a fault otherwise.
[[nodiscard]] std::variant<std::vector<std::uint8_t>, Fault> encode_state(const State& state);
/// Total: any bytes give a state or a fault.
[[nodiscard]] std::variant<State, Fault> decode_state(std::uint32_t version,
                                                      std::span<const std::uint8_t> bytes);

}  // namespace netif
