#include "rater/intake/intake_rules.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <type_traits>
#include <variant>

namespace tallyman::rater {
namespace {

using Kind = Verdict::Kind;

template <typename T, typename... Bodies>
constexpr std::size_t place_in(std::type_identity<std::variant<Bodies...>> /*list*/) {
  std::size_t place = 0;
  static_cast<void>(((std::is_same_v<T, Bodies> || (++place, false)) || ...));
  return place;
}

/// The place of a body's type in wire::DefBody.
template <typename T>
constexpr std::size_t kind_of() {
  return place_in<T>(std::type_identity<wire::DefBody>{});
}

bool instant(Ns at) { return at >= 0; }

std::string lacks(const std::string& who, const char* what, wire::DefNo number) {
  return fmt::format("{} refers to {} {}, which is not defined", who, what, number);
}

Verdict judge_held(const wire::BatchHead& head, const Hash& hash, const ChainState& state) {
  // The hash of a number inside a stand-in, or one that a stand-in did not know, is not known.
  const bool known = state.at_last && state.at_last->last == head.last &&
                     state.at_last->hash != kNoHash && hash != kNoHash;
  if (!known || state.at_last->hash == hash) return {Kind::repeat, {}};
  return {Kind::diverged,
          fmt::format("batch {} is held with other content; open a new incarnation", head.last)};
}

Verdict diverged_before(std::uint64_t sequence) {
  return {Kind::diverged,
          fmt::format("batch {} does not follow the one held before it; open a new incarnation",
                      sequence)};
}

}  // namespace

Hash chain_hash(const wire::BatchHead& head, ByteView bytes) {
  return head.kind == wire::BatchKind::normal ? wire::batch_hash(bytes) : head.original;
}

Verdict judge(const wire::BatchHead& head, const Hash& hash, const ChainState& state) {
  const bool range = head.kind == wire::BatchKind::stand_in;
  if (head.sequence == 0 || head.last > kMaxNumber || head.last < head.sequence ||
      (!range && head.last != head.sequence)) {
    return {Kind::malformed,
            fmt::format("a batch cannot cover the numbers {} to {}", head.sequence, head.last)};
  }
  if (head.last <= state.mark) return judge_held(head, hash, state);
  if (head.sequence > state.mark + 1) {
    return {Kind::out_of_order,
            fmt::format("batch {} came, {} is next; say hello and send from there", head.sequence,
                        state.mark + 1)};
  }
  if (head.sequence == state.mark + 1) {
    if (head.previous != state.mark_hash) return diverged_before(head.sequence);
    return {Kind::apply, {}};
  }
  // A range that begins below: what stands before it must agree as far as it is known.
  const bool begins = head.sequence == 1;
  const bool known = state.at_before && state.at_before->last == head.sequence - 1 && !begins &&
                     state.at_before->hash != kNoHash;
  if ((begins && head.previous != kNoHash) || (known && head.previous != state.at_before->hash)) {
    return diverged_before(head.sequence);
  }
  return {Kind::apply, {}};
}

const References::Known* References::find(wire::DefNo number, std::size_t kind) const {
  const auto it = known_.find(number);
  return it != known_.end() && it->second.kind == kind ? &it->second : nullptr;
}

std::string References::wrong_in(const std::string& who, const wire::SeriesDef& series) const {
  const Known* metric = find(series.metric, kind_of<wire::MetricDef>());
  if (metric == nullptr) return lacks(who, "metric", series.metric);
  if (find(series.source, kind_of<wire::SourceDef>()) == nullptr) {
    return lacks(who, "source", series.source);
  }
  if (metric->identity == series.identity.size()) return {};
  return fmt::format("{} has {} identity labels, its metric {}", who, series.identity.size(),
                     metric->identity);
}

std::string References::wrong_in(const std::string& who, const wire::InfoDef& info) const {
  const Known* series = find(info.series, kind_of<wire::SeriesDef>());
  if (series == nullptr) return lacks(who, "series", info.series);
  const Known* metric = find(series->refers, kind_of<wire::MetricDef>());
  const std::size_t labels = metric != nullptr ? metric->info : 0;
  if (labels != info.values.size()) {
    return fmt::format("{} has {} info labels, its metric {}", who, info.values.size(), labels);
  }
  return instant(info.from) ? std::string() : who + " begins before 1970";
}

std::string References::wrong_in(const std::string& who, const wire::EpochDef& epoch) const {
  if (find(epoch.series, kind_of<wire::SeriesDef>()) == nullptr) {
    return lacks(who, "series", epoch.series);
  }
  return instant(epoch.start) ? std::string() : who + " starts before 1970";
}

std::string References::check(const wire::Definition& definition) const {
  const std::string who = fmt::format("definition {}", definition.number);
  if (definition.number == 0 || definition.number > kMaxNumber) return who + " has no such number";
  if (has(definition.number)) return who + " is there already";
  const wire::DefBody& body = definition.body;
  if (const auto* series = std::get_if<wire::SeriesDef>(&body)) return wrong_in(who, *series);
  if (const auto* epoch = std::get_if<wire::EpochDef>(&body)) return wrong_in(who, *epoch);
  if (const auto* info = std::get_if<wire::InfoDef>(&body)) return wrong_in(who, *info);
  if (const auto* instance = std::get_if<wire::InstanceDef>(&body)) {
    if (instance->interval <= 0) return who + " is an instance without an interval";
  }
  if (const auto* metric = std::get_if<wire::MetricDef>(&body)) {
    if (metric->resolution < 0) return who + " is a metric with a negative resolution";
  }
  return {};
}

std::string References::check(const wire::Poll& poll) const {
  const std::string who = fmt::format("the poll due at {}", poll.scheduled);
  if (find(poll.instance, kind_of<wire::InstanceDef>()) == nullptr) {
    return lacks(who, "instance", poll.instance);
  }
  if (!instant(poll.scheduled) || !instant(poll.wall) || !instant(poll.boot)) {
    return who + " has a negative instant";
  }
  for (const wire::Value& value : poll.values) {
    if (find(value.epoch, kind_of<wire::EpochDef>()) == nullptr) {
      return lacks(who, "epoch", value.epoch);
    }
    if (!instant(value.time)) return who + " has a reading before 1970";
  }
  for (const wire::DefNo ended : poll.ended) {
    if (find(ended, kind_of<wire::EpochDef>()) == nullptr) return lacks(who, "epoch", ended);
  }
  return {};
}

std::string References::check(const wire::Gap& gap) const {
  const std::string who = fmt::format("the gap from {}", gap.from);
  if (find(gap.instance, kind_of<wire::InstanceDef>()) == nullptr) {
    return lacks(who, "instance", gap.instance);
  }
  const bool subject = gap.subject == 0 ||
                       find(gap.subject, kind_of<wire::SourceDef>()) != nullptr ||
                       find(gap.subject, kind_of<wire::MetricDef>()) != nullptr ||
                       find(gap.subject, kind_of<wire::SeriesDef>()) != nullptr;
  if (!subject) return lacks(who, "source, metric or series", gap.subject);
  if (!instant(gap.from) || gap.to < gap.from) return who + " ends before it begins";
  return {};
}

void References::add(const wire::Definition& definition) {
  Known known{.kind = definition.body.index()};
  if (const auto* metric = std::get_if<wire::MetricDef>(&definition.body)) {
    known.identity = metric->identity.size();
    known.info = metric->info.size();
  } else if (const auto* series = std::get_if<wire::SeriesDef>(&definition.body)) {
    known.refers = series->metric;
  }
  known_.insert_or_assign(definition.number, known);
}

wire::DefNo References::contiguous(wire::DefNo from) const {
  while (known_.contains(from + 1)) ++from;
  return from;
}

}  // namespace tallyman::rater
