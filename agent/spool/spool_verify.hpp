#pragma once
// Whether a spool is whole: every frame's checksum, every batch decoding, the chain of hashes
// unbroken across segments, every reference resolving, identity and mark readable and in keeping
// with the batches. Reads only (spool_inspect.hpp); what seems damaged is looked at again, since a
// spool in use changes meanwhile. One thread.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/spool/spool_inspect.hpp"

namespace tallyman::agent {

struct SpoolFinding {
  bool damage = true;  ///< false: worth knowing only, such as a torn tail
  std::string what;
  std::uint64_t first = 0, last = 0;  ///< batches it concerns; 0 = none or not known
  std::string file;
  std::uint64_t offset = 0, size = 0;  ///< bytes of it; size 0 = no bytes in particular
};

/// One segment in numbers.
struct SegmentSummary {
  SegmentFile file;
  std::uint64_t first = 0, last = 0;  ///< sequence numbers found; last < first: none yet
  std::uint64_t batches = 0;          ///< whole ones
  std::uint64_t stand_ins = 0;        ///< of these, stand-ins
  std::uint64_t stood_in = 0;         ///< numbers that they stand for
  std::uint64_t thinned = 0;
  std::uint64_t damaged = 0;  ///< numbers whose batches are not whole
  std::uint64_t open = 0;     ///< number of the batch that is open at the end; 0 = none
  std::uint64_t open_pages = 0;
  Ns opened = 0;  ///< wall instant of the oldest batch; 0 = none
};

struct SpoolReport {
  SpoolFolder folder;
  std::vector<SegmentSummary> segments;
  std::vector<SpoolFinding> findings;  ///< at most kMaxFindings
  std::uint64_t damages = 0;           ///< all of them
  std::uint64_t batches = 0;           ///< whole ones
  std::uint64_t bytes = 0;             ///< looked at
};

constexpr std::size_t kMaxFindings = 10'000;

/// Told how many bytes of how many are done.
using SpoolProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// An error when there is no spool to look at, or it is of a newer version.
[[nodiscard]] Result<SpoolReport> verify_spool(Files& files, const std::string& directory,
                                               const SpoolProgress& progress = {});

}  // namespace tallyman::agent
