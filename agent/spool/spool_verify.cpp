#include "agent/spool/spool_verify.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "agent/spool/dictionary.hpp"

namespace tallyman::agent {
namespace {

constexpr int kLooks = 3;  ///< at a file that changes while it is read
constexpr std::size_t kMaxUnresolved = 10'000;

std::uint64_t first_frame(const SegmentLook& look) {
  return look.scan.start.size != 0 ? look.scan.start.size
                                   : std::min(kSegmentMagic.size(), look.bytes.size());
}

/// Checks one spool, segment by segment. Used once.
class Verifier {
 public:
  Verifier(Files& files, const SpoolProgress& progress) : files_(files), progress_(progress) {}
  Result<SpoolReport> run(const std::string& directory);

 private:
  struct Unresolved {
    std::uint64_t batch = 0;
    std::string file;
    wire::Entry entry;
  };
  /// What is carried from segment to segment.
  struct Chain {
    std::optional<Hash> hash;  ///< of the batch before; nothing when it is not known
    std::uint64_t last = 0;    ///< its number
  };

  void small_files();
  void front();
  bool look_once(const SegmentFile& segment);
  void segment(const SegmentFile& segment, const SegmentLook& look);
  void start_of(const SegmentFile& segment, const SegmentLook& look);
  void ranges_of(const SegmentFile& segment, const SegmentLook& look);
  void chain_of(const SegmentFile& segment, const SegmentLook& look);
  void define(const SegmentFile& segment, std::uint64_t batch, const wire::Definition& definition);
  void batch(const SegmentFile& segment, const wire::Batch& batch);
  void count(SegmentSummary& summary, const SegmentFile& segment, const SegmentLook& look) const;
  void references();
  void end();
  void found(SpoolFinding finding) { fresh_.push_back(std::move(finding)); }
  void keep();

  Files& files_;
  const SpoolProgress& progress_;
  SpoolReport report_;
  std::vector<SpoolFinding> fresh_;  ///< of the file that is being looked at
  SegmentSummary summary_;
  Chain chain_;
  DefinitionMap dictionary_;
  std::vector<Unresolved> unresolved_;
};

void Verifier::keep() {
  for (auto& finding : fresh_) {
    if (finding.damage) ++report_.damages;
    if (report_.findings.size() < kMaxFindings) report_.findings.push_back(std::move(finding));
  }
  fresh_.clear();
}

void Verifier::small_files() {
  const auto tell = [&](const char* name, const auto& small, const char* follows) {
    const std::string file = report_.folder.directory + "/" + name;
    if (!small.trouble.empty())
      found({true, std::string(name) + " " + small.trouble + ": " + follows, 0, 0, file, 0, 0});
    for (const std::uint64_t offset : small.damage)
      found({true, "a copy of the " + std::string(name) + " is damaged", 0, 0, file, offset,
             kSlotBytes});
  };
  const SpoolFolder& folder = report_.folder;
  tell("identity", folder.identity, "it would be taken from the newest segment");
  tell("mark", folder.mark, "all that is here would be sent again");
  if (folder.mark.content && folder.mark.content->incarnation != folder.incarnation)
    found({false, "the mark is of a former incarnation: nothing of this one is acknowledged", 0, 0,
           folder.directory + "/mark", 0, 0});
  for (const auto& other : folder.others)
    found({false, "a segment of another agent or incarnation", 0, 0, other.path, 0, 0});
  keep();
}

/// Below the first segment everything is acknowledged, or missing.
void Verifier::front() {
  const SpoolFolder& folder = report_.folder;
  if (folder.segments.empty()) {
    found({true, "no segment is here", 0, 0, folder.directory, 0, 0});
    return keep();
  }
  const std::uint64_t first = folder.segments.front().first;
  const std::uint64_t mark = folder.acknowledged();
  if (folder.mark_known() && first > mark + 1) {
    found({true, "missing: no segment holds them", mark + 1, first - 1, folder.directory, 0, 0});
    keep();
  }
  if (first == mark + 1 && folder.mark_known()) {
    chain_ = {mark == 0 ? kNoHash : folder.mark.content->hash, mark};
  } else if (first == 1) {
    chain_ = {kNoHash, 0};
  }
}

void Verifier::start_of(const SegmentFile& segment, const SegmentLook& look) {
  const SegmentScan& scan = look.scan;
  const bool whole = scan.start.state == HeaderState::whole;
  const bool empty = scan.batches.empty() && scan.damages.empty() && !scan.open;
  const bool begun = segment.last == 0 && empty && (!whole || !scan.preamble_whole);
  if (begun) {
    found({false, "being created, or cut off by a crash while it was", 0, 0, segment.path, 0,
           look.bytes.size()});
    return;
  }
  const auto ranges = damaged_ranges(look.bytes, first_frame(look));
  std::uint64_t header_end = std::max<std::uint64_t>(scan.start.size, kSegmentMagic.size());
  if (scan.start.size == 0 && !ranges.empty() && ranges.front().offset == header_end)
    header_end += ranges.front().size;
  if (!whole)
    found({true,
           scan.start.size != 0 ? "the header is another segment's"
                                : "the segment's header is damaged",
           0, 0, segment.path, 0, header_end});
  bool told = false;
  for (const auto& range : ranges) {
    if (range.offset >= scan.preamble_end || (!whole && range.offset < header_end)) continue;
    found({true, "damaged in what the segment begins with: definitions, states", 0, 0, segment.path,
           range.offset, range.size});
    told = true;
  }
  if (whole && !scan.preamble_whole && !told)
    found({true, "what the segment begins with is not what its header says: definitions, states", 0,
           0, segment.path, scan.start.size,
           std::min<std::uint64_t>(scan.start.header.preamble_bytes,
                                   look.bytes.size() - scan.start.size)});
}

/// Bytes that are no frames, but those that a damaged batch or the start accounts for already.
void Verifier::ranges_of(const SegmentFile& segment, const SegmentLook& look) {
  const SegmentScan& scan = look.scan;
  const auto told = [&](std::uint64_t offset) {
    return offset < scan.preamble_end ||
           std::any_of(scan.damages.begin(), scan.damages.end(), [&](const Damage& damage) {
             return offset >= damage.offset && offset < damage.offset + damage.size;
           });
  };
  const std::uint64_t next = scan.batches.empty() ? segment.first : scan.batches.back().last + 1;
  for (const auto& range : damaged_ranges(look.bytes, first_frame(look))) {
    if (told(range.offset)) continue;
    const auto place =
        std::find_if(scan.batches.begin(), scan.batches.end(), [&](const BatchPlace& candidate) {
          return range.offset < candidate.offset + candidate.size;
        });
    if (place != scan.batches.end() && range.offset < place->offset) {
      found({true, "bytes between batches that are no part of any", 0, 0, segment.path,
             range.offset, range.size});
    } else if (place != scan.batches.end()) {
      found({true, "a definition or a plugin's state beside the batch is damaged", place->first,
             place->last, segment.path, range.offset, range.size});
    } else if (range.torn && segment.last == 0) {
      found({false, "torn at the end: being written, or cut off by a crash", next, next,
             segment.path, range.offset, range.size});
    } else {
      found({true, "damaged after the last whole batch", next, next, segment.path, range.offset,
             range.size});
    }
  }
  for (const std::uint64_t offset : look.unreadable)
    found({true, "the disk does not give these bytes", 0, 0, segment.path, offset, 64U << 10U});
}

void Verifier::chain_of(const SegmentFile& segment, const SegmentLook& look) {
  const SegmentScan& scan = look.scan;
  std::map<std::uint64_t, const Damage*> damages;
  for (const auto& damage : scan.damages) damages.emplace(damage.first, &damage);
  const auto damaged = [&](const Damage& damage) {
    std::string what = damage.size == 0 ? "missing" : "damaged";
    if (damage.pages > 0) what += ", " + std::to_string(damage.pages) + " pages of it are whole";
    found({true, what, damage.first, damage.last, segment.path, damage.offset, damage.size});
    chain_ = {std::nullopt, damage.last};
  };
  const auto follows = [&](std::uint64_t number, const Hash& previous) {
    if (chain_.hash && chain_.last + 1 == number && *chain_.hash != previous)
      found({true, "the chain is broken: it does not name the hash of the batch before it", number,
             number, segment.path, 0, 0});
  };
  const Mark* mark = report_.folder.acknowledged() != 0 ? &*report_.folder.mark.content : nullptr;
  for (const auto& place : scan.batches) {
    for (auto at = damages.begin(); at != damages.end() && at->first < place.first;) {
      damaged(*at->second);
      at = damages.erase(at);
    }
    follows(place.first, place.previous);
    chain_ = {place.hash, place.last};
    if (mark != nullptr && mark->sequence == place.last && mark->hash != place.hash)
      found({true, "another batch than the mark says was acknowledged", place.first, place.last,
             segment.path, place.offset, place.size});
  }
  for (const auto& [first, damage] : damages) damaged(*damage);
  if (scan.open) follows(scan.open->head.sequence, scan.open->head.previous);
}

void Verifier::define(const SegmentFile& segment, std::uint64_t batch,
                      const wire::Definition& definition) {
  const wire::DefBody* held = dictionary_.find(definition.number);
  if (held != nullptr && *held != definition.body)
    found({true, "definition " + std::to_string(definition.number) + " has other content before",
           batch, batch, segment.path, 0, 0});
  dictionary_.load(definition);
}

void Verifier::batch(const SegmentFile& segment, const wire::Batch& batch) {
  for (const auto& entry : batch.entries) {
    if (const auto* definition = std::get_if<wire::Definition>(&entry))
      define(segment, batch.head.sequence, *definition);
  }
  if (batch.head.kind == wire::BatchKind::stand_in) {
    ++summary_.stand_ins;
    summary_.stood_in += batch.head.last - batch.head.sequence + 1;
  }
  if (batch.head.kind == wire::BatchKind::thinned) ++summary_.thinned;
  for (const auto& entry : batch.entries) {
    if (dictionary_.resolves(entry) || unresolved_.size() >= kMaxUnresolved) continue;
    // What it lacks may stand in the dictionary of a later segment: judged at the end.
    unresolved_.push_back({batch.head.sequence, segment.path, entry});
    break;
  }
}

void Verifier::count(SegmentSummary& summary, const SegmentFile& segment,
                     const SegmentLook& look) const {
  const SegmentScan& scan = look.scan;
  summary.file = segment;
  summary.file.bytes = look.bytes.size();
  summary.first = segment.first;
  summary.last = segment.first - 1;
  summary.batches = scan.batches.size();
  if (!scan.batches.empty()) {
    summary.last = scan.batches.back().last;
    summary.opened = scan.batches.front().opened;
  }
  for (const auto& damage : scan.damages) {
    summary.damaged += damage.last - damage.first + 1;
    summary.last = std::max(summary.last, damage.last);
  }
  if (scan.open) {
    summary.open = scan.open->head.sequence;
    summary.open_pages = scan.open->pages;
    if (summary.opened == 0) summary.opened = scan.open->head.opened;
  }
}

void Verifier::segment(const SegmentFile& segment, const SegmentLook& look) {
  start_of(segment, look);
  if (const auto open = open_batch(look)) batch(segment, *open);
  chain_of(segment, look);
  ranges_of(segment, look);
  count(summary_, segment, look);
}

/// False when the file is gone.
bool Verifier::look_once(const SegmentFile& file) {
  const Chain before = chain_;
  const std::size_t unresolved = unresolved_.size();
  Bytes seen;
  for (int look = 1;; ++look) {
    fresh_.clear();
    summary_ = {};
    chain_ = before;
    unresolved_.resize(unresolved);
    auto read =
        look_at_segment(files_, report_.folder, file,
                        {.definition = [&](const wire::Definition& one) { define(file, 0, one); },
                         .batch = [&](const wire::Batch& one) { batch(file, one); }});
    if (!read) {
      found({true, read.error().what, file.first, file.last, file.path, 0, 0});
      chain_ = {};
      return true;
    }
    if (!*read) {
      // It was acknowledged, and went: so did all before it.
      unresolved_.resize(unresolved);
      chain_ = {};
      return false;
    }
    segment(file, **read);
    const bool suspect = std::any_of(fresh_.begin(), fresh_.end(),
                                     [](const SpoolFinding& finding) { return finding.damage; });
    if (!suspect || look == kLooks || (look > 1 && seen == (*read)->bytes)) return true;
    seen = std::move((*read)->bytes);
  }
}

void Verifier::references() {
  for (const auto& each : unresolved_) {
    if (dictionary_.resolves(each.entry)) continue;
    found({true, "refers to a definition that no segment holds", each.batch, each.batch, each.file,
           0, 0});
  }
  keep();
}

void Verifier::end() {
  const SpoolFolder& folder = report_.folder;
  if (report_.segments.empty()) return;
  const std::uint64_t last = report_.segments.back().last;
  if (folder.acknowledged() <= last) return;
  const auto now = look_at_spool(files_, folder.directory);
  if (now && !now->segments.empty() && now->segments.back().first > folder.segments.back().first)
    return;  // it went on in another segment meanwhile
  found({true, "the spool ends before what the rater acknowledged", last + 1, folder.acknowledged(),
         folder.directory, 0, 0});
  keep();
}

Result<SpoolReport> Verifier::run(const std::string& directory) {
  auto folder = look_at_spool(files_, directory);
  if (!folder) return folder.error();
  report_.folder = std::move(*folder);
  small_files();
  front();
  std::uint64_t total = 0;
  for (const auto& file : report_.folder.segments) total += file.bytes;
  for (const auto& file : report_.folder.segments) {
    if (look_once(file)) {
      report_.batches += summary_.batches;
      report_.segments.push_back(summary_);
      keep();
    }
    fresh_.clear();
    report_.bytes += file.bytes;
    if (progress_) progress_(report_.bytes, total);
  }
  references();
  end();
  return std::move(report_);
}

}  // namespace

Result<SpoolReport> verify_spool(Files& files, const std::string& directory,
                                 const SpoolProgress& progress) {
  Result<SpoolReport> report = Verifier(files, progress).run(directory);
  for (int look = 1; look < kLooks && report && report->damages > 0; ++look) {
    // A new incarnation that began meanwhile takes the place of everything.
    const auto now = look_at_spool(files, directory);
    if (!now || now->incarnation == report->folder.incarnation) break;
    report = Verifier(files, progress).run(directory);
  }
  return report;
}

}  // namespace tallyman::agent
