#pragma once
// Frames between the agent and one plugin host, over one inherited stream socketpair (descriptor 3
// in the host):
//   u32 length of what follows · u8 type · body           (little-endian; sdk/base/bytes.hpp
//   coding)
// The host is not trusted: decoding is total, a frame is at most kMaxFrame bytes, and a frame that
// does not decode, or does not fit the state, ends the host (cause `protocol`).
//
// Readings name series by handles: the first time a poll emits a (metric, source, identity, info,
// epoch, start) the host sends Define with a fresh handle, afterwards only the handle and the
// value. A handle lives until the end of a good poll that did not use it and names it in
// PollDone.forgotten (all such, up to kMaxForgotten; what is over follows with later good polls),
// and is never reused, so a plugin costs strings once, not at every poll. A poll that fails counts
// for nothing, but the handles it defined are defined: later polls may use them.
//
// All text is UTF-8 without control characters; a body has nothing behind its last field.
//
//   agent → host                 host → agent
//   (start)                      Described; or, when the file is no plugin that can be loaded,
//                                Created{bad_config, why}, and it exits 1
//   Configure                    Created. Until the first poll another may follow: it is made anew.
//                                A refused state leaves one without it: ok, restored false, why
//   Poll                         Define* Readings* PartGap* [State] PollDone
//   Stop, or end of file         (exits 0)
// LogLine may come at any time. Within a poll, Define, Readings and PartGap come in any order, but
// a handle's Define before its first use.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "wire/model.hpp"

namespace tallyman::agent {

constexpr std::size_t kMaxFrame = 256U << 10U;
constexpr std::size_t kMaxState = 64U << 10U;
constexpr std::size_t kMaxForgotten = 40'000;                    ///< in one PollDone
constexpr std::size_t kMaxMetrics = 1024;                        ///< a plugin's; its options too
constexpr std::size_t kMaxOptionBytes = 4096;                    ///< one value of an option
constexpr std::size_t kMaxOptionsBytes = 128U << 10U;            ///< an instance's, in all
constexpr std::size_t kMaxLabelBytes = 4 * wire::kMaxNameBytes;  ///< a label value
constexpr std::size_t kMaxSourceBytes = 256;                     ///< a source's id
// Of one poll. The host refuses what is over them, and the plugin lives; the agent kills a host
// that lets it pass. sdk/plugin/plugin.h names them to plugins.
constexpr std::size_t kMaxPollReadings = 1U << 16U;
constexpr std::size_t kMaxPollGaps = 1024;
/// Every reading may be of a new series.
constexpr std::size_t kMaxPollDefinitions = kMaxPollReadings;
constexpr std::size_t kMaxSeries = 1U << 20U;  ///< handles known at once
constexpr int kHostSocket = 3;                 ///< the descriptor the host inherits
/// A pipe that a host's first process inherits beside it when it is given a PID namespace: how the
/// plugin's own process ended is written there once, as an ExitReport. The plugin has it not.
constexpr int kHostReport = 4;
/// With `--opened`: the plugin's open file. The user that the host runs as need not reach its path,
/// and what was admitted is what is loaded.
constexpr int kHostPlugin = 5;
/// With `--ruleset`: the Landlock ruleset that the host enters before it loads the plugin.
constexpr int kHostRuleset = 6;

struct ExitReport {
  int status = 0;          ///< of waitpid()
  long peak_kibibyte = 0;  ///< of its resident memory
};

// ---- agent → host -------------------------------------------------------------------------------

struct HostOption {
  std::string key;
  std::vector<std::string> values;
  friend bool operator==(const HostOption&, const HostOption&) = default;
};

/// Creates the plugin: its options, and the state of its last committed poll if there is one.
struct Configure {
  std::vector<HostOption> options;
  std::uint32_t state_version = 0;  ///< of `state`; 0 = none
  Bytes state;
  friend bool operator==(const Configure&, const Configure&) = default;
};

struct PollRequest {
  std::uint64_t number = 0;  ///< echoed in PollDone
  Ns scheduled = 0;          ///< wall instant the poll is due at
  Ns deadline = 0;           ///< boot clock
  friend bool operator==(const PollRequest&, const PollRequest&) = default;
};

struct Stop {
  friend bool operator==(const Stop&, const Stop&) = default;
};

// ---- host → agent -------------------------------------------------------------------------------

struct OptionDef {
  std::string key;
  std::optional<std::string> fallback;  ///< absent = required
  std::string help;
  friend bool operator==(const OptionDef&, const OptionDef&) = default;
};

/// What a plugin wants from the system, as it declares it.
struct Needs {
  std::string user;  ///< empty = none in particular
  std::vector<std::string> capabilities, paths;
  bool network = false;
  friend bool operator==(const Needs&, const Needs&) = default;
};

/// The plugin's declaration, sent once loaded: no code of its own but static constructors has run.
struct Described {
  std::string name, version;
  std::uint32_t abi_minor = 0;
  std::uint32_t state_version = 0;  ///< 0 = stateless
  std::vector<wire::MetricDef> metrics;
  std::vector<OptionDef> options;
  Needs needs;
  friend bool operator==(const Described&, const Described&) = default;
};

/// How a plugin call ended; the values are the ABI's (sdk/plugin/plugin.h).
enum class CallStatus : std::int32_t {
  ok = 0,
  retry = 1,
  bad_config = 2,
  bad_state = 3,
  broken = 4
};

struct Created {
  CallStatus status = CallStatus::ok;
  std::string why;
  bool restored = false;  ///< the state was taken
  friend bool operator==(const Created&, const Created&) = default;
};

using Handle = std::uint32_t;

struct Define {
  Handle handle = 0;
  std::uint32_t metric = 0;  ///< index into Described.metrics
  wire::Scope scope = wire::Scope::host;
  std::string source;  ///< as the plugin said it; may be empty for the host itself
  wire::LabelValues identity, info;
  std::uint64_t epoch = 0;
  Ns start = 0;
  friend bool operator==(const Define&, const Define&) = default;
};

struct HandleValue {
  Handle handle = 0;
  std::uint64_t value = 0;
  Ns time = 0;  ///< 0 = this poll
  friend bool operator==(const HandleValue&, const HandleValue&) = default;
};

struct Readings {
  std::vector<HandleValue> values;
  friend bool operator==(const Readings&, const Readings&) = default;
};

/// A good poll names what of it gave nothing.
struct PartGap {
  bool all_metrics = true;
  std::uint32_t metric = 0;  ///< unless all_metrics
  std::string source;
  wire::Scope scope = wire::Scope::host;
  bool all_series = true;
  wire::LabelValues identity;  ///< unless all_series
  std::string why;
  friend bool operator==(const PartGap&, const PartGap&) = default;
};

struct LogLine {
  std::uint8_t level = 0;  ///< 0 debug, 1 info, 2 warning, 3 error
  std::string text;
  friend bool operator==(const LogLine&, const LogLine&) = default;
};

/// What `save` gave after an OK poll: committed with the poll it precedes.
struct State {
  std::uint32_t version = 0;
  Bytes bytes;
  friend bool operator==(const State&, const State&) = default;
};

struct PollDone {
  std::uint64_t number = 0;
  CallStatus status = CallStatus::ok;
  std::string why;
  std::vector<Handle> forgotten;
  Ns ended = 0;  ///< boot clock: when the plugin's poll returned
  friend bool operator==(const PollDone&, const PollDone&) = default;
};

// Type bytes. A body's layout is the order of its fields; numbers are varints, instants of Poll and
// PollDone i64, epochs u64, lists a count and their items (host_protocol.cpp).
enum class FrameType : std::uint8_t {
  configure = 1,
  poll = 2,
  stop = 3,
  described = 16,
  created = 17,
  define = 18,
  readings = 19,
  part_gap = 20,
  log_line = 21,
  state = 22,
  poll_done = 23,
};

using ToHost = std::variant<Configure, PollRequest, Stop>;
using FromHost =
    std::variant<Described, Created, Define, Readings, PartGap, LogLine, State, PollDone>;

/// A whole frame, with its length. The caller keeps it within kMaxFrame.
[[nodiscard]] Bytes encode_frame(const ToHost& frame);
[[nodiscard]] Bytes encode_frame(const FromHost& frame);
/// The body of one frame: type byte onwards.
[[nodiscard]] Result<ToHost> decode_to_host(ByteView body);
[[nodiscard]] Result<FromHost> decode_from_host(ByteView body);

/// Cuts a byte stream into frame bodies. Feed what was read, then take until nothing comes.
class FrameCutter {
 public:
  void feed(ByteView bytes);
  /// The next whole body; nothing when more bytes are needed; an error for a length over kMaxFrame
  /// or of zero, after which the stream is beyond repair.
  [[nodiscard]] Result<std::optional<Bytes>> next();
  /// What was fed and not taken yet.
  [[nodiscard]] ByteView rest() const { return ByteView(buffer_).subspan(taken_); }

 private:
  Bytes buffer_;
  std::size_t taken_ = 0;
};

}  // namespace tallyman::agent

namespace tallyman::host {
using namespace agent;  // the other end of the socket speaks of the same things
}
