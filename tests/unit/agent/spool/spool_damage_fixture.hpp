#pragma once
// A whole spool, what it held, and copies of it to damage: the oracle of the corruption tests.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/spool/spool_dump.hpp"
#include "agent/spool/spool_verify.hpp"
#include "spool_fixture.hpp"

namespace tallyman::agent {

struct WholeSpool {
  struct Place {
    std::string path;
    std::uint64_t sequence = 0, offset = 0, size = 0;
  };

  /// Batches of `polls` polls each, in segments of about `segment_bytes`, of which the rater holds
  /// those up to `mark`.
  void fill(std::uint64_t batches, std::uint64_t polls, std::uint64_t segment_bytes,
            std::uint64_t acknowledged = 0) {
    bench.options.segment_bytes = segment_bytes;
    ASSERT_TRUE(bench.open()) << bench.error;
    for (std::uint64_t i = 1; i <= batches * polls; ++i) {
      ASSERT_TRUE(bench.append(i).ok());
      if (i % polls == 0) {
        ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
        ASSERT_TRUE(bench.sync());
      }
    }
    for (auto& batch : drain(*bench.spool, 0, kNoHash)) held.emplace(batch.sequence, batch);
    ASSERT_EQ(held.size(), batches);
    mark = acknowledged;
    if (mark > 0) {
      ASSERT_TRUE(bench.spool->acknowledge(mark).ok());
      bench.clock.advance(10 * kSecond);
    }
    bench.spool.reset();
    const auto folder = look_at_spool(*bench.files, "/spool");
    ASSERT_TRUE(folder.ok());
    for (const auto& segment : folder->segments) {
      const auto look = look_at_segment(*bench.files, *folder, segment, {});
      ASSERT_TRUE(look.ok() && *look);
      for (const auto& place : (*look)->scan.batches)
        places.push_back({segment.path, place.first, place.offset, place.size});
    }
    ASSERT_GE(places.size(), batches - mark);
    newest = folder->segments.back().path;
    lines = dump(*bench.files);
  }

  static std::vector<std::string> dump(FakeFiles& files, DumpDone* done = nullptr) {
    std::vector<std::string> out;
    const auto told =
        dump_readings(files, "/spool", {}, [&](const std::string& line) { out.push_back(line); });
    if (told.ok() && done != nullptr) *done = *told;
    std::sort(out.begin(), out.end());
    return out;
  }

  /// A copy to damage.
  void copy_to(SpoolBench& other) {
    other.options = bench.options;
    other.clock = bench.clock;
    other.files = bench.files->after(Crash::process);
  }

  static bool holds(const Bytes* file, ByteView bytes) {
    return file != nullptr &&
           std::search(file->begin(), file->end(), bytes.begin(), bytes.end()) != file->end();
  }

  [[nodiscard]] ByteView bytes_at(const Place& place) {
    return ByteView(*bench.files->bytes_of(place.path))
        .subspan(static_cast<std::size_t>(place.offset), static_cast<std::size_t>(place.size));
  }

  /// The batches whose bytes do not stand in their file any more.
  std::set<std::uint64_t> touched(FakeFiles& files) {
    std::set<std::uint64_t> out;
    for (const auto& place : places) {
      const Bytes* now = files.bytes_of(place.path);
      const ByteView own = bytes_at(place);
      const auto at = static_cast<std::ptrdiff_t>(place.offset);
      const bool same = now != nullptr && now->size() >= place.offset + place.size &&
                        std::equal(own.begin(), own.end(), now->begin() + at);
      if (!same && !holds(now, own)) out.insert(place.sequence);
    }
    return out;
  }

  /// Whether a swap of blocks brought the batch into another file: then it may be found or not.
  bool elsewhere(FakeFiles& files, std::uint64_t sequence) {
    const auto place = std::find_if(places.begin(), places.end(),
                                    [&](const Place& each) { return each.sequence == sequence; });
    const auto paths = files.paths();
    return std::any_of(paths.begin(), paths.end(), [&](const std::string& path) {
      return holds(files.bytes_of(path), bytes_at(*place));
    });
  }

  /// Batches of a spool that was opened, against what it held: others than the touched ones are
  /// byte-identical, a touched one keeps its number and holds nothing but what it held; past the
  /// last untouched one they may be gone.
  void check(SpoolBench& opened, const std::set<std::uint64_t>& hit) {
    const std::uint64_t from = opened.spool->stats().acknowledged;
    ASSERT_TRUE(from == mark || from == 0 || !hit.empty()) << "the mark moved to " << from;
    const auto found =
        drain(*opened.spool, from, opened.spool->hash_of_batch(from).value_or(kNoHash));
    const bool told = !opened.spool->recovery().notes.empty();
    std::uint64_t next = from + 1;
    for (const auto& batch : found) {
      ASSERT_EQ(batch.sequence, next);
      next = batch.last + 1;
      const auto head = wire::decode_batch_head(batch.bytes);
      ASSERT_TRUE(head.ok());
      for (std::uint64_t n = batch.sequence; n <= batch.last; ++n) {
        ASSERT_TRUE(held.contains(n)) << "batch " << n << " was invented";
        if (hit.contains(n)) continue;
        ASSERT_EQ(batch.bytes, held.at(n).bytes) << "batch " << n << " was not touched";
      }
      if (batch.sequence != batch.last) {
        ASSERT_EQ(head->kind, wire::BatchKind::stand_in);
        continue;
      }
      if (batch.bytes != held.at(batch.sequence).bytes) {
        ASSERT_TRUE(told) << "nothing says what became of batch " << batch.sequence;
        ASSERT_TRUE(head->kind != wire::BatchKind::normal || batch.sequence >= last_after(hit))
            << "batch " << batch.sequence << " is damaged and seems whole";
      }
      const auto all = values_of(held.at(batch.sequence).bytes);
      for (const auto value : values_of(batch.bytes))
        ASSERT_TRUE(std::find(all.begin(), all.end(), value) != all.end())
            << "batch " << batch.sequence << " holds an invented value";
    }
    for (auto n = next; n <= held.rbegin()->first; ++n)
      ASSERT_TRUE(hit.contains(n)) << "batch " << n << " is gone, and was not touched";
  }

  /// The first of the batches at the end that are all touched: what no whole batch follows.
  std::uint64_t last_after(const std::set<std::uint64_t>& hit) const {
    std::uint64_t n = held.rbegin()->first;
    while (n > 0 && hit.contains(n)) --n;
    return n + 1;
  }

  /// Lines of the damaged dump: none invented, none missing that is not of a touched batch.
  void check_lines(FakeFiles& files, const std::set<std::uint64_t>& hit) {
    DumpDone done;
    const auto now = dump(files, &done);
    ASSERT_TRUE(std::includes(lines.begin(), lines.end(), now.begin(), now.end()));
    std::size_t lost = 0;
    for (const auto n : hit) lost += values_of(held.at(n).bytes).size();
    ASSERT_GE(now.size() + lost, lines.size())
        << testing::PrintToString(done.left_out) << done.unknown << " unknown";
  }

  SpoolBench bench;
  std::map<std::uint64_t, SealedBatch> held;
  std::vector<Place> places;
  std::vector<std::string> lines;
  std::string newest;
  std::uint64_t mark = 0;
};

}  // namespace tallyman::agent
