#pragma once
// A spool's readings and gaps as lines of the one JSON shape (wire/reading_json.hpp), so that
// `tallyman-rater import` can take what a dead host never sent.
//
// What makes importing it count nothing twice: the lines name the same agent, instance, series and
// epoch as the batches did, and each reading the instant it stands at for the rater: its poll's
// position, or a time of its own. What the rater has of a counter already lies at or after that
// instant, and adds nothing.
//
// An import holds one value of a counter at one instant. So where several polls stand at one
// instant (the wall clock had stepped back), or a bucket grew late under its own time, the last
// value is told; and where the counter was reset in between, both, a nanosecond apart. Therefore a
// reading is told when the next one of its counter comes, or at the end.
//
// Reads only (spool_inspect.hpp); a segment at a time, and the last reading of each counter. One
// thread.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/spool/spool_inspect.hpp"

namespace tallyman::agent {

struct DumpRange {
  std::uint64_t from = 1;  ///< first batch
  std::uint64_t to = ~std::uint64_t{0};
};

struct DumpDone {
  std::uint64_t batches = 0, readings = 0, gaps = 0;
  std::uint64_t unknown = 0;          ///< readings and gaps whose definitions are lost
  std::vector<std::string> left_out;  ///< what is damaged, missing or stood in for, in words
};

/// Without a line end.
using DumpLine = std::function<void(const std::string&)>;

[[nodiscard]] Result<DumpDone> dump_readings(Files& files, const std::string& directory,
                                             const DumpRange& range, const DumpLine& line);

/// A batch as it stands in its segment.
struct DumpedBatch {
  std::string file;
  BatchPlace place;  ///< an open one: up to its last whole page, without a hash
  wire::Batch batch;
  bool open = false;
};
[[nodiscard]] Result<DumpDone> dump_batches(Files& files, const std::string& directory,
                                            const DumpRange& range,
                                            const std::function<void(const DumpedBatch&)>& batch);

}  // namespace tallyman::agent
