// A spool that outlives the program that opened it. Nothing is read, scanned or made durable on the
// way: what is dirty stays so, and the next sync job covers it.

#include <algorithm>
#include <iterator>

#include "agent/spool/spool_store.hpp"

namespace tallyman::agent {
namespace {

/// The former program's lock: it was never let go.
class CarriedLock final : public FileLock {
 public:
  explicit CarriedLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  Fd fd_;
};

bool ascending(const SpoolSaved& saved) {
  const auto before = [](const auto& a, const auto& b) { return a.first < b.first; };
  return std::is_sorted(saved.segments.begin(), saved.segments.end(), before) &&
         std::is_sorted(saved.places.begin(), saved.places.end(), before);
}

}  // namespace

std::optional<SpoolSaved> SpoolStore::save() const {
  const bool between = !open_ && !job_ && !failed_ && !half_open_ && file_ && !segments_.empty();
  if (!between) return std::nullopt;
  SpoolSaved saved;
  saved.identity = identity_;
  saved.identity_file = identity_file_.save();
  saved.mark = mark_;
  saved.mark_file = mark_file_.save();
  saved.mark_known = mark_known_;
  saved.mark_stored = mark_stored_;
  saved.mark_durable = mark_durable_;
  saved.mark_stored_at = mark_stored_at_;
  saved.dictionary = dictionary_.save();
  saved.states = states();
  saved.covered = covered_;
  saved.segments = segments_;
  saved.end = end_;
  saved.start_bytes = start_bytes_;
  saved.places = places_;
  saved.sealed = sealed_;
  saved.last_link = last_link_;
  saved.last_sealed_boot = last_sealed_boot_;
  saved.dirty = dirty_;
  saved.dirty_directory = dirty_directory_;
  saved.pending = {pending_.begin(), pending_.end()};
  saved.durable = durable_;
  saved.durable_active = durable_active_;
  saved.last_durable = last_durable_;
  saved.oldest = oldest_;
  saved.acknowledged_bytes = acknowledged_bytes_;
  return saved;
}

Result<std::unique_ptr<Spool>> Spool::resume(const SpoolOptions& options, const std::string& agent,
                                             const wire::BootId& boot, const Clock& clock,
                                             SpoolSaved&& saved, Fd lock) {
  return resume(real_files(), options, agent, boot, clock, std::move(saved),
                std::make_unique<CarriedLock>(std::move(lock)));
}

Result<std::unique_ptr<Spool>> Spool::resume(Files& files, const SpoolOptions& options,
                                             const std::string& agent, const wire::BootId& boot,
                                             const Clock& clock, SpoolSaved&& saved,
                                             std::unique_ptr<FileLock> lock) {
  auto spool = std::make_unique<SpoolStore>(files, options, agent, boot, clock);
  Status resumed = spool->go_on(std::move(saved), std::move(lock));
  if (!resumed) return resumed.error();
  return std::unique_ptr<Spool>(std::move(spool));
}

Status SpoolStore::go_on(SpoolSaved&& saved, std::unique_ptr<FileLock> lock) {
  const auto unusable = [&](const std::string& what) {
    return Error{"what was handed over of the spool " + what, options_.directory, ""};
  };
  if (saved.identity.agent != agent_) return unusable("is another agent's");
  if (saved.segments.empty() || !ascending(saved)) return unusable("is not in order");
  const std::string newest = segment_path(saved.segments.back().first);
  auto file = files_.open(newest, OpenMode::write);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (*size != saved.end) return unusable("is not what stands on the disk");
  if (!dictionary_.restore(saved.dictionary)) return unusable("does not decode");

  lock_ = std::move(lock);
  file_ = std::move(*file);
  identity_ = std::move(saved.identity);
  identity_file_.restore(saved.identity_file);
  mark_ = saved.mark;
  mark_file_.restore(saved.mark_file);
  mark_known_ = saved.mark_known;
  mark_stored_ = saved.mark_stored;
  mark_durable_ = saved.mark_durable;
  mark_stored_at_ = saved.mark_stored_at;
  for (PluginState& state : saved.states) states_[state.instance] = std::move(state);
  covered_ = std::move(saved.covered);
  segments_ = std::move(saved.segments);
  for (const SegmentPlace& segment : segments_) total_bytes_ += segment.bytes;
  end_ = saved.end;
  start_bytes_ = saved.start_bytes;
  places_ = std::move(saved.places);
  sealed_ = saved.sealed;
  last_link_ = saved.last_link;
  last_sealed_boot_ = saved.last_sealed_boot;
  dirty_ = saved.dirty;
  dirty_directory_ = saved.dirty_directory;
  for (const UnsyncedBatch& batch : saved.pending) pending_bytes_ += batch.bytes.size();
  pending_.assign(std::make_move_iterator(saved.pending.begin()),
                  std::make_move_iterator(saved.pending.end()));
  durable_ = saved.durable;
  durable_active_ = saved.durable_active;
  last_durable_ = saved.last_durable;
  oldest_ = saved.oldest;
  acknowledged_bytes_ = saved.acknowledged_bytes;
  fit_to_disk();
  return {};
}

}  // namespace tallyman::agent
