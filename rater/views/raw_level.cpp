#include "rater/views/raw_level.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace tallyman::rater {

namespace {

/// One slot of several series together.
struct Cell {
  u128 value = 0;
  bool held = false, measured = false, spread = false;
};
using Cells = std::map<Ns, Cell>;  ///< by the slot's start

/// What one series has of one slot, its parts together.
struct Known {
  u128 raw = 0;
  std::uint64_t peak = 0;
  Ns held = 0, covered = 0, estimated = 0;
};

std::map<Ns, Known> known_of(const RawHolding& series, Ns slot) {
  std::map<Ns, Known> known;
  for (const Span& span : series.held) {
    for (Ns at = span.from; at < span.to;) {
      const Ns begin = at / slot * slot, next = std::min(span.to, begin + slot);
      known[begin].held += next - at;
      at = next;
    }
  }
  for (const ExplainedSlot& part : series.slots) {
    Known& of = known[part.from / slot * slot];
    of.raw += part.raw;
    of.peak = std::max(of.peak, part.raw_peak);
    of.covered += part.covered;
    of.estimated += part.estimated;
  }
  return known;
}

/// As of a full slot that is all like what is known of it.
u128 full_slot(const Known& known, Ns slot) {
  if (known.covered >= slot) return known.raw;
  return mul_div(known.raw, static_cast<u128>(slot), static_cast<u128>(known.covered)).value_or(0);
}

/// Who holds half of a slot has it. Of a peak any known part tells, of all else half must be known.
void add(Cells& cells, const RawHolding& series, Ns slot, bool peaks) {
  for (const auto& [begin, known] : known_of(series, slot)) {
    if (known.held * 2 < slot) continue;
    Cell& cell = cells[begin];
    cell.held = true;
    if (peaks) {
      if (known.covered == 0) continue;
      cell.value += known.peak;
      cell.measured = true;
      continue;
    }
    if (known.covered * 2 < slot) continue;
    cell.value += full_slot(known, slot);
    ((known.covered - known.estimated) * 2 >= slot ? cell.measured : cell.spread) = true;
  }
}

void take_higher(Cells& mine, const Cells& theirs) {
  for (const auto& [begin, cell] : theirs) {
    Cell& to = mine[begin];
    to.value = std::max(to.value, cell.value);
    to.held |= cell.held;
    to.measured |= cell.measured;
    to.spread |= cell.spread;
  }
}

/// Slots that count, ascending by value.
struct Counted {
  std::vector<std::pair<u128, Ns>> values;
  std::uint64_t held = 0, missing = 0;
};

Counted counted(const Cells& cells, Missing missing) {
  Counted out;
  for (const auto& [begin, cell] : cells) {
    if (!cell.held) continue;
    ++out.held;
    if (!cell.measured) ++out.missing;
    if (cell.measured || (missing == Missing::spread && cell.spread)) {
      out.values.emplace_back(cell.value, begin);
    } else if (missing == Missing::zero) {
      out.values.emplace_back(0, begin);
    }
  }
  std::sort(out.values.begin(), out.values.end());
  return out;
}

/// Rank of the value that is billed: of n values no more than 5 in 100 are above it.
std::uint64_t percentile_rank(std::uint64_t n) { return n - n * 5 / 100; }

ExplainedRank rank_of(const Counted& of, std::uint64_t k, std::string name, const char* unit) {
  ExplainedRank rank{.of = std::move(name), .unit = unit};
  const auto& values = of.values;
  rank.held = of.held;
  rank.slots = values.size();
  rank.left_out = of.held - rank.slots;
  if (k == 0) return rank;
  rank.discarded = values.size() - k;
  const auto place = [&](std::uint64_t at) {
    return ExplainedRank::Place{at, values[at - 1].second, values[at - 1].first};
  };
  rank.picked = place(k);
  if (k > 1) rank.below = place(k - 1);
  if (k < values.size()) rank.above = place(k + 1);
  return rank;
}

/// Takes in one way of looking at the series: the highest of all is billed.
void take(RawLevel& level, const Cells& cells, const Meter& meter, std::string name,
          const char* unit) {
  const bool peak = meter.measure == Measure::peak;
  const Counted of = counted(cells, peak ? Missing::exclude : meter.missing);
  const std::uint64_t n = of.values.size();
  level.ranks.push_back(rank_of(of, peak ? n : percentile_rank(n), std::move(name), unit));
  level.held = std::max(level.held, of.held);
  level.missing = std::max(level.missing, of.missing);
  if (const auto& picked = level.ranks.back().picked) {
    level.base = std::max(level.base, Rational(picked->value));
  }
}

RawLevel of_counters(const Line& line, const std::vector<RawHolding>& series) {
  constexpr const char* kUnit = "bytes";
  const Meter& meter = line.meter;
  RawLevel level;
  Cells in, out, both;
  for (const RawHolding& each : series) {
    add(each.in ? in : out, each, line.slot, false);
    add(both, each, line.slot, false);
  }
  const bool each_way = meter.direction == Direction::max_of_p95;
  if (meter.direction == Direction::in || each_way) take(level, in, meter, "in", kUnit);
  if (meter.direction == Direction::out || each_way) take(level, out, meter, "out", kUnit);
  if (meter.direction == Direction::p95_of_max) {
    take_higher(in, out);
    take(level, in, meter, "the higher of in and out", kUnit);
  }
  if (meter.direction == Direction::sum || meter.direction == Direction::p95_of_sum) {
    take(level, both, meter, "in + out", kUnit);
  }
  return level;
}

/// The mean of the slots that hold the local instants, of those that are measured.
RawLevel daily(const Line& line, const Cells& cells) {
  Cells days;
  u128 sum = 0;
  for (const Ns at :
       daily_at(line.customer.zone, line.meter.snapshot_hour, line.period.start, line.period.end)) {
    const auto cell = cells.find(at / line.slot * line.slot);
    if (cell == cells.end()) continue;
    days.insert(*cell);
    if (cell->second.measured) sum += cell->second.value;
  }
  const Counted of = counted(days, Missing::exclude);
  RawLevel level;
  level.held = of.held;
  level.missing = of.missing;
  level.ranks = {rank_of(of, 0, "daily snapshots", "byte-nanoseconds")};
  if (!of.values.empty()) {
    level.base = Rational(sum, of.values.size()) / Rational(static_cast<u128>(line.slot));
  }
  return level;
}

RawLevel of_gauges(const Line& line, const std::vector<RawHolding>& series) {
  const bool peaks = line.meter.measure == Measure::peak;
  Cells cells;
  for (const RawHolding& each : series) add(cells, each, line.slot, peaks);
  if (line.meter.measure == Measure::daily_snapshot) return daily(line, cells);
  RawLevel level;
  take(level, cells, line.meter, peaks ? "the highest" : "stored",
       peaks ? "bytes" : "byte-nanoseconds");
  if (!peaks) level.base = level.base / Rational(static_cast<u128>(line.slot));
  return level;
}

RawLevel together(const Line& line, const std::vector<RawHolding>& series) {
  return line.meter.of_gauges() ? of_gauges(line, series) : of_counters(line, series);
}

std::string port_text(const RawHolding& series) {
  std::string labels;
  for (const auto& [name, value] : series.labels) {
    labels += (labels.empty() ? " " : ",") + name + "=" + value;
  }
  return series.source + labels;
}

}  // namespace

RawLevel raw_level(const Line& line, const std::vector<RawHolding>& series) {
  if (line.meter.aggregate == Aggregate::sum) return together(line, series);
  std::map<std::pair<std::string, std::map<std::string, std::string>>, std::vector<RawHolding>>
      ports;
  for (const RawHolding& each : series) ports[{each.source, each.labels}].push_back(each);
  RawLevel level;
  for (const auto& [port, theirs] : ports) {
    RawLevel one = together(line, theirs);
    level.base = level.base + one.base;
    level.held += one.held;
    level.missing += one.missing;
    for (ExplainedRank& rank : one.ranks) {
      rank.of = port_text(theirs.front()) + ": " + rank.of;
      level.ranks.push_back(std::move(rank));
    }
  }
  return level;
}

}  // namespace tallyman::rater
