#pragma once
// What the agent hands to the program that is executed in its place: one memory file (memfd), which
// both know by the number of its descriptor. Pure values and their coding.
//
//   "TMRX" · u32 version · the fields of AgentState (fields.hpp) · BLAKE2b-256 of all before it
//
// The version stands first, so that a program can tell a state it does not know from a damaged one.
// It is raised with every change of a field's order, type or meaning, here or in what the fields
// are made of, and with every change of the frames that a running plugin host speaks. A program
// takes its own version only: another one is refused at the rehearsal, and installed by a restart.
//
// Everything in it is of one boot: boot instants, process ids and descriptors are good as they are.
// What is not in it begins anew: the link to the rater, those who follow status or readings. What
// waited to be written is in the spool before, sealed, with every definition that the state refers
// to; and the spool itself is in it, so that nothing is read, scanned or made durable while nobody
// polls. What the disk holds is the same as after any write, so that whoever is killed meanwhile
// leaves what a recovery knows.
//
// Rejected: JSON, since a poll in flight may hold 65,536 readings and every millisecond of coding
// is a millisecond without polls; a file in the state directory, since one that is left behind
// would be taken for the truth by a later start.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/instance/instance_state.hpp"
#include "agent/spool/spool_saved.hpp"
#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

constexpr std::uint32_t kStateVersion = 3;
constexpr std::size_t kMaxStateFile = 1U << 30U;

struct AgentState {
  std::string program;  ///< version of the program that wrote it
  std::string agent;
  std::string spool_directory;
  std::string socket;
  wire::Incarnation incarnation{};  ///< of the spool that the instances' numbers are of
  Ns started = 0;                   ///< boot instant of the agent's start
  Ns frozen = 0;                    ///< boot instant of this state
  std::uint64_t reexecs = 0;        ///< of this process, before this one
  int lock = -1;                    ///< descriptor of the spool's lock
  int segment = -1;                 ///< of its newest segment: an error of writing it stays known
  int listener = -1;                ///< of the control socket
  int asker = -1;                   ///< of the client that waits for the outcome; −1 = none
  std::vector<InstanceState> instances;
  std::optional<SpoolSaved> spool;  ///< in the state that is handed over; a rehearsal may lack it
  /// Journal::durable_definitions(), likewise.
  std::optional<wire::DefNo> durable_definitions;
  std::map<std::string, wire::Gap> retired;  ///< of drop-ins that are gone: due with their instant

  /// All that must be let through, each once.
  [[nodiscard]] std::vector<int> descriptors() const;
};

[[nodiscard]] Bytes encode_state(const AgentState& state);
/// Total: whatever the bytes are.
[[nodiscard]] Result<AgentState> decode_state(ByteView bytes);

/// A memory file that holds the bytes, close-on-exec.
[[nodiscard]] Result<Fd> store_state(ByteView bytes);
/// Reads such a file; the descriptor stays the caller's.
[[nodiscard]] Result<AgentState> load_state(int descriptor);

}  // namespace tallyman::agent
