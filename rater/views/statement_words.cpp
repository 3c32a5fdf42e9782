#include "rater/views/statement_words.hpp"

#include "rater/rating/decimal.hpp"
#include "rater/views/local_time.hpp"

namespace tallyman::rater {

namespace {

bool is_zero(const std::string& decimal) {
  return decimal.find_first_not_of("0.") == std::string::npos;
}

std::string directions(const StatementMeter& m) {
  const std::string& d = m.direction;
  if (d == "in") return "what you received";
  if (d == "out") return "what you sent";
  if (d == "p95_of_max") return "the higher of what you sent and received";
  if (d == "max_of_p95") return "what you sent, and likewise what you received";
  return "what you sent and received, added up";
}

std::string interval(const StatementMeter& m) {
  return m.slot_length.empty() ? "interval" : m.slot_length + " interval";
}

std::string size_words(const std::string& unit) {
  if (unit.find("GiB") != std::string::npos) return " 1 GiB is 1,073,741,824 bytes.";
  if (unit.find("TiB") != std::string::npos) return " 1 TiB is 1,099,511,627,776 bytes.";
  if (unit.find("MiB") != std::string::npos) return " 1 MiB is 1,048,576 bytes.";
  if (unit.find("GB") != std::string::npos) return " 1 GB is 1,000,000,000 bytes.";
  if (unit.find("TB") != std::string::npos) return " 1 TB is 1,000,000,000,000 bytes.";
  if (unit.find("MB") != std::string::npos) return " 1 MB is 1,000,000 bytes.";
  return "";
}

}  // namespace

std::string grouped(const std::string& decimal, unsigned decimals) {
  const auto value = Rational::from_text(decimal);
  const std::string text = value ? value->text(decimals) : decimal;
  const std::size_t from = text.starts_with('-') ? 1 : 0;
  std::size_t end = text.find('.');
  if (end == std::string::npos) end = text.size();
  if (text.find_first_not_of("0123456789.-") != std::string::npos) return text;
  std::string out = text.substr(0, from);
  for (std::size_t i = from; i < end; ++i) {
    if (i > from && (end - i) % 3 == 0) out += ',';
    out += text[i];
  }
  return out + text.substr(end);
}

std::string percent(const std::string& share) {
  const auto value = Rational::from_text(share);
  if (!value) return "an unknown part";
  std::string text = (*value * Rational(100)).floored(2);
  if (text.ends_with(".00")) text.resize(text.size() - 3);
  return text + " %";
}

std::string measure_title(const StatementMeter& m) {
  if (m.measure == "p95") return "95th percentile";
  if (m.measure == "volume") return "Transfer";
  if (m.measure == "time_weighted") return "Storage over time";
  if (m.measure == "peak") return "Peak";
  if (m.measure == "daily_snapshot") return "Daily snapshots";
  return m.measure;
}

std::string measure_words(const StatementMeter& m) {
  if (m.measure == "volume") {
    return "The bytes of " + directions(m) + " over the whole period." + size_words(m.unit);
  }
  if (m.measure == "p95" && m.hours.empty() && !m.direction.empty()) {
    std::string out = "The average rate of each " + interval(m) + " of " + directions(m) +
                      " is ranked. The highest five percent are left out, and the highest of the "
                      "others counts";
    return out + (m.direction == "max_of_p95" ? "; of the two directions the higher one." : ".");
  }
  if (m.measure == "p95") {
    return "What was stored in each " + interval(m) +
           " is ranked. The highest five percent are left out, and the highest of the others "
           "counts." +
           size_words(m.unit);
  }
  if (m.measure == "time_weighted") {
    return "Bytes stored, weighted by how long they were stored: one unit kept for a whole month" +
           std::string(m.hours == "730" ? " of 730 hours" : "") + " counts as one." +
           size_words(m.unit);
  }
  if (m.measure == "peak") return "The most that was in use at any time." + size_words(m.unit);
  if (m.measure == "daily_snapshot") {
    return "What was stored at the same hour of each day, averaged." + size_words(m.unit);
  }
  return "Measured as " + m.measure + "." + size_words(m.unit);
}

std::string coverage_words(const StatementMeter& m) {
  std::string out;
  if (m.coverage == "1.000000") {
    out = "Measured without a gap.";
  } else {
    out = percent(m.coverage) + " of the time was measured";
    if (m.slots_missing > 0) {
      out += "; " + std::to_string(m.slots_missing) + " of " + std::to_string(m.slots) +
             " intervals were not";
      if (m.missing == "exclude") out += " and are left out";
      if (m.missing == "zero") out += " and count as zero";
      if (m.missing == "spread") out += " and count what was later found to have passed in them";
    } else if (m.measure == "volume" || m.measure == "time_weighted") {
      out += "; what is not known is not billed";
    }
    out += ".";
  }
  if (!is_zero(m.estimated)) {
    out += " In " + percent(m.estimated) +
           " of it the total is exact, and how it was spread over time is estimated.";
  }
  return out;
}

std::string state_words(const CustomerStatement& s) {
  if (s.state == "released") return "";
  if (s.state == "draft")
    return "Draft: these figures have not been released and may still change.";
  const std::string until = local_date(s.zone, s.until, true);
  if (s.state == "running") return "Running figures, up to " + until + ". They will change.";
  return "Not closed yet: figures up to " + until + ". They may still change.";
}

}  // namespace tallyman::rater
