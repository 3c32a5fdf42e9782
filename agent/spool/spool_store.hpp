#pragma once
// The Spool on a file system; private to agent/spool_*.cpp.
//
// What is durable when: pages and seals become durable by the caller's sync jobs; identity, and the
// mark before any segment is removed, at once. Whatever no successful sync covers is also kept in
// memory, because after a failed fdatasync the kernel's copy can not be trusted: it is written
// again, into a new segment.

#include <deque>
#include <map>

#include "agent/spool/dictionary.hpp"
#include "agent/spool/segment.hpp"
#include "agent/spool/slot_file.hpp"
#include "agent/spool/spool.hpp"
#include "agent/spool/spool_identity.hpp"
#include "agent/spool/spool_saved.hpp"
#include "base/files.hpp"

namespace tallyman::agent {

class SpoolStore final : public Spool {
 public:
  SpoolStore(Files& files, const SpoolOptions& options, std::string agent, const wire::BootId& boot,
             const Clock& clock);
  ~SpoolStore() override;
  SpoolStore(const SpoolStore&) = delete;
  SpoolStore& operator=(const SpoolStore&) = delete;

  /// Locks and recovers; once, before anything else.
  Status start();
  /// In place of that.
  Status go_on(SpoolSaved&& saved, std::unique_ptr<FileLock> lock);

  const wire::Incarnation& incarnation() const override { return identity_.incarnation; }
  const SpoolRecovery& recovery() const override { return recovery_; }
  Dictionary& dictionary() override { return dictionary_; }
  std::vector<PluginState> states() const override;
  std::vector<std::pair<std::string, Ns>> covered_until() const override;
  Status append(std::span<const wire::Entry> entries, std::span<const PluginState> states) override;
  Status seal_if_due(Ns watermark, bool now) override;
  std::optional<SyncJob> sync_job() override;
  void synced(const SyncJob& job, const Status& result) override;
  Result<std::optional<SealedBatch>> next_after(std::uint64_t sequence) override;
  std::optional<Hash> hash_of_batch(std::uint64_t sequence) override;
  Status acknowledge(std::uint64_t sequence, const Hash& hash) override;
  Status rewind(std::uint64_t sequence, const Hash& hash) override;
  Status hold(std::uint64_t ledger, wire::Token token, Ns slot) override;
  std::optional<SyncJob> hold_job(std::uint64_t ledger, wire::Token token, Ns slot) override;
  void held(const SyncJob& job, const Status& result) override;
  std::uint64_t ledger() const override { return identity_.ledger; }
  wire::Token token() const override { return identity_.token; }
  Status begin_incarnation(const std::string& why) override;
  SpoolStats stats() const override;
  std::optional<SpoolSaved> save() const override;

 private:
  using Segment = SegmentPlace;
  using Unsynced = UnsyncedBatch;
  struct OpenBatch {
    wire::BatchWriter writer;
    wire::BatchHead head;
    Bytes bytes;           ///< what of it stands in the segment
    std::uint64_t offset;  ///< of its head
    std::uint64_t pages = 0;
    std::size_t values = 0;
    Ns opened_boot;
    bool must_seal = false;  ///< its writer is ahead of the segment, or it is full
  };
  struct Job {
    std::uint64_t number = 0;
    std::uint64_t sealed = 0;
    std::uint64_t active_first = 0;
  };
  struct Places {
    std::uint64_t first = 0;  ///< of the segment; 0 = none
    std::vector<BatchPlace> list;
  };

  // spool_open.cpp, spool_recover.cpp
  void fit_to_disk();
  Status recover();
  Result<std::vector<std::uint64_t>> survey();
  Status read_identity(const std::vector<std::pair<std::string, HeaderScan>>& headers);
  Status set_aside_others(const std::vector<std::pair<std::string, HeaderScan>>& headers);
  Status adopt_next();
  void read_mark();
  Status take_newest();
  Status adopt(SegmentScan scan, Bytes bytes);
  void learn(const SegmentScan& scan);
  void learn_from_older();
  Status settle_tail(const SegmentScan& scan);
  Status fill_front();
  Status insert_front(std::uint64_t first, wire::DefNo highest);
  Status fresh_incarnation(const std::string& note);
  void forget_segments();

  // spool_write.cpp
  Status ready();
  Status write_run(ByteView run, bool exempt);
  Status write_here(ByteView run);
  OpenBatch fresh_batch() const;
  Status put_page(std::span<const wire::Entry> page, std::span<const PluginState> states,
                  bool may_retry);
  Bytes beside_page(std::span<const wire::Entry> page, std::span<const PluginState> states,
                    const OpenBatch& batch) const;
  void cover(const wire::Entry& entry);
  Status write_seal(Ns watermark);
  void sealed(BatchPlace place, Bytes bytes);
  void turn_over();
  std::uint64_t batches_limit(std::uint64_t start_bytes) const;
  void all_durable();

  // spool_room.cpp
  enum class Shortage : std::uint8_t { none, limit, space, memory };
  Result<Shortage> shortage(std::uint64_t bytes) const;
  Status room_for(std::uint64_t bytes);
  Status make_room(std::uint64_t bytes);
  std::uint64_t reserve_wanted() const;
  void keep_reserve();

  // spool_shed.cpp
  Status settle_newest();
  Result<bool> shed_one(bool may_lose);
  Status thin_segment(std::size_t segment, Shed shed);
  Bytes thinned(ByteView bytes, const SegmentScan& scan, const ThinRule& rule, bool& left) const;
  Status lose_segment(std::size_t segment);
  Status replace_segment(std::size_t segment, ByteView bytes, Shed shed);

  // spool_segments.cpp
  Bytes preamble() const;
  Bytes segment_start(std::uint64_t first) const;
  Status new_segment(std::uint64_t first);
  Status move_to_new_segment();
  bool acknowledged_front() const;
  Status remove_front();
  Status remove_acknowledged();
  Status store_identity(const Identity& identity);
  Status store_mark(Durable durable);

  // spool_read.cpp
  std::size_t segment_of(std::uint64_t sequence) const;
  std::uint64_t last_of(std::size_t segment) const;
  SegmentExpectation expectation(std::uint64_t first, std::uint64_t last) const;
  Result<Bytes> read_segment(std::uint64_t first);
  Result<const std::vector<BatchPlace>*> places_of(std::size_t segment);
  Result<SealedBatch> read_batch(std::uint64_t segment_first, const BatchPlace& place);
  Hash hash_before(std::size_t segment);
  void look_for_oldest();

  // spool_repair.cpp
  Status repair(std::size_t segment, ByteView bytes, SegmentScan scan);
  Bytes rebuilt(ByteView bytes, const SegmentScan& scan, Hash before, const Hash& after);
  Bytes replacement(const Damage& damage, const Hash& previous, const Hash& original) const;
  Hash first_previous(std::size_t segment);
  void doubt_unresolved(SegmentScan& scan, ByteView bytes);
  std::vector<wire::Entry> lost_definitions(const SegmentScan& scan, std::uint64_t last);
  void set_aside(const Damage& damage, ByteView bytes);
  void note(std::string text);

  // spool_incarnation.cpp
  Status rewrite_unacknowledged(const Identity& next, const std::string& directory);

  std::string path(const std::string& name) const { return options_.directory + "/" + name; }
  std::string segment_path(std::uint64_t first) const;

  Files& files_;
  SpoolOptions options_;
  std::string agent_;
  wire::BootId boot_;
  const Clock& clock_;
  std::unique_ptr<FileLock> lock_;
  SlotFile identity_file_;
  SlotFile mark_file_;

  Identity identity_;
  std::map<std::uint64_t, Identity> holding_;  ///< by job: its slots are being written
  Mark mark_;
  bool mark_known_ = false;  ///< from its file: what it does not cover was never acknowledged
  bool mark_stored_ = true;
  bool mark_durable_ = false;
  Ns mark_stored_at_ = 0;  ///< boot clock
  SpoolRecovery recovery_;
  DefinitionMap dictionary_;
  std::map<std::string, PluginState> states_;
  std::map<std::string, Ns> covered_;

  std::vector<Segment> segments_;  ///< ascending; the last is written to
  std::uint64_t total_bytes_ = 0;
  std::uint64_t reserve_bytes_ = 0;  ///< of the reserve file
  std::shared_ptr<File> file_;
  std::uint64_t end_ = 0;           ///< of what is good in it
  std::uint64_t start_bytes_ = 0;   ///< of its header and preamble
  std::vector<BatchPlace> places_;  ///< in it
  std::optional<OpenBatch> open_;
  std::uint64_t sealed_ = 0;
  Hash last_link_ = kNoHash;
  Ns last_sealed_boot_ = 0;

  bool dirty_ = false, dirty_directory_ = false;
  bool failed_ = false;     ///< the written segment can not be trusted: move to a new one
  bool half_open_ = false;  ///< a new incarnation has begun and is not recovered into yet
  std::deque<Unsynced> pending_;
  std::uint64_t pending_bytes_ = 0;
  std::optional<Job> job_;
  std::uint64_t jobs_ = 0;
  std::uint64_t durable_ = 0;         ///< highest sealed batch that is durable
  std::uint64_t durable_active_ = 0;  ///< highest segment whose preamble is durable
  Ns last_durable_ = 0;
  Ns oldest_ = 0;
  std::uint64_t acknowledged_bytes_ = 0;  ///< of the first segment
  std::string trouble_;
  Places cache_;  ///< of one older segment: the reader's
};

}  // namespace tallyman::agent
