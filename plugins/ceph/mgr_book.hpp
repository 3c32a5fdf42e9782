#pragma once
// What the mgr's figures are worth, pure: state × an answer × instant → state × readings and gaps.
//
// A mgr that has just begun knows nothing and says 0. So a pool counts only while every one of its
// placement groups has been heard of, and nothing does while the cluster has no bytes at all.
//
//   pool or image seen first of all        a baseline
//   pool not there at the last good answer its counters began at zero after it: start = that answer
//   pool's counters fell                   unknown at first (Ceph never takes them back); when
//   three
//                                          answers in a row say so, a baseline of a new epoch
//   images, same life of the mgr           go on
//   the mgr began anew, or another is
//   active, since the last good answer     the mgr counts images from zero: new epochs, that start
//                                          with the last good answer
//   another mgr, or one that looked less
//   often, but for longer than that        one that lost its monitors says what it once counted:
//                                          not believed; when three answers in a row say so, all
//                                          images are baselines, and a gap
//   an answer that does not say which mgr
//   it is, or how often it looked          images unknown
//   image's counters fell                  made again under its name: as an image not seen before
//   image not seen before                  start = the last good answer, unless an image that has
//                                          just gone had counted no more than this one: it may be
//                                          that one, renamed, with its counters. Then a baseline,
//                                          and a gap
//   image seen again, same life            goes on: the mgr had failed to list it
//   long silence, and nothing proves that
//   the mgr lived through it               images are baselines, and a gap
//
// A life of the mgr is known by how often it has looked, once per scrape interval at most: a count
// that falls is another life, and one high enough proves that the life is longer than the silence.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "mgr_metrics.hpp"

namespace ceph {

/// One counter's life. Instants are nanoseconds since 1970.
struct CounterLife {
  std::int64_t birth = 0;  ///< names it among those of its series; 0 = seen first of all
  bool from_zero = false;  ///< known to have been zero at `birth`
  [[nodiscard]] std::int64_t start() const { return from_zero ? birth : 0; }
  friend bool operator==(const CounterLife&, const CounterLife&) = default;
};

struct TrackedCounters {
  CounterLife life;
  std::uint64_t read = 0, written = 0;
  std::int64_t seen = 0;     ///< instant of the last good answer that had it
  std::uint32_t fallen = 0;  ///< answers in a row that told less; not in the bytes
  friend bool operator==(const TrackedCounters&, const TrackedCounters&) = default;
};

/// What the last good answer left behind.
struct MgrState {
  std::int64_t instant = 0;       ///< of the last good answer; 0 = there was none
  std::int64_t images_at = 0;     ///< of the last that was good for images, too
  std::string active;             ///< the mgr that gave that
  std::uint64_t collections = 0;  ///< how often it had looked
  /// By id, and by image_hash(); those gone for a week at most, too.
  std::map<std::string, TrackedCounters> pools;
  std::map<std::uint64_t, TrackedCounters> images;
  bool images_whole = true;   ///< all of them are here
  std::uint32_t doubted = 0;  ///< answers in a row that were not believed; not in the bytes
  friend bool operator==(const MgrState&, const MgrState&) = default;
};

[[nodiscard]] std::uint64_t image_hash(const ImageName& name);

/// A pool or image and what is known of it now. A gap where `why` is not empty.
struct PoolTold {
  std::string id;
  const PoolFigures* figures = nullptr;  ///< the answer's
  CounterLife life;
  std::string why;           ///< of the pool as a whole
  std::string counters_why;  ///< of its counters
};
struct ImageTold {
  const ImageName* name = nullptr;  ///< the answer's
  const ImageFigures* figures = nullptr;
  CounterLife life;
  std::string why;
  std::string lost;  ///< why it is a gap although it is told: some of its bytes may be missing
};

struct MgrStep {
  MgrState next;
  std::string why;  ///< the answer is not believed: nothing of it is told; "" when it is
  std::vector<PoolTold> pools;
  std::string images_why;  ///< none of the images are known; "" when they are
  std::vector<ImageTold> images;
};

/// For how long an answer that does not change passes for a good one, nanoseconds.
[[nodiscard]] std::int64_t stale_after(std::int64_t scrape);

/// `scrape`: nanoseconds that the mgr lets pass between two looks.
[[nodiscard]] MgrStep advance(MgrState before, const MgrMetrics& metrics, std::int64_t instant,
                              std::int64_t scrape);

// ---- State in bytes ----------------------------------------------------------------------------
// version 2; numbers are LEB128 of at most 64 bits, text has its length before it:
//   usage_begin · usage_told · instant · instant less images_at · active · collections ·
//   count of gateways, each: endpoint, answered, count of processes, their names ·
//   count of pools, each: id, counters · images_whole · count of images, each: 8 bytes hash,
//   counters
//   counters: birth · from_zero · read · written · instant less seen
// version 1 has no images_at, which is the instant, and no gateways.
// Images that do not fit are left out and images_whole is 0: after a restart they are baselines.
// Considered: names of images (a thousand would not fit), rates of change (decide nothing).

constexpr std::uint32_t kStateVersion = 2;
constexpr std::size_t kMaxStateBytes = 64U << 10U;

/// What answers at an endpoint: one that was killed while nobody polled is told by its process.
struct KnownGateway {
  std::set<std::string> processes;
  bool answered = false;  ///< at the last poll
  friend bool operator==(const KnownGateway&, const KnownGateway&) = default;
};

struct SavedState {
  std::int64_t usage_begin =
      0;  ///< the first hour of usage that is metered, in seconds; 0 = none yet
  std::int64_t usage_told = 0;  ///< all usage up to this instant was told, in seconds
  std::map<std::string, KnownGateway> gateways;  ///< by endpoint
  MgrState mgr;
  friend bool operator==(const SavedState&, const SavedState&) = default;
};

/// At most kMaxStateBytes; a fault when not even the pools fit.
[[nodiscard]] std::variant<std::string, Fault> encode_state(const SavedState& state);
/// Total: any bytes give a state or a fault.
[[nodiscard]] std::variant<SavedState, Fault> decode_state(std::uint32_t version,
                                                           std::string_view bytes);

}  // namespace ceph
