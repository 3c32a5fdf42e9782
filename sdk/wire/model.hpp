#pragma once
// The data model that agent and rater agree on: what a reading is, what defines it, and what a gap
// says. Plain values, any thread. How they stand in bytes is batch.hpp's matter.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/hash.hpp"

namespace tallyman::wire {

enum class Kind : std::uint8_t { counter = 1, gauge = 2 };
enum class Scope : std::uint8_t { host = 1, shared = 2 };

/// The random name of one life of an agent's state directory, or the digest of an imported file.
using Incarnation = std::array<std::uint8_t, 16>;
using BootId = std::array<std::uint8_t, 16>;

/// Number of a definition: per incarnation, ascending from 1, never reused; 0 = none.
using DefNo = std::uint64_t;

/// Label values in the order of the metric's label names.
using LabelValues = std::vector<std::string>;

/// A plugin instance as configured: provenance, and the beat of its polls.
struct InstanceDef {
  std::string instance;  ///< name of the instance, unique on its agent
  std::string plugin;    ///< name the plugin gives itself
  std::string version;   ///< version the plugin gives itself
  Hash digest{};         ///< BLAKE2b-256 of the plugin's file
  Ns interval = 0;       ///< between two scheduled polls
  friend bool operator==(const InstanceDef&, const InstanceDef&) = default;
};

/// What is metered. For scope host the id is "host:<agent>" or "host:<agent>/<part>".
struct SourceDef {
  Scope scope = Scope::host;
  std::string id;
  friend bool operator==(const SourceDef&, const SourceDef&) = default;
};

struct MetricDef {
  std::string name;  ///< Prometheus naming: base units, _bytes, _total
  std::string unit;  ///< "bytes", "packets", "operations", …
  std::string help;
  Kind kind = Kind::counter;
  Ns resolution = 0;                  ///< 0 = exact at the poll
  std::vector<std::string> identity;  ///< label names that never change
  std::vector<std::string> info;      ///< label names whose values may change
  friend bool operator==(const MetricDef&, const MetricDef&) = default;
};

/// A metric with its identity labels, of one source.
struct SeriesDef {
  DefNo source = 0;
  DefNo metric = 0;
  LabelValues identity;
  friend bool operator==(const SeriesDef&, const SeriesDef&) = default;
};

/// One epoch of a series: what readings refer to. A gauge has the single epoch 0.
struct EpochDef {
  DefNo series = 0;
  std::uint64_t epoch = 0;  ///< opaque: the same counter as long as this is the same
  Ns start = 0;             ///< wall instant at or after which it was known to be zero; 0 = unknown
  friend bool operator==(const EpochDef&, const EpochDef&) = default;
};

/// The info labels of a series from an instant on.
struct InfoDef {
  DefNo series = 0;
  Ns from = 0;  ///< scheduled instant of the first poll that saw them
  LabelValues values;
  friend bool operator==(const InfoDef&, const InfoDef&) = default;
};

using DefBody = std::variant<InstanceDef, SourceDef, MetricDef, SeriesDef, EpochDef, InfoDef>;

/// A definition refers only to definitions with lower numbers.
struct Definition {
  DefNo number = 0;
  DefBody body;
  friend bool operator==(const Definition&, const Definition&) = default;
};

/// One value of an epoch of a series.
struct Value {
  DefNo epoch = 0;  ///< an EpochDef
  std::uint64_t value = 0;
  Ns time = 0;  ///< wall instant of its own; 0 = the poll's
  friend bool operator==(const Value&, const Value&) = default;
};

/// A poll that returned OK, whole.
struct Poll {
  DefNo instance = 0;
  Ns scheduled = 0;      ///< wall instant it was due at, aligned to the interval
  Ns wall = 0;           ///< wall clock when its answer was complete
  Ns boot = 0;           ///< boot clock at the same moment
  bool in_time = true;   ///< ran within its deadline: stands at `scheduled`; else at its clocks
  bool stepped = false;  ///< the wall clock stepped back since the last poll: position is estimated
  std::vector<Value> values;  ///< ascending by epoch number, then by time
  /// Epochs that the instance's last good poll had, that this one lacks and no gap covers: they
  /// have ended.
  std::vector<DefNo> ended;
  friend bool operator==(const Poll&, const Poll&) = default;
};

enum class Cause : std::uint8_t {
  hang = 1,    ///< over its deadline, killed
  crash,       ///< the host process died
  error,       ///< the plugin returned a failure
  protocol,    ///< garbage on the descriptor, or what was not declared
  limit,       ///< over a limit of readings, bytes, memory …
  part,        ///< a good poll named it: one source, metric or series gave nothing
  starting,    ///< not yet ready at its instant
  backoff,     ///< waiting to be restarted after a failure
  disabled,    ///< by an operator
  refused,     ///< not admitted: absent file, wrong ABI, unknown option …
  disk_full,   ///< the spool could not take it
  agent_down,  ///< nobody polled
  clock,       ///< instants skipped by a forward step of the wall clock
};

/// Scheduled instants in [from, to] of an instance, or of one part of it, that gave no reading.
struct Gap {
  DefNo instance = 0;
  DefNo subject = 0;  ///< 0 = the whole instance; else a SourceDef, MetricDef or SeriesDef
  Ns from = 0;        ///< first scheduled instant without a reading
  Ns to = 0;          ///< last one
  Cause cause = Cause::error;
  std::string why;  ///< in words: "poll over its deadline of 5 s"
  friend bool operator==(const Gap&, const Gap&) = default;
};

using Entry = std::variant<Definition, Poll, Gap>;

/// "hang", "crash" …: the word for a cause, used in status, JSON and logs alike.
[[nodiscard]] const char* cause_name(Cause cause);
[[nodiscard]] const char* kind_name(Kind kind);
[[nodiscard]] const char* scope_name(Scope scope);

/// Agent ids stand in paths, labels and routing keys: letters, digits, '.', '_', '-' and ':', at
/// most 128 of them, and not beginning with '.' or '-'.
[[nodiscard]] bool is_agent_id(std::string_view id);

/// Where a poll stands in time: its scheduled instant when in time, else its wall clock; never
/// before `last` (then estimated).
struct Position {
  Ns at = 0;
  bool estimated = false;
};
[[nodiscard]] Position position_of(const Poll& poll, Ns last);

// Limits that every decoder enforces.
constexpr std::size_t kMaxNameBytes = 256;   ///< names, ids, label values are at most 4 × this
constexpr std::size_t kMaxTextBytes = 1024;  ///< help, why
constexpr std::size_t kMaxLabels = 32;       ///< identity or info labels of a metric
/// Instants and lengths of time lie in [0, kMaxTime): until 2116, so that two of them can be added.
constexpr Ns kMaxTime = Ns{1} << 62U;
constexpr std::size_t kMaxBatchBytes = 4U << 20U;  ///< a batch; sealed at 64 KiB, so a wide margin

}  // namespace tallyman::wire
