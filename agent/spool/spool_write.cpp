// Appending pages and sealing batches.

#include <algorithm>

#include "agent/spool/spool_store.hpp"

namespace tallyman::agent {
namespace {

/// A batch is begun anew when a page would take it beyond these.
constexpr std::size_t kMaxOpenBytes = wire::kMaxBatchBytes - 4096;
/// A large dictionary makes a segment's batches take no more than this.
constexpr std::uint64_t kMaxSegmentGrowth = 64U << 20U;

std::size_t values_in(std::span<const wire::Entry> entries) {
  std::size_t count = 0;
  for (const auto& entry : entries) {
    if (const auto* poll = std::get_if<wire::Poll>(&entry)) count += poll->values.size();
  }
  return count;
}

bool same_state(const PluginState& a, const PluginState& b) {
  return a.version == b.version && a.bytes == b.bytes;
}

}  // namespace

Status SpoolStore::append(std::span<const wire::Entry> entries,
                          std::span<const PluginState> states) {
  const auto fresh = dictionary_.fresh();
  for (const auto& entry : entries) {
    if (std::holds_alternative<wire::Definition>(entry))
      return Error{"a definition among a page's entries", options_.directory,
                   "this is a programming error: definitions come from the dictionary"};
    Status good = wire::check_entry(entry);
    if (!good) return good;
  }
  for (const auto& state : states) {
    if (state.bytes.size() > kMaxStateBytes || state.instance.size() > wire::kMaxNameBytes)
      return Error{"the state of " + state.instance + " is too large", options_.directory, ""};
  }
  Status well = ready();
  if (!well) return well;
  for (const auto& run : cut_definitions(fresh)) {
    Status defined = put_page(run, {}, true);
    if (!defined) return defined;
    dictionary_.commit(std::get<wire::Definition>(run.back()).number);
  }
  if (open_ && open_->values + values_in(entries) > wire::kMaxBatchValues) {
    Status done = write_seal(0);
    if (!done) return done;
  }
  return put_page(entries, states, true);
}

/// Makes the spool fit to take a page again, after whatever failed before.
Status SpoolStore::ready() {
  if (half_open_) {
    forget_segments();
    sealed_ = durable_ = 0;
    mark_ = {};
    Status recovered = recover();
    if (!recovered) return recovered;
    half_open_ = false;
  }
  if (failed_) {
    Status moved = move_to_new_segment();
    if (!moved) return moved;
  }
  if (open_ && open_->must_seal) return write_seal(0);
  return {};
}

SpoolStore::OpenBatch SpoolStore::fresh_batch() const {
  wire::BatchHead head;
  head.agent = agent_;
  head.incarnation = identity_.incarnation;
  head.sequence = head.last = sealed_ + 1;
  head.previous = last_link_;
  head.boot = boot_;
  head.opened = std::max<Ns>(clock_.wall(), 0);
  wire::BatchWriter writer(head);
  Bytes bytes = writer.head();
  return {std::move(writer), std::move(head), std::move(bytes), end_, 0, 0, clock_.boot(), false};
}

/// The page's definitions and the states that differ, as they stand before it.
Bytes SpoolStore::beside_page(std::span<const wire::Entry> page,
                              std::span<const PluginState> states, const OpenBatch& batch) const {
  Bytes out;
  for (const auto& entry : page) {
    if (const auto* definition = std::get_if<wire::Definition>(&entry))
      append_definition(out, *definition);
  }
  for (const auto& state : states) {
    const auto held = states_.find(state.instance);
    if (held == states_.end() || !same_state(held->second, state))
      append_state(out, state, batch.head.sequence, batch.pages + 1);
  }
  return out;
}

Status SpoolStore::put_page(std::span<const wire::Entry> page, std::span<const PluginState> states,
                            bool may_retry) {
  const bool opening = !open_;
  if (opening) {
    turn_over();
    if (failed_) return Error{trouble_, options_.directory, "check the disk (dmesg, smartctl)"};
    open_ = fresh_batch();
  }
  OpenBatch& batch = *open_;
  Bytes run = opening ? batch.bytes : Bytes();
  const Bytes beside = beside_page(page, states, batch);
  run.insert(run.end(), beside.begin(), beside.end());
  const Bytes frame = batch.writer.page(page);
  run.insert(run.end(), frame.begin(), frame.end());
  const bool too_large = batch.writer.size() > kMaxOpenBytes;

  Status written = too_large ? Status(Error{"a page too large for any batch", options_.directory,
                                            "have plugins give fewer readings a poll"})
                             : write_run(run, false);
  if (!written.ok()) {
    if (opening) {
      open_.reset();
      return written;
    }
    batch.must_seal = true;
    if (!too_large || !may_retry) return written;
    Status done = write_seal(0);
    return done.ok() ? put_page(page, states, false) : done;
  }
  batch.bytes.insert(batch.bytes.end(), frame.begin(), frame.end());
  batch.values += values_in(page);
  ++batch.pages;
  for (const auto& state : states) states_[state.instance] = state;
  for (const auto& entry : page) cover(entry);
  return {};
}

/// What a poll or a gap of a whole instance says about how far the instance is covered.
void SpoolStore::cover(const wire::Entry& entry) {
  wire::DefNo instance = 0;
  Ns until = 0;
  if (const auto* poll = std::get_if<wire::Poll>(&entry)) {
    instance = poll->instance, until = poll->scheduled;
  } else if (const auto* gap = std::get_if<wire::Gap>(&entry); gap != nullptr) {
    if (gap->subject == 0) instance = gap->instance, until = gap->to;
  }
  const wire::DefBody* body = dictionary_.find(instance);
  const auto* definition = body == nullptr ? nullptr : std::get_if<wire::InstanceDef>(body);
  if (definition == nullptr) return;
  Ns& covered = covered_[definition->instance];
  covered = std::max(covered, until);
}

/// All of it at the end of the segment, or nothing. What is exempt is written while the disk takes
/// it.
Status SpoolStore::write_run(ByteView run, bool exempt) {
  if (!exempt) {
    Status room = make_room(run.size());
    if (!room) return room;
  }
  Status written = write_here(run);
  if (written.ok() || failed_ || !no_space(written.error())) return written;
  // The disk has less space than it said: a quota, or what is kept for root.
  const auto gave = shed_one(false);
  return gave && *gave ? write_here(run) : written;
}

Status SpoolStore::write_here(ByteView run) {
  Status written = file_->write_at(end_, run);
  if (!written) {
    if (!file_->truncate(end_)) failed_ = true;
    trouble_ = written.error().what;
    return written;
  }
  end_ += run.size();
  total_bytes_ += run.size();
  segments_.back().bytes = end_;
  dirty_ = true;
  trouble_.clear();
  return {};
}

Status SpoolStore::seal_if_due(Ns watermark, bool now) {
  Status well = ready();
  if (!well) return well;
  if (open_) {
    const bool due = now || open_->bytes.size() >= options_.seal_bytes ||
                     clock_.boot() - open_->opened_boot >= options_.seal_after;
    return due ? write_seal(watermark) : Status{};
  }
  if (!now && clock_.boot() - last_sealed_boot_ < options_.seal_after) return {};
  turn_over();
  if (failed_) return Error{trouble_, options_.directory, "check the disk (dmesg, smartctl)"};
  OpenBatch empty = fresh_batch();
  Status written = write_run(empty.bytes, false);
  if (!written) return written;
  open_ = std::move(empty);
  return write_seal(watermark);
}

Status SpoolStore::write_seal(Ns watermark) {
  const Bytes seal = wire::encode_seal({.watermark = watermark, .pages = open_->pages});
  Status written = write_run(seal, true);
  if (!written) return written;
  OpenBatch batch = std::move(*open_);
  open_.reset();
  batch.bytes.insert(batch.bytes.end(), seal.begin(), seal.end());
  const wire::BatchHead& head = batch.head;
  BatchPlace place{head.sequence,
                   head.last,
                   batch.offset,
                   end_ - batch.offset,
                   head.opened,
                   head.previous,
                   link_hash(head, batch.bytes)};
  sealed(place, std::move(batch.bytes));
  return {};
}

/// Before a batch is opened: goes on in a new segment when this one is full. All of the old one is
/// durable by then, so that a new segment's dictionary, states and coverage are never ahead of it.
void SpoolStore::turn_over() {
  const std::uint64_t batches = end_ - start_bytes_;
  const std::uint64_t limit = batches_limit(start_bytes_);
  if (batches < limit) return;
  const bool durable = !dirty_ && !job_ && pending_.empty();
  if (!durable) {
    if (batches < 2 * limit) return;
    job_.reset();
    Status synced = file_->sync();
    if (synced.ok()) synced = files_.sync_directory(options_.directory);
    if (!synced) {
      failed_ = true;
      trouble_ = synced.error().what;
      return;
    }
    all_durable();
  }
  // Should a new segment not be had now, this one grows until it can.
  (void)new_segment(sealed_ + 1);
}

/// How many bytes of batches a segment holds: several times what it begins with, since each repeats
/// the dictionary.
std::uint64_t SpoolStore::batches_limit(std::uint64_t start_bytes) const {
  const std::uint64_t most = std::min(kMaxSegmentGrowth, options_.limit_bytes / 4);
  return std::max(options_.segment_bytes, std::min(4 * start_bytes, most));
}

void SpoolStore::all_durable() {
  pending_.clear();
  pending_bytes_ = 0;
  durable_ = sealed_;
  last_durable_ = clock_.wall();
  dirty_ = dirty_directory_ = false;
  durable_active_ = segments_.back().first;
}

void SpoolStore::sealed(BatchPlace place, Bytes bytes) {
  if (sealed_ == mark_.sequence) oldest_ = place.opened;
  sealed_ = place.last;
  last_link_ = place.hash;
  last_sealed_boot_ = clock_.boot();
  pending_bytes_ += bytes.size();
  places_.push_back(place);
  pending_.push_back({place, std::move(bytes)});
}

std::optional<SyncJob> SpoolStore::sync_job() {
  if (job_ || !dirty_ || failed_ || half_open_) return std::nullopt;
  job_ = Job{++jobs_, sealed_, segments_.back().first};
  const bool directory = std::exchange(dirty_directory_, false);
  dirty_ = false;
  const auto run = [file = file_, directory, &system = files_,
                    where = options_.directory]() -> Status {
    Status done = file->sync();
    return done.ok() && directory ? system.sync_directory(where) : done;
  };
  return SyncJob{job_->number, run};
}

void SpoolStore::synced(const SyncJob& job, const Status& result) {
  if (!job_ || job_->number != job.number) return;
  const Job done = *std::exchange(job_, std::nullopt);
  if (!result.ok()) {
    failed_ = true;
    trouble_ = result.error().what;
    return;
  }
  while (!pending_.empty() && pending_.front().place.last <= done.sealed) {
    pending_bytes_ -= pending_.front().bytes.size();
    pending_.pop_front();
  }
  durable_ = done.sealed;
  durable_active_ = done.active_first;
  last_durable_ = clock_.wall();
  (void)remove_acknowledged();
}

}  // namespace tallyman::agent
