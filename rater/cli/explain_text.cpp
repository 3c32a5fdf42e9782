// An explanation as sections for people.

#include <algorithm>

#include "app/table.hpp"
#include "base/time_text.hpp"
#include "rater/cli/explain.hpp"
#include "rater/rating/measure.hpp"
#include "rater/rating/measure_claims.hpp"
#include "rater/views/record_texts.hpp"

namespace tallyman::rater::cli {
namespace {

constexpr std::size_t kLinesShown = 12;  ///< segments, gaps, anomalies, slots that differ

std::string section(const std::string& title, bool colour) {
  return "\n" + app::paint(title, app::Colour::faint, colour) + "\n";
}

/// Every value of the record's data, one a line: whatever a record has is shown.
std::string record_text(const Explanation& e) {
  const auto lines = record_lines(e.record.body);
  if (lines.empty()) return "  " + e.record.body + "\n";
  std::string out;
  for (const auto& [path, value] : lines) {
    std::string name = path;
    name.resize(std::max<std::size_t>(name.size(), 24), ' ');
    out += "  " + name + " " + value + "\n";
  }
  return out;
}

std::string chain_text(const Explanation& e, bool colour) {
  std::string out = "  " + std::to_string(e.chain.batches) + " batches of " +
                    std::to_string(e.chain.streams) + " streams, " +
                    app::human_bytes(e.chain.bytes) + ": ";
  if (e.chain.damages == 0) {
    out += app::paint("whole, and they stand where the period was cut", app::Colour::good, colour) +
           "\n";
  } else {
    out +=
        app::paint(std::to_string(e.chain.damages) + " damages", app::Colour::bad, colour) + "\n";
  }
  for (std::size_t i = 0; i < std::min(e.chain.findings.size(), kLinesShown); ++i) {
    const LedgerFinding& f = e.chain.findings[i];
    out += "  " + f.agent + "/" + f.incarnation.substr(0, 8) + ", " + f.table + " " +
           std::to_string(f.first);
    if (f.last > f.first) out += " to " + std::to_string(f.last);
    out += ": " + f.what + "\n";
  }
  out += "  cut " + to_hex(e.cut.hash()).substr(0, 12) + ", tz database " + e.cut.tz + "\n";
  return out;
}

std::string reading_text(const Explanation& e, const RawReading& reading) {
  return to_rfc3339_short(reading.at) + " = " + std::to_string(reading.value) + " (" +
         origin_of(e, reading.stream, reading.batch) + ")";
}

std::string more(std::size_t shown, std::size_t all, const char* what) {
  if (all <= shown) return "";
  return "      and " + std::to_string(all - shown) + " " + what + " more: --json has them\n";
}

std::string segments_text(const Explanation& e, const RawView& view) {
  std::string out;
  for (std::size_t i = 0; i < std::min(view.segments.size(), kLinesShown); ++i) {
    const RawSegment& s = view.segments[i];
    out += "      epoch " + std::to_string(s.epoch);
    if (s.start != 0) out += ", zero at " + to_rfc3339_short(s.start);
    out += ", " + std::to_string(s.readings) + " readings\n";
    out += "        first " + reading_text(e, s.first) + "\n";
    out += "        last  " + reading_text(e, s.last) + "\n";
    out += "        last minus " + std::string(s.from_zero ? "zero" : "first");
    if (s.before + s.after > 0) {
      out += ", less " + to_decimal(s.before + s.after) + " outside of the period";
    }
    if (s.kept_out > 0) out += ", less " + to_decimal(s.kept_out) + " kept out";
    out += ": " + to_decimal(s.growth()) + "\n";
  }
  return out + more(kLinesShown, view.segments.size(), "segments");
}

std::string intervals_text(const Explanation& e, const RawView& view) {
  std::string out;
  for (const RawInterval& interval : view.intervals) {
    out += "      " + reading_text(e, interval.from) +
           (interval.counted_from_zero ? " [zero]" : "") + "\n        to " +
           reading_text(e, interval.to) + ": " + to_decimal(interval.delta);
    if (interval.kept_out) {
      out += ", kept out as an anomaly";
    } else if (interval.in_slot != interval.delta) {
      out += ", of which here " + to_decimal(interval.in_slot);
    }
    out += "\n";
  }
  if (view.intervals_left_out > 0) {
    out += "      and " + std::to_string(view.intervals_left_out) + " intervals more\n";
  }
  return out;
}

std::string gaps_text(const Explanation& e, const RawView& view) {
  std::string out;
  for (std::size_t i = 0; i < std::min(view.gaps.size(), kLinesShown); ++i) {
    const RawGap& gap = view.gaps[i];
    out += "      gap ";
    if (gap.to != 0) out += to_rfc3339_short(gap.from) + " to " + to_rfc3339_short(gap.to) + ": ";
    out += gap.why + " (" + origin_of(e, gap.stream, gap.batch);
    if (gap.last_batch > gap.batch) out += " to " + std::to_string(gap.last_batch);
    out += ")\n";
  }
  return out + more(kLinesShown, view.gaps.size(), "gaps");
}

std::string time_text(const ExplainedSeries& s) {
  if (s.held_ns == 0) return "";
  const auto part = [&](Ns ns) {
    return Rational(static_cast<u128>(ns) * 100, static_cast<u128>(s.held_ns)).floored(3) + " %";
  };
  std::string out =
      "    held " + app::human_seconds(s.held_ns / kSecond) + ", known " + part(s.covered_ns);
  if (s.estimated_ns > 0) out += ", of it estimated " + part(s.estimated_ns) + " of the time";
  if (s.absent_ns > 0) out += ", not there " + part(s.absent_ns);
  return out + "\n";
}

std::string differences_text(const ExplainedSeries& s) {
  std::string out;
  std::size_t shown = 0, all = 0;
  for (const ExplainedSlot& slot : s.slots) {
    if (slot.raw == slot.amount && slot.raw_peak == slot.peak) continue;
    if (++all > kLinesShown) continue;
    ++shown;
    out += "      slot " + to_rfc3339_short(slot.from) + ": rated " + to_decimal(slot.amount) +
           ", raw readings " + to_decimal(slot.raw) + "\n";
  }
  return out + more(shown, all, "slots");
}

std::string anomalies_text(const char* what, const std::vector<AnomalyContent>& anomalies) {
  std::string out;
  for (std::size_t i = 0; i < std::min(anomalies.size(), kLinesShown); ++i) {
    const AnomalyContent& a = anomalies[i];
    out += "      " + std::string(what) + ": " + to_rfc3339_short(a.from) + " to " +
           to_rfc3339_short(a.to) + ": " + to_decimal(a.value) + ": " + a.why + "\n";
  }
  return out + more(kLinesShown, anomalies.size(), "anomalies");
}

std::string series_section(const Explanation& e, const ExplainedSeries& s, bool colour) {
  const std::string unit =
      s.key.kind == wire::Kind::gauge ? s.key.unit + " × nanoseconds" : s.key.unit;
  std::string out = "  " + std::string(s.in ? "in   " : "out  ") + series_text(s.key) + "\n";
  out += time_text(s);
  for (std::size_t i = 0; i < s.raw.size(); ++i) {
    out += "    read by " + s.views[i].agent + "/" + s.views[i].instance + ": " +
           std::to_string(s.raw[i].readings) + " readings\n";
    out += segments_text(e, s.raw[i]) + gaps_text(e, s.raw[i]) + intervals_text(e, s.raw[i]);
  }
  out += anomalies_text("kept out", s.anomalies) + anomalies_text("accepted", s.accepted);
  out += "    rated: " + std::to_string(s.slots.size()) + " slots, sum " + to_decimal(s.slots_sum) +
         " " + unit + "\n";
  out += "    from raw readings: " + to_decimal(s.raw_sum);
  if (s.last_minus_first) out += ", last minus first " + to_decimal(*s.last_minus_first);
  out += ": " +
         (s.agrees() ? app::paint("the same", app::Colour::good, colour)
                     : app::paint("not the same", app::Colour::bad, colour)) +
         "\n";
  return out + differences_text(s);
}

/// What it adjusts, by how much, why and by whom.
std::string adjusts_text(const ExplainedAdjustment& a) {
  const auto or_none = [](const std::string& text) { return text.empty() ? "none" : text; };
  std::string out = "  record   " + or_none(a.original) + "\n";
  if (a.previous != a.original) out += "  previous " + or_none(a.previous) + "\n";
  for (const ExplainedAdjustment::Change& change : a.changes) {
    if (change.before.empty() && change.after.empty()) continue;
    std::string name = change.name;
    name.resize(8, ' ');
    out += "  " + name + " " + or_none(change.before) + " → " + or_none(change.after);
    if (!change.difference.empty()) out += ", difference " + change.difference;
    out += "\n";
  }
  for (std::size_t i = 0; i < std::min(a.causes.size(), kLinesShown); ++i) {
    out += "  because of " + a.causes[i] + "\n";
  }
  out += more(kLinesShown, a.causes.size(), "causes");
  return out + "  " +
         (a.released.empty() ? "a draft: it has not gone out" : "released: " + a.released) + "\n";
}

std::string place_text(const char* what, const std::optional<ExplainedRank::Place>& place,
                       const std::string& unit) {
  if (!place) return "";
  return "    " + std::string(what) + " rank " + std::to_string(place->rank) + ": " +
         to_decimal(place->value) + " " + unit + " in the slot of " +
         to_rfc3339_short(place->slot) + "\n";
}

std::string ranks_text(const std::vector<ExplainedRank>& ranks) {
  std::string out;
  for (std::size_t i = 0; i < std::min(ranks.size(), kLinesShown); ++i) {
    const ExplainedRank& rank = ranks[i];
    out += "  " + rank.of + ": " + std::to_string(rank.held) + " slots held, " +
           std::to_string(rank.left_out) + " left out, " + std::to_string(rank.slots) + " count";
    if (rank.picked && rank.discarded > 0) {
      out += "; the " + std::to_string(rank.discarded) + " highest are discarded";
    }
    out += "\n" + place_text("below ", rank.below, rank.unit) +
           place_text("billed", rank.picked, rank.unit) +
           place_text("above ", rank.above, rank.unit);
  }
  return out + more(kLinesShown, ranks.size(), "ranks");
}

/// The raw path's figures: of each part of the period, and of the whole.
std::string figures_text(const Explanation& e) {
  const RawFigures& raw = *e.figures;
  const auto line = [&](const Rational& base, const Rational& quantity) {
    return base.text(9) + " " + base_unit(e.meter) + ", " + quantity.text(9) + " " +
           e.meter.unit.name + "\n";
  };
  std::string out;
  if (raw.parts.size() > 1) {
    for (const RawPart& part : raw.parts) {
      out += "  plan " + part.plan + " from " + to_rfc3339_short(part.active.from) +
             ": raw readings come to " + line(part.base, part.quantity);
    }
  }
  out += "  raw readings come to " + line(raw.base, raw.quantity);
  if (e.correction) {
    out += "  " + e.correction->who + " put " + e.correction->quantity + " " + e.meter.unit.name +
           " in its place, " + to_rfc3339_short(e.correction->at) + ": " + e.correction->why + "\n";
  }
  return out +
         "  (whose a series is, and how much of a slot was measured, is rating's; amounts and "
         "peaks are the readings')\n";
}

std::string verdict_text(const Explanation& e, bool colour) {
  std::string out;
  if (e.figures) out += figures_text(e);
  if (!e.without.empty()) out += "  " + e.without + "\n";
  if (e.again && *e.again == e.record.body) out += "  rated again, every byte of it is the same\n";
  for (const std::string& id : e.adjusted) out += "  adjusted since: explain " + id + "\n";
  for (const std::string& fault : e.faults) {
    out += "  " + app::paint(fault, app::Colour::bad, colour) + "\n";
  }
  if (e.faults.empty()) out += "  " + app::paint("reproduced", app::Colour::good, colour) + "\n";
  return out;
}

}  // namespace

std::string origin_of(const Explanation& e, std::uint32_t stream, std::uint64_t batch) {
  const StreamMark& mark = e.streams[stream];
  return mark.agent + "/" + to_hex(mark.incarnation).substr(0, 8) + " batch " +
         std::to_string(batch);
}

std::string explanation_text(const Explanation& e, bool colour) {
  std::string out = e.record.customer + " " + e.record.meter + " " + e.period.period.id + " (" +
                    period_state_name(e.period.state) + ")  record " + e.record.id + "\n";
  if (e.adjusts) out += section("ADJUSTS", colour) + adjusts_text(*e.adjusts);
  out += section("AS BILLED", colour) + record_text(e);
  out += section("CHAIN", colour) + chain_text(e, colour);
  if (e.chain.damages == 0) {
    out += section("SERIES (" + std::to_string(e.series.size()) + ")", colour);
    for (const ExplainedSeries& series : e.series) out += series_section(e, series, colour);
  }
  if (e.figures && !e.figures->ranks.empty()) {
    out += section("RANKS", colour) + ranks_text(e.figures->ranks);
  }
  return out + section("RESULT", colour) + verdict_text(e, colour);
}

}  // namespace tallyman::rater::cli
