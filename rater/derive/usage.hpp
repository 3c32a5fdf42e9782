#pragma once
// What derivation hands to rating: usage per view and slot, and how far each stream has come.
// Plain values.

#include <map>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/hash.hpp"
#include "rater/derive/derive.hpp"

namespace tallyman::rater {

/// The info labels of a series, seen by one view, from an instant until the next span.
struct InfoSpan {
  Ns from = 0;
  std::map<std::string, std::string> labels;
};

/// One view's usage over the slots asked for: ascending by slot; a slot nothing is known of is
/// absent. `absent` spans are those in which the series is known not to exist: between a known end
/// (a good poll without it, no gap) and its next reading or known start, at most as far as the
/// view's polls tell. There nothing is unknown; usage is zero.
struct ViewUsage {
  ViewKey view;
  std::vector<InfoSpan> info;  ///< ascending by `from`
  std::vector<SlotUsage> slots;
  Ns resolution = 0;         ///< as the metric declares it; 0 = exact at the poll
  std::vector<Span> absent;  ///< ascending; clipped to what was asked for, or not
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
