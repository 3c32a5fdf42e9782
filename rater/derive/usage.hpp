#pragma once
// What derivation hands to rating: usage per view and slot, and how far each stream has come.

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/hash.hpp"
#include "base/result.hpp"
#include "rater/derive/derive.hpp"
#include "rater/slots/slot_array.hpp"

namespace tallyman::rater {

/// The info labels of a series, seen by one view, from an instant until the next span.
struct InfoSpan {
  Ns from = 0;
  std::map<std::string, std::string> labels;
};

/// What is known of a view but its slots. `absent` spans are those in which the series is known not
/// to exist: between a known end (a good poll without it, no gap) and its next reading or known
/// start, at most as far as the view's polls tell. There nothing is unknown; usage is zero.
struct ViewFacts {
  ViewKey view;
  std::vector<InfoSpan> info;  ///< ascending by `from`
  Ns resolution = 0;           ///< as the metric declares it; 0 = exact at the poll
  std::vector<Span> absent;    ///< ascending; clipped to what was asked for, or not
};

/// One view's usage over the slots asked for: ascending by slot; a slot nothing is known of is
/// absent.
struct ViewUsage : ViewFacts {
  std::vector<SlotUsage> slots;
};

/// Where rating takes usage from: the facts of all views at once, the slots of one view at a time,
/// so that a period of any size is rated in the memory of one customer's series. Owned by who
/// rates; one thread.
class UsageSource {
 public:
  UsageSource() = default;
  virtual ~UsageSource() = default;
  UsageSource(const UsageSource&) = delete;
  UsageSource& operator=(const UsageSource&) = delete;
  /// In any order; they stay as they are.
  [[nodiscard]] virtual const std::vector<ViewFacts>& views() const = 0;
  /// The slots of views()[view], at least of the span that is rated, and of the slot behind it what
  /// crosses its start. May be asked for again.
  [[nodiscard]] virtual Result<SlotArray> slots(std::size_t view) = 0;
};

/// Usage that is in memory already.
class KeptUsage : public UsageSource {
 public:
  /// `usage` outlives it.
  KeptUsage(std::span<const ViewUsage> usage, Ns slot);
  [[nodiscard]] const std::vector<ViewFacts>& views() const override { return views_; }
  [[nodiscard]] Result<SlotArray> slots(std::size_t view) override;

 private:
  std::span<const ViewUsage> usage_;
  std::vector<ViewFacts> views_;
  Ns slot_;
};

/// How far one stream (agent and incarnation) has been derived: part of a close's cut.
struct StreamMark {
  std::string agent;
  wire::Incarnation incarnation{};
  std::uint64_t sequence = 0;
  Hash hash = kNoHash;
  Ns watermark = 0;       ///< everything of this agent before this instant is in; 0 = unknown
  bool imported = false;  ///< from a file: says nothing of how far the agent has come
  bool empty = false;     ///< said hello and has sent no batch yet
};

}  // namespace tallyman::rater
