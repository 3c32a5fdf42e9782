#include "rater/rating/measure.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "rater/rating/measure_gauge.hpp"
#include "rater/rating/measure_p95.hpp"
#include "rater/rating/rate_bound.hpp"

namespace tallyman::rater {

namespace {

constexpr u128 kSecondsIn730Hours = u128{730} * 3600;

std::vector<const OwnedSeries*> all_of(const MeterInput& input) {
  std::vector<const OwnedSeries*> all = input.in;
  all.insert(all.end(), input.out.begin(), input.out.end());
  return all;
}

/// Coverage and estimated share over all series that are read.
void count_time(const std::vector<const OwnedSeries*>& series, Measured& m) {
  u128 held = 0, covered = 0, estimated = 0;
  for (const OwnedSeries* s : series) {
    held += static_cast<u128>(s->held_ns());
    const PieceSums sums = s->pieces.sums();
    covered += static_cast<u128>(sums.covered);
    estimated += static_cast<u128>(sums.estimated);
  }
  m.series = series.size();
  if (held > 0) m.coverage = Rational(covered, held);
  if (covered > 0) m.estimated = Rational(estimated, covered);
}

bool complete(const Measured& m) { return m.coverage == Rational(1); }

void measure_volume(const MeterInput& input, Measured& m) {
  u128 bytes = 0;
  Leeway leeway;
  for (const OwnedSeries* s : all_of(input)) {
    bytes += s->pieces.sums().amount;
    const Leeway mine = leeway_of(s->runs);
    leeway.less += mine.less;
    leeway.more += mine.more;
    leeway.no_end |= mine.no_end;
  }
  m.base = Rational(bytes);
  m.base_low = Rational(bytes - std::min(bytes, leeway.less));
  // Nothing bounds what a counter did while nobody looked.
  if (complete(m) && !leeway.no_end) m.base_high = Rational(bytes + leeway.more);
}

void measure_held(const MeterInput& input, Measured& m) {
  u128 held = 0;  // units × nanoseconds
  u128 unknown_at_peak = 0;
  bool bounded = true;
  for (const OwnedSeries* s : input.out) {
    const PieceSums sums = s->pieces.sums();
    held += sums.amount;
    const Ns unknown = s->held_ns() - sums.covered;
    // What was never read has no peak: that it was absent for a while bounds nothing.
    if (unknown > 0 && !sums.measured) bounded = false;
    unknown_at_peak += u128{sums.peak} * static_cast<u128>(unknown);
  }
  m.base = m.base_low = Rational(held, u128{kSecond});
  if (bounded && m.series > 0) m.base_high = Rational(held + unknown_at_peak, u128{kSecond});
}

u128 seconds_of_month(const Meter& meter, const Period& period, const std::string& zone,
                      const std::optional<Span>& given) {
  if (meter.hours == Hours::fixed_730) return kSecondsIn730Hours;
  const Span month =
      given ? *given : month_at(zone, period.start + (period.end - period.start) / 2);
  return static_cast<u128>((month.to - month.from) / kSecond);
}

void measure_level(const Meter& meter, const MeterInput& input, const Period& period,
                   const std::string& zone, Ns slot, Measured& m) {
  if (meter.of_gauges()) {
    measure_gauge(meter, input.out, period, zone, slot, m);
  } else {
    measure_p95(meter, input, period, slot, m);
    if (m.base_high && *m.base_high == m.base_low) return;
    const auto bound = p95_at_line_speed(meter, input, period, slot);
    if (!bound) return;
    const Rational high = std::max(Rational(*bound), m.base);
    m.base_high = m.base_high ? std::min(*m.base_high, high) : high;
  }
}

/// Every port on its own: a source's series with the same labels, in and out.
void measure_each(const Meter& meter, const MeterInput& input, const Period& period,
                  const std::string& zone, Ns slot, Measured& m) {
  using Port = std::pair<std::string, std::map<std::string, std::string>>;
  std::map<Port, MeterInput> ports;
  for (const OwnedSeries* s : input.in) ports[{s->key.source, s->key.labels}].in.push_back(s);
  for (const OwnedSeries* s : input.out) ports[{s->key.source, s->key.labels}].out.push_back(s);
  if (!ports.empty()) m.base_high = Rational();
  for (const auto& [port, series] : ports) {
    Measured one;
    measure_level(meter, series, period, zone, slot, one);
    m.base = m.base + one.base;
    m.base_low = m.base_low + one.base_low;
    const bool bounded = m.base_high && one.base_high;
    m.base_high = bounded ? std::optional(*m.base_high + *one.base_high) : std::nullopt;
    m.slots += one.slots;
    m.missing += one.missing;
  }
}

}  // namespace

const char* base_unit(const Meter& meter) {
  if (meter.measure == Measure::time_weighted) return "byte-seconds";
  return meter.measure == Measure::p95 && !meter.of_gauges() ? "bytes per slot" : "bytes";
}

bool reads(const Meter& meter, const std::string& metric) {
  if (meter.of_gauges()) return metric == meter.metric;
  return (meter.direction != Direction::out && metric == meter.in) ||
         (meter.direction != Direction::in && metric == meter.out);
}

MeterInput select(const Meter& meter, std::span<const OwnedSeries> owned, Ns slot) {
  MeterInput input;
  const bool gauge = meter.of_gauges();
  const bool want_in = !gauge && meter.direction != Direction::out;
  const bool want_out = gauge || meter.direction != Direction::in;
  const std::string& out = gauge ? meter.metric : meter.out;
  for (const OwnedSeries& series : owned) {
    const bool is_in = want_in && series.key.metric == meter.in;
    if (!is_in && !(want_out && series.key.metric == out)) continue;
    std::string error;
    if ((series.key.kind == wire::Kind::gauge) != gauge) {
      error = std::string("is a ") + wire::kind_name(series.key.kind);
    } else if (series.key.unit != "bytes") {
      error = "counts " + series.key.unit + ", not bytes";
    } else if (meter.measure == Measure::p95 && series.resolution > slot) {
      error = "is coarser than a slot";
    }
    if (error.empty()) {
      (is_in ? input.in : input.out).push_back(&series);
    } else {
      input.errors.push_back(series_text(series.key) + " " + error + ": meter `" + meter.id +
                             "` (" + measure_name(meter.measure) + ") cannot read it");
    }
  }
  return input;
}

Measured measure(const Meter& meter, const MeterInput& input, const Period& period,
                 const std::string& zone, Ns slot, const std::optional<Span>& month) {
  Measured m;
  count_time(all_of(input), m);
  const Rational scale(meter.unit.scale);
  switch (meter.measure) {
    case Measure::volume:
      measure_volume(input, m);
      m.per_unit = scale;
      break;
    case Measure::time_weighted:
      measure_held(input, m);
      m.per_unit = scale * Rational(seconds_of_month(meter, period, zone, month));
      break;
    case Measure::p95:
    case Measure::peak:
    case Measure::daily_snapshot:
      if (meter.aggregate == Aggregate::each) {
        measure_each(meter, input, period, zone, slot, m);
      } else {
        measure_level(meter, input, period, zone, slot, m);
      }
      m.per_unit = scale;
      // bytes in a slot → bits per second: × 8 × 10⁹ ÷ slot
      if (!meter.of_gauges()) {
        m.per_unit = scale * Rational(static_cast<u128>(slot), u128{8} * kSecond);
      }
      break;
  }
  if (meter.copies) m.per_unit = m.per_unit / *meter.copies;
  return m;
}

}  // namespace tallyman::rater
