#include "rater/views/plot.hpp"

#include <algorithm>

namespace tallyman::rater {

namespace {

constexpr unsigned kPlaces = 6;

/// Slot by slot: what is known, as if all of the slot were like that.
struct Row {
  std::int64_t first = 0;
  Ns slot = 0;
  std::vector<u128> values;
  std::vector<bool> known;
};

Row row_of(const std::vector<const OwnedSeries*>& all, const Span& span, Ns slot) {
  Row row{span.from / slot, slot, {}, {}};
  const std::int64_t last = (span.to - 1) / slot;
  if (span.from >= span.to) return row;
  row.values.assign(static_cast<std::size_t>(last - row.first + 1), 0);
  row.known.assign(row.values.size(), false);
  for (const OwnedSeries* series : all) {
    for (const Piece& piece : series->pieces) {
      if (piece.slot < row.first || piece.slot > last) continue;
      const auto at = static_cast<std::size_t>(piece.slot - row.first);
      const Ns length = piece.to - piece.from;
      const bool partly = piece.covered > 0 && piece.covered < length;
      const u128 amount = partly ? mul_div(piece.amount, static_cast<u128>(length),
                                           static_cast<u128>(piece.covered))
                                       .value_or(piece.amount)
                                 : piece.amount;
      row.values[at] += amount;
      row.known[at] = true;
    }
  }
  return row;
}

void take_higher(Row& mine, const Row& theirs) {
  for (std::size_t at = 0; at < mine.values.size(); ++at) {
    mine.values[at] = std::max(mine.values[at], theirs.values[at]);
    mine.known[at] = mine.known[at] || theirs.known[at];
  }
}

/// What one of a slot's amount is worth in the meter's unit.
Rational scale_of(const Meter& meter, Ns slot) {
  const auto length = static_cast<u128>(slot);
  if (meter.unit.of == Unit::Of::bits_per_second) {
    return {u128{8} * kSecond, meter.unit.scale * length};
  }
  // Of gauges amounts are bytes × nanoseconds: a slot's mean level.
  return meter.of_gauges() ? Rational(1, meter.unit.scale * length) : Rational(1, meter.unit.scale);
}

PlotLine line_of(const char* name, const Row& row, const Rational& scale, std::size_t points) {
  PlotLine line{name, {}};
  const std::size_t many = row.values.size();
  const std::size_t buckets = std::min(many, points);
  const std::size_t wide = buckets == 0 ? 1 : (many + buckets - 1) / buckets;
  for (std::size_t at = 0; at < many; at += wide) {
    u128 peak = 0, sum = 0;
    std::uint64_t known = 0;
    for (std::size_t i = at; i < std::min(many, at + wide); ++i) {
      if (!row.known[i]) continue;
      ++known;
      peak = std::max(peak, row.values[i]);
      sum += row.values[i];
    }
    if (known == 0) {
      line.points.push_back({});
      continue;
    }
    line.points.push_back(
        {(Rational(peak) * scale).text(kPlaces), (Rational(sum, known) * scale).text(kPlaces)});
  }
  return line;
}

std::string unit_of(const Meter& meter) {
  const std::string& name = meter.unit.name;
  const std::size_t month = name.find("-month");
  return month == std::string::npos ? name : name.substr(0, month);
}

}  // namespace

Plot plot_of(const Meter& meter, const MeterInput& input, const Span& span, Ns slot,
             std::size_t points) {
  Plot plot{unit_of(meter), span.from / slot * slot, slot, {}};
  const Rational scale = scale_of(meter, slot);
  Row in = row_of(input.in, span, slot), out = row_of(input.out, span, slot);
  const std::size_t many = out.values.size();
  const std::size_t buckets = std::max<std::size_t>(std::min(many, points), 1);
  plot.step = slot * static_cast<Ns>((many + buckets - 1) / buckets);
  const auto add = [&](const char* name, const Row& row) {
    plot.lines.push_back(line_of(name, row, scale, points));
  };
  if (meter.of_gauges()) {
    add("held", out);
    return plot;
  }
  switch (meter.direction) {
    case Direction::in:
      add("in", in);
      break;
    case Direction::out:
      add("out", out);
      break;
    case Direction::p95_of_max:
      take_higher(in, out);
      add("the higher of in and out", in);
      break;
    case Direction::p95_of_sum: {
      std::vector<const OwnedSeries*> both = input.in;
      both.insert(both.end(), input.out.begin(), input.out.end());
      add("in + out", row_of(both, span, slot));
      break;
    }
    case Direction::sum:
    case Direction::max_of_p95:
      add("in", in);
      add("out", out);
      break;
  }
  return plot;
}

}  // namespace tallyman::rater
