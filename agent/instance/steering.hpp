#pragma once
// What of the plugin instances' lives outlives the agent: what an operator disabled, what the
// supervisor counted, and which version of a plugin runs. Pure values and their file format.
//
// The file `plugins.state` in the state directory holds all of it, and is replaced as a whole
// (written beside, synced, renamed) at every change. Little-endian; text = varint length, bytes:
//
//   "TMPS" · u8 version = 1 · varint number of instances · the instances, ascending by name ·
//   u32 CRC-32C of everything before it; nothing after it.
//   instance = text name · u8 flags (1 = disabled, 2 = it has a memory, 4 = it failed too often,
//     8 = a version ran before, 16 = its plugin's file is not what runs, 32 = as it was refused)
//     disabled: text who · text why · i64 wall instant
//     memory:   varint ends since it was last proven · i64 wall instant of the next try, 0 = none ·
//               varint number of ends · i64 wall instant of each, ascending ·
//               u8 cause (wire::Cause) and text why of the last failure
//     before:   32 bytes digest
//     pin:      32 bytes digest of the file · 32 bytes digest of what runs · text version of the
//               file · text who · text why · i64 wall instant
//
// A file that is not exactly this is damaged as a whole: half of an operator's decisions is not
// what the operator decided. It then means that nothing is disabled and nothing is remembered.
//
// Quarantine is not kept: whether a plugin can be admitted is looked at anew when the agent starts,
// since a person may have mended it, and a look costs one child that is refused.
//
// Rejected: a record in the spool, because the spool is trimmed as the rater acknowledges and may
// be replaced; TOML, because a machine writes it and a person has the commands; two slots of one
// file as for the spool's mark (slot_file.hpp), because a slot is too small for the reasons given,
// and this need not be written on a full disk: the command then fails and says so.

#include <map>
#include <optional>
#include <string>

#include "agent/instance/recorder.hpp"
#include "agent/instance/supervisor.hpp"
#include "base/bytes.hpp"
#include "base/hash.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

/// An operator's decision.
struct Disabled {
  std::string who;  ///< user name, or uid
  std::string why;
  Ns when = 0;  ///< wall instant
  friend bool operator==(const Disabled&, const Disabled&) = default;
};

/// What the supervisor counted, and the failure it last counted.
struct Record {
  SupervisorMemory counts;
  Fault last;
};

/// Why what runs is not the plugin's file: that one was refused when it was to take over, or an
/// operator rolled back from it. Holds until the file changes.
struct Pin {
  Hash file{};  ///< the digest of the file that does not run
  Hash runs{};  ///< and of what runs instead
  bool refused = false;
  std::string version;  ///< of the file, in words
  std::string who;      ///< rolled back; empty when refused
  std::string why;
  Ns when = 0;  ///< wall instant
  friend bool operator==(const Pin&, const Pin&) = default;
};

struct Steering {
  std::optional<Disabled> disabled;
  std::optional<Record> record;
  Hash before = kNoHash;  ///< digest of the version that ran before the one that runs
  std::optional<Pin> pin;

  [[nodiscard]] bool empty() const { return !disabled && !record && !pin && before == kNoHash; }
};
using SteeringTable = std::map<std::string, Steering>;  ///< by instance

constexpr std::size_t kMaxSteered = 1024;       ///< instances in the file
constexpr std::size_t kMaxReasonBytes = 512;    ///< of an operator's why: fits a gap's text
constexpr std::size_t kMaxRefusalBytes = 1536;  ///< of a pin's why: a fault's, and its cause
constexpr std::size_t kMaxEnds = 64;            ///< that a record keeps, the latest
constexpr std::size_t kMaxSteeringBytes = 4U << 20U;

/// Leaves out instances with nothing to say, and what is over a limit.
[[nodiscard]] Bytes encode_steering(const SteeringTable& table);
/// Total: whatever the bytes are.
[[nodiscard]] Result<SteeringTable> decode_steering(ByteView bytes);

}  // namespace tallyman::agent
