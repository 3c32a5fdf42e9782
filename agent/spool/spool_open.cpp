// Opening a spool: who it belongs to, which files count.

#include <algorithm>

#include "agent/spool/spool_store.hpp"

namespace tallyman::agent {

SpoolStore::SpoolStore(Files& files, const SpoolOptions& options, std::string agent,
                       const wire::BootId& boot, const Clock& clock)
    : files_(files),
      options_(options),
      agent_(std::move(agent)),
      boot_(boot),
      clock_(clock),
      identity_file_(files, options.directory + "/identity", kIdentityFrame),
      mark_file_(files, options.directory + "/mark", kMarkFrame) {}

SpoolStore::~SpoolStore() {
  if (!mark_stored_) (void)store_mark(Durable::no);
}

Result<std::unique_ptr<Spool>> Spool::open(const SpoolOptions& options, const std::string& agent,
                                           const wire::BootId& boot, const Clock& clock) {
  return open(real_files(), options, agent, boot, clock);
}

Result<std::unique_ptr<Spool>> Spool::open(Files& files, const SpoolOptions& options,
                                           const std::string& agent, const wire::BootId& boot,
                                           const Clock& clock) {
  if (agent.empty() || agent.size() > wire::kMaxNameBytes)
    return Error{"an agent's id has 1 to 256 bytes", options.directory, "set agent.id"};
  auto spool = std::make_unique<SpoolStore>(files, options, agent, boot, clock);
  Status started = spool->start();
  if (!started) return started.error();
  return std::unique_ptr<Spool>(std::move(spool));
}

Status SpoolStore::start() {
  Status made = files_.make_directories(options_.directory);
  if (!made) return made;
  auto lock = files_.lock(path("lock"));
  if (!lock) return lock.error();
  lock_ = std::move(*lock);
  last_sealed_boot_ = clock_.boot();
  fit_to_disk();
  Status done = recover();
  if (done.ok()) keep_reserve();
  // So that later on a mark can be stored on a full disk, too.
  if (done.ok() && !mark_file_.made()) (void)store_mark(Durable::yes);
  return done;
}

/// A segment is what can be given up or rewritten at a time: a small part of what there is.
void SpoolStore::fit_to_disk() {
  constexpr std::uint64_t kLeast = 64U << 10U, kParts = 16;
  std::uint64_t all = options_.limit_bytes;
  if (const auto space = files_.space(options_.directory); space) all = std::min(all, space->total);
  options_.segment_bytes = std::min(options_.segment_bytes, std::max(kLeast, all / kParts));
  const std::string reserve = path("reserve");
  if (!files_.exists(reserve)) return;
  const auto file = files_.open(reserve, OpenMode::read);
  const auto size = file ? (*file)->size() : Result<std::uint64_t>(file.error());
  reserve_bytes_ = size ? *size : 0;
}

std::vector<PluginState> SpoolStore::states() const {
  std::vector<PluginState> out;
  for (const auto& [instance, state] : states_) out.push_back(state);
  return out;
}

std::vector<std::pair<std::string, Ns>> SpoolStore::covered_until() const {
  return {covered_.begin(), covered_.end()};
}

SpoolStats SpoolStore::stats() const {
  SpoolStats stats;
  stats.bytes = total_bytes_;
  stats.limit_bytes = options_.limit_bytes;
  stats.batches = sealed_ - mark_.sequence;
  stats.unacknowledged_bytes =
      stats.batches == 0 ? 0 : total_bytes_ - std::min(total_bytes_, acknowledged_bytes_);
  stats.sealed = sealed_;
  stats.acknowledged = mark_.sequence;
  stats.oldest = stats.batches == 0 ? 0 : oldest_;
  stats.last_durable = last_durable_;
  stats.trouble = trouble_;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = segments_[i];
    const std::uint64_t last = i + 1 < segments_.size() ? last_of(i) : sealed_;
    if (i + 1 < segments_.size() && last <= mark_.sequence) {
      stats.kept_bytes += segment.bytes;
    } else if (segment.shed == Shed::lost) {
      stats.lost_batches += last - std::max(segment.first - 1, mark_.sequence);
    } else if (segment.shed != Shed::nothing) {
      stats.thinned_bytes += segment.bytes;
      stats.gauges_thinned |= segment.shed == Shed::gauges;
    }
  }
  return stats;
}

/// First sequence numbers of this incarnation's segments, ascending. Refuses what is not this
/// agent's before it changes anything.
Result<std::vector<std::uint64_t>> SpoolStore::survey() {
  const auto names = files_.list(options_.directory);
  if (!names) return names.error();
  std::vector<std::pair<std::string, HeaderScan>> headers;
  for (const auto& name : *names) {
    if (!segment_number(name)) continue;
    auto file = files_.open(path(name), OpenMode::read);
    if (!file) return file.error();
    const auto bytes = (*file)->read_at(0, kMaxHeaderBytes);
    headers.emplace_back(name, scan_segment_header(bytes ? ByteView(*bytes) : ByteView()));
    const HeaderScan& scan = headers.back().second;
    if (scan.state == HeaderState::newer)
      return Error{"written by a newer version of tallyman", path(name),
                   "run that version, or name another spool directory"};
    if (scan.state == HeaderState::whole && scan.header.agent != agent_)
      return Error{"belongs to the agent \"" + scan.header.agent + "\"", path(name),
                   "set agent.id to that, or name another spool directory"};
  }
  Status done = read_identity(headers);
  if (!done) return done.error();
  for (const auto& name : *names) {
    if (name.ends_with(".tmp")) (void)files_.remove(path(name));
  }
  done = set_aside_others(headers);
  if (done.ok()) done = adopt_next();
  if (!done) return done.error();
  std::vector<std::uint64_t> firsts;
  const auto now = files_.list(options_.directory);
  if (!now) return now.error();
  for (const auto& name : *now) {
    if (const auto first = segment_number(name)) firsts.push_back(*first);
  }
  return firsts;
}

/// From its file, else from the newest segment; an incarnation of zeros when there is none.
Status SpoolStore::read_identity(const std::vector<std::pair<std::string, HeaderScan>>& headers) {
  identity_ = {};
  identity_.agent = agent_;
  const std::string name = path("identity");
  const auto bytes = identity_file_.read();
  if (!bytes) return bytes.error();
  if (*bytes) {
    auto identity = decode_identity(**bytes);
    if (!identity) return Error{identity.error().what, name, identity.error().todo};
    if (*identity && (*identity)->agent != agent_)
      return Error{"belongs to the agent \"" + (*identity)->agent + "\"", name,
                   "set agent.id to that, or name another spool directory"};
    if (*identity) {
      identity_ = **identity;
      return {};
    }
  }
  for (const auto& [file, scan] : headers) {
    if (scan.state != HeaderState::whole) continue;
    identity_.incarnation = scan.header.incarnation;
    identity_.ledger = scan.header.ledger;
    identity_.token = scan.header.token;
  }
  if (identity_.incarnation == wire::Incarnation{}) return {};
  note("the spool's identity was lost and taken from its newest segment");
  identity_.created = clock_.wall();
  return store_identity(identity_);
}

/// Segments of an incarnation that is over go to quarantine.
Status SpoolStore::set_aside_others(
    const std::vector<std::pair<std::string, HeaderScan>>& headers) {
  std::size_t moved = 0;
  for (const auto& [name, scan] : headers) {
    const bool whole = scan.state == HeaderState::whole;
    if (identity_.incarnation == wire::Incarnation{} ||
        (whole && scan.header.incarnation != identity_.incarnation)) {
      const std::string to = path("quarantine/" + to_hex(scan.header.incarnation));
      Status done = files_.make_directories(to);
      if (done.ok()) done = files_.rename(path(name), to + "/" + name);
      if (done.ok()) done = files_.sync_directory(to);
      if (!done) return done;
      ++moved;
    }
  }
  if (moved == 0) return {};
  note(std::to_string(moved) + " segments of a former incarnation were set aside in quarantine");
  return files_.sync_directory(options_.directory);
}

/// What begin_incarnation() prepared takes its place, if the identity says it has begun.
Status SpoolStore::adopt_next() {
  const std::string directory = path("next");
  if (!files_.exists(directory)) return {};
  const auto names = files_.list(directory);
  if (!names) return names.error();
  for (const auto& name : *names) {
    const std::string from = directory + "/" + name;
    auto file = files_.open(from, OpenMode::read);
    if (!file) return file.error();
    const auto bytes = (*file)->read_at(0, kMaxHeaderBytes);
    if (!bytes) return bytes.error();
    const auto scan = scan_segment_header(*bytes);
    const bool ours = segment_number(name) && scan.state == HeaderState::whole &&
                      scan.header.incarnation == identity_.incarnation;
    Status done = ours ? files_.rename(from, path(name)) : files_.remove(from);
    if (!done) return done;
  }
  return names->empty() ? Status{} : files_.sync_directory(options_.directory);
}

void SpoolStore::read_mark() {
  mark_ = {};
  mark_.incarnation = identity_.incarnation;
  mark_stored_ = true;
  mark_durable_ = false;
  const auto bytes = mark_file_.read();
  const auto mark = bytes && *bytes ? decode_mark(**bytes) : std::nullopt;
  mark_known_ = mark && mark->incarnation == identity_.incarnation;
  if (mark_known_) mark_ = *mark;
}

Status SpoolStore::fresh_incarnation(const std::string& why) {
  if (!why.empty()) note(why);
  recovery_.new_incarnation = true;
  Identity next = identity_;
  next.agent = agent_;
  next.created = clock_.wall();
  random_bytes(next.incarnation);
  Status stored = store_identity(next);
  if (!stored) return stored;
  identity_ = next;
  mark_ = {identity_.incarnation, 0, kNoHash};
  sealed_ = durable_ = 0;
  forget_segments();
  return new_segment(1);
}

void SpoolStore::forget_segments() {
  segments_.clear();
  places_.clear();
  pending_.clear();
  cache_ = {};
  open_.reset();
  job_.reset();
  file_.reset();
  total_bytes_ = end_ = start_bytes_ = pending_bytes_ = acknowledged_bytes_ = 0;
  durable_active_ = 0;
  oldest_ = 0;
  last_link_ = kNoHash;
  dirty_ = dirty_directory_ = failed_ = false;
}

}  // namespace tallyman::agent
