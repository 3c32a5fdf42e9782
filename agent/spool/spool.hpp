#pragma once
// The durable local queue of batches: segments of frames on disk (format in
// agent/spool/segment.hpp).
//
// Owned by the agent, used on its main thread. Only the write-out (fdatasync) happens elsewhere:
// the caller runs the returned SyncJob on its sync thread and reports back with synced().
//
// Promises: a page is durable at most one group commit after append() (1 s, the caller's timer);
// only a sealed, durable batch is ever given out by next_after(); the mark on disk may lag what the
// rater acknowledged, never lead it; recovery after any crash loses at most what was never durable.
//
// When there is no room (its limit, or the file system's last 10 %) it gives up, oldest first: what
// is acknowledged and was kept; readings of counters that billing can do without (thin.hpp);
// readings of gauges; and, within its own limit, whole segments, which stand-ins then tell of. Only
// when nothing is left to give does append() fail.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/result.hpp"
#include "wire/batch.hpp"
#include "wire/message.hpp"
#include "wire/model.hpp"

namespace tallyman::agent {

struct SpoolSaved;  // spool_saved.hpp

struct SpoolOptions {
  std::string directory;
  std::uint64_t limit_bytes = 1U << 30U;
  std::uint64_t segment_bytes =
      4U << 20U;  ///< of batches: then a new segment begins (or 4 × its preamble)
  std::uint64_t seal_bytes = 64U << 10U;  ///< an open batch is sealed at this size …
  Ns seal_after = 60 * kSecond;           ///< … or at this age
  /// Segments stay so long after the rater acknowledged them, while there is room: what a rater
  /// that was restored from a backup asks for again.
  Ns keep_acknowledged = 0;
};

/// The last committed state of one plugin instance.
struct PluginState {
  std::string instance;
  std::uint32_t version = 0;
  Bytes bytes;
  Ns scheduled = 0;  ///< instant of the poll it belongs to
};

/// A sealed, durable batch, ready to send.
struct SealedBatch {
  std::uint64_t sequence = 0;  ///< stand-in: its first; the next is last + 1
  std::uint64_t last = 0;
  Hash hash = kNoHash;
  Bytes bytes;
};

/// What a recovery found, in words for log and status.
struct SpoolRecovery {
  std::vector<std::string> notes;
  bool new_incarnation = false;
};

struct SpoolStats {
  std::uint64_t bytes = 0;  ///< on disk
  std::uint64_t limit_bytes = 0;
  std::uint64_t batches = 0;  ///< sealed and not acknowledged
  std::uint64_t unacknowledged_bytes = 0;
  std::uint64_t sealed = 0;  ///< highest sealed sequence number
  std::uint64_t acknowledged = 0;
  Ns oldest = 0;        ///< wall instant the oldest unacknowledged batch was opened; 0 = none
  Ns last_durable = 0;  ///< wall instant of the last successful write-out; 0 = none yet
  std::uint64_t kept_bytes = 0;  ///< of acknowledged segments that are kept
  // Of what is not acknowledged:
  std::uint64_t thinned_bytes = 0;  ///< of segments whose counters, or gauges too, were thinned
  bool gauges_thinned = false;
  std::uint64_t lost_batches = 0;  ///< given up for space; stand-ins tell of them
  std::string trouble;  ///< why it cannot take pages now ("disk full: …"); empty = well
};

/// Work for the sync thread: thread-safe to run once, anywhere, while the Spool lives.
struct SyncJob {
  std::uint64_t number = 0;
  std::function<Status()> run;
};

/// Gives numbers to what readings refer to; what is new is written before the next page by itself.
class Dictionary {
 public:
  virtual ~Dictionary() = default;
  /// The number of an equal definition, or a fresh one. InstanceDef, SourceDef, MetricDef,
  /// SeriesDef and EpochDef are found again by content, across restarts within an incarnation. 0
  /// for a body that no decoder would accept, or that refers to what is not defined.
  virtual wire::DefNo intern(const wire::DefBody& body) = 0;
  /// Records info labels if they differ from the series' last ones.
  virtual void info(wire::DefNo series, Ns from, const wire::LabelValues& values) = 0;
  [[nodiscard]] virtual const wire::DefBody* find(wire::DefNo number) const = 0;
  /// The last info values of a series; nothing if none were recorded.
  [[nodiscard]] virtual const wire::LabelValues* info_of(wire::DefNo series) const = 0;
  [[nodiscard]] virtual wire::DefNo highest() const = 0;
  /// Ascending, from `first` on: what a rater lacks.
  [[nodiscard]] virtual std::vector<wire::Definition> from(wire::DefNo first) const = 0;
};

class Spool {
 public:
  /// Opens or creates; locks the directory against a second agent; recovers. An error leaves the
  /// directory as it was.
  static Result<std::unique_ptr<Spool>> open(const SpoolOptions& options, const std::string& agent,
                                             const wire::BootId& boot, const Clock& clock);
  /// The same on a file system of the caller's, which outlives the spool.
  static Result<std::unique_ptr<Spool>> open(Files& files, const SpoolOptions& options,
                                             const std::string& agent, const wire::BootId& boot,
                                             const Clock& clock);
  /// In place of open(), in the program that was executed in place of the one that gave `saved`: at
  /// once, for nothing is recovered or made durable. `lock`: that program's, still held. After an
  /// error nothing has changed and the lock is let go: open() recovers.
  static Result<std::unique_ptr<Spool>> resume(const SpoolOptions& options,
                                               const std::string& agent, const wire::BootId& boot,
                                               const Clock& clock, SpoolSaved&& saved, Fd lock);
  /// The same on a file system of the caller's, which outlives the spool.
  static Result<std::unique_ptr<Spool>> resume(Files& files, const SpoolOptions& options,
                                               const std::string& agent, const wire::BootId& boot,
                                               const Clock& clock, SpoolSaved&& saved,
                                               std::unique_ptr<FileLock> lock);
  virtual ~Spool() = default;

  [[nodiscard]] virtual const wire::Incarnation& incarnation() const = 0;
  [[nodiscard]] virtual const SpoolRecovery& recovery() const = 0;
  [[nodiscard]] virtual Dictionary& dictionary() = 0;
  /// Last committed states, as recovered and as appended since.
  [[nodiscard]] virtual std::vector<PluginState> states() const = 0;
  /// For each instance, by name, the scheduled instant up to which it is covered by polls and gaps
  /// in the spool, as recovered: where an "agent down" gap begins.
  [[nodiscard]] virtual std::vector<std::pair<std::string, Ns>> covered_until() const = 0;

  /// Writes what definitions are new, in pages of their own, then one page (polls and gaps) and,
  /// atomically with it, the states of the plugins polled. Opens a batch when none is open. On an
  /// error nothing of `entries` and `states` is in the spool: the caller records a disk_full gap
  /// when the spool is well again.
  virtual Status append(std::span<const wire::Entry> entries,
                        std::span<const PluginState> states) = 0;

  /// Seals the open batch when it is due by size or age, or when `now` is set; an empty batch is
  /// opened first when none is open and the last was sealed `seal_after` ago or `now` is set.
  /// `watermark` is the seal's.
  virtual Status seal_if_due(Ns watermark, bool now = false) = 0;

  /// What to write out, if anything was appended or sealed since the last job.
  virtual std::optional<SyncJob> sync_job() = 0;
  /// Main thread: the job ended so. Batches it covers may now be sent.
  virtual void synced(const SyncJob& job, const Status& result) = 0;

  /// The first durable sealed batch after `sequence`; nothing when there is none yet.
  virtual Result<std::optional<SealedBatch>> next_after(std::uint64_t sequence) = 0;
  /// The hash of batch `sequence`, while it is known (not trimmed, or the acknowledged mark
  /// itself).
  [[nodiscard]] virtual std::optional<Hash> hash_of_batch(std::uint64_t sequence) = 0;
  /// The rater holds everything up to here: stores the mark and removes whole segments below it.
  /// `hash`: the rater's of that batch, for one that stands inside a stand-in here.
  virtual Status acknowledge(std::uint64_t sequence, const Hash& hash) = 0;
  Status acknowledge(std::uint64_t sequence) { return acknowledge(sequence, kNoHash); }

  /// The rater holds less than it acknowledged once: it was restored from a backup. What lies above
  /// `sequence`, whose hash it names, is sent again; for what is not held any more stands a
  /// stand-in. Nothing happens when `sequence` is not below the mark.
  virtual Status rewind(std::uint64_t sequence, const Hash& hash) = 0;

  /// What the rater gave at hello; durable when this returns OK. `slot`: its slot length in
  /// nanoseconds, which thinning goes by; 0 = as before.
  virtual Status hold(std::uint64_t ledger, wire::Token token, Ns slot) = 0;
  /// The same where the disk is not to be waited for: what is to run, and what is to be told of its
  /// end, in order; ledger() and token() are the new ones from then on. Nothing when they are
  /// already. No new incarnation begins meanwhile.
  virtual std::optional<SyncJob> hold_job(std::uint64_t ledger, wire::Token token, Ns slot) = 0;
  virtual void held(const SyncJob& job, const Status& result) = 0;
  [[nodiscard]] virtual std::uint64_t ledger() const = 0;
  [[nodiscard]] virtual wire::Token token() const = 0;

  /// After a divergence: closes this incarnation's batches off (kept in quarantine, reported) and
  /// begins a new one; the dictionary is written anew into it.
  virtual Status begin_incarnation(const std::string& why) = 0;

  [[nodiscard]] virtual SpoolStats stats() const = 0;

  /// All of it as values; nothing while a batch is open, a write-out is under way or a failure is
  /// not mended. Not while a hold_job() runs; one that still waits to be run is not in it.
  [[nodiscard]] virtual std::optional<SpoolSaved> save() const = 0;
};

}  // namespace tallyman::agent
