#pragma once
// What an instance's processes may take, and what is said of what they took. Pure.

#include <cstdint>
#include <string>

#include "base/clock.hpp"

namespace tallyman::agent {

constexpr unsigned kMostProcesses = 256;  ///< no limit is higher, no measurement looks at more

/// The table [limits] of plugins.d/NAME.toml.
struct Limits {
  std::uint64_t memory = 128U << 20U;  ///< bytes resident in all its processes
  unsigned descriptors = 64;           ///< open in any one process
  unsigned processes = 8;
  Ns cpu = 5 * kSecond;              ///< of all its processes, in one poll or between two
  std::uint64_t readings = 65536;    ///< of one poll; no more than the protocol's kMaxPollReadings
  std::uint64_t bytes = 64U << 20U;  ///< of frames, in one poll or between two
  unsigned log_lines = 20;           ///< in a second; what is over is dropped, and counted
  friend bool operator==(const Limits&, const Limits&) = default;
};

/// What the processes of an instance take.
struct Usage {
  std::uint64_t memory = 0;
  unsigned descriptors = 0;  ///< of the process with the most
  unsigned processes = 0;
  Ns cpu = 0;      ///< since they were started; for the judgement: since the poll began or ended
  int plugin = 0;  ///< pid of the plugin's own process
};

/// Which limit is broken, by how much, and what is allowed; empty = none. Of descriptors none can
/// be had beyond the limit, so having them all breaks it.
[[nodiscard]] std::string over_limit(const Limits& limits, const Usage& usage);

/// Whether memory or descriptors reached 80 % of their limit and grew by at least 10 % of it since
/// `first` was measured: words, empty = no. What takes as much from the start does not leak, and
/// starting it anew would not help.
[[nodiscard]] std::string grown(const Limits& limits, const Usage& first, const Usage& usage);

/// Words for a process that died of `words` when its memory had peaked at `peak` bytes: empty when
/// that was not at least 90 % of the limit.
[[nodiscard]] std::string died_of_memory(const Limits& limits, std::uint64_t peak,
                                         const std::string& words);

/// Words for an allocation that the limit of memory refused.
[[nodiscard]] std::string allocation_refused(const Limits& limits);

/// Whether memory can be limited: sanitizers reserve too much of it for themselves.
#ifdef TALLYMAN_SANITIZED
constexpr bool kMemoryIsLimited = false;
#else
constexpr bool kMemoryIsLimited = true;
#endif

/// Whether one poll gave too many readings; whether a host sent too much: words, empty = no.
[[nodiscard]] std::string over_readings(const Limits& limits, std::uint64_t readings);
[[nodiscard]] std::string over_bytes(const Limits& limits, std::uint64_t bytes);

/// What is in force, as status says it. `confined` and `weaker` are the confinement's words.
[[nodiscard]] std::string isolation_text(const Limits& limits, bool pid_namespace,
                                         const std::string& confined, const std::string& weaker);

}  // namespace tallyman::agent
