#pragma once
// Replay: a closed period rated again from the raw log, held against what is stored, byte by byte;
// and each round of its adjustments, by the round's own cut and catalogue.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rater/rerate.hpp"

namespace tallyman::rater {

/// A message that is not the same twice. An empty body: there is none on that side.
struct MessageDifference {
  std::string type, customer, meter;  ///< meter empty: a sum; customer too: the sum of all
  std::string stored, again;          ///< the bodies
  std::string what;                   ///< what beside the body differs, in words; may be empty
  friend bool operator==(const MessageDifference&, const MessageDifference&) = default;
};

/// One round of adjustments.
struct RoundReplay {
  std::uint64_t revision = 0;
  std::string state;              ///< draft or released
  std::uint64_t adjustments = 0;  ///< stored
  std::uint64_t sums = 0;
  std::uint64_t streams = 0, batches = 0;
  Hash stored{}, again{};
  std::string tz_then;
  std::vector<MessageDifference> differences;

  [[nodiscard]] bool identical() const { return differences.empty() && stored == again; }
};

struct Replay {
  Period period;
  std::string state;          ///< draft or released
  std::uint64_t records = 0;  ///< usage records stored
  std::uint64_t sums = 0;     ///< period records stored
  std::uint64_t streams = 0, batches = 0;
  Hash stored{}, again{};                      ///< over all bodies, in their order
  std::string tz_then, tz_now;                 ///< versions of the tz database
  std::vector<MessageDifference> differences;  ///< by customer and meter, sums last
  std::vector<RoundReplay> rounds;             ///< of adjustments, by revision

  /// Of the period as it was closed.
  [[nodiscard]] bool closed_identical() const { return differences.empty() && stored == again; }
  /// Of that and of all rounds.
  [[nodiscard]] bool identical() const;
};

/// Matches messages by type, customer and meter. Pure.
[[nodiscard]] std::vector<MessageDifference> compare_messages(const std::vector<Message>& stored,
                                                              const std::vector<Message>& again);
/// Over the bodies and ids, in order. Pure.
[[nodiscard]] Hash hash_of_messages(const std::vector<Message>& messages);

/// "" = the latest closed period.
[[nodiscard]] Result<Replay> replay(Snapshot& snapshot, const std::string& period,
                                    const RerateProgress& progress = {});

}  // namespace tallyman::rater
