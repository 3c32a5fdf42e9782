#include "agent/spool/spool_mend.hpp"

#include <algorithm>

#include "agent/spool/overlay_files.hpp"
#include "agent/spool/spool_inspect.hpp"

namespace tallyman::agent {
namespace {

/// Opens the spool and reads every batch, which replaces what is damaged.
Status read_all(Files& files, const SpoolFolder& folder, const Clock& clock, SpoolMended& mended) {
  SpoolOptions options;
  options.directory = folder.directory;
  options.limit_bytes = ~std::uint64_t{0} >> 1U;
  options.keep_acknowledged = wire::kMaxTime;
  auto spool = Spool::open(files, options, folder.agent, {}, clock);
  if (!spool) return spool.error();
  Status done;
  for (const auto& segment : folder.segments)
    (void)(*spool)->hash_of_batch(segment.last == 0 ? segment.first : segment.last);
  for (std::uint64_t at = (*spool)->stats().acknowledged;;) {
    const auto next = (*spool)->next_after(at);
    if (!next) done = next.error();
    if (!next || !*next) break;
    at = (*next)->last;
  }
  mended.notes = (*spool)->recovery().notes;
  return done;
}

}  // namespace

Result<SpoolMended> mend_spool(Files& files, const std::string& directory, const Clock& clock,
                               bool dry) {
  const auto before = look_at_spool(files, directory);
  if (!before) return before.error();
  if (before->agent.empty())
    return Error{"nothing in it tells whose spool it is", directory,
                 "keep its files: all of them are damaged"};
  OverlayFiles glass(files);
  Files& on = dry ? static_cast<Files&>(glass) : files;
  SpoolMended mended;
  Status done = read_all(on, *before, clock, mended);
  if (!done) return done.error();
  const auto after = look_at_spool(on, directory);
  if (!after) return after.error();
  for (const auto& segment : before->segments) {
    if (!on.exists(segment.path) && segment.last != 0 && segment.last <= before->acknowledged())
      mended.removed.push_back(segment.path);
  }
  mended.quarantined =
      after->quarantine.size() - std::min(after->quarantine.size(), before->quarantine.size());
  return mended;
}

}  // namespace tallyman::agent
