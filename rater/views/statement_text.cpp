#include <map>
#include <utility>

#include "app/table.hpp"
#include "rater/rating/decimal.hpp"
#include "rater/views/local_time.hpp"
#include "rater/views/plot_svg.hpp"
#include "rater/views/statement.hpp"
#include "rater/views/statement_words.hpp"

namespace tallyman::rater {

namespace {

constexpr unsigned kShown = 6;
constexpr std::size_t kSparks = 60;

/// Names are other people's text: nothing in them may steer a terminal.
std::string plain(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return out;
}

CustomerStatement plain(CustomerStatement s) {
  for (std::string* text : {&s.customer, &s.name, &s.zone, &s.period.id, &s.state}) {
    *text = plain(*text);
  }
  for (StatementMeter& m : s.meters) {
    for (std::string* text : {&m.id, &m.meter, &m.measure, &m.direction, &m.missing, &m.hours,
                              &m.unit, &m.quantity, &m.coverage, &m.estimated, &m.allowance,
                              &m.overuse, &m.currency, &m.amount, &m.slot_length, &m.plot.unit}) {
      *text = plain(*text);
    }
    for (StatementCharge& c : m.charges) {
      c = {plain(c.quantity), plain(c.price), plain(c.amount)};
    }
    for (PlotLine& line : m.plot.lines) line.name = plain(line.name);
    if (m.forecast) m.forecast = Forecast{plain(m.forecast->quantity), plain(m.forecast->overuse)};
  }
  std::map<std::string, std::string> sums;
  for (const auto& [currency, sum] : s.sums) sums[plain(currency)] = plain(sum);
  s.sums = std::move(sums);
  return s;
}

std::string head(const CustomerStatement& s, bool colour) {
  const std::string name = s.name.empty() || s.name == s.customer ? "" : plain(s.name) + " ";
  std::string out = name + "(" + plain(s.customer) + ")  " +
                    local_span(s.zone, {s.period.start, s.period.end}) + "  " + s.zone +
                    "  period " + plain(s.period.id) + "\n";
  if (const std::string state = state_words(s); !state.empty()) {
    out += app::paint(state, app::Colour::warn, colour) + "\n";
  }
  return out + "\n";
}

std::string unit(const std::string& quantity, const StatementMeter& m) {
  return grouped(quantity, kShown) + " " + m.unit;
}

std::string overview(const CustomerStatement& s, bool colour) {
  app::Table table({"METER", ">USED", ">INCLUDED", ">ABOVE", ">AMOUNT", ">MEASURED"});
  for (const StatementMeter& m : s.meters) {
    const bool over = m.overuse.find_first_of("123456789") != std::string::npos;
    const bool whole = m.coverage == "1.000000";
    table.row({{plain(m.meter)},
               {unit(m.quantity, m)},
               {unit(m.allowance, m)},
               {unit(m.overuse, m), over ? app::Colour::warn : app::Colour::none},
               {m.amount.empty() ? "-" : m.amount + " " + m.currency},
               {percent(m.coverage), whole ? app::Colour::none : app::Colour::warn}});
  }
  std::string out = table.text(colour);
  for (const auto& [currency, sum] : s.sums) out += "total " + sum + " " + currency + "\n";
  return out;
}

std::string notes(const StatementMeter& m) {
  std::string out;
  for (const std::string& agent : m.closed_without)
    out += "  closed without " + plain(agent) + "\n";
  for (const std::string& problem : m.problems) out += "  " + plain(problem) + "\n";
  return out;
}

std::string highest(const PlotLine& line) {
  Rational top;
  for (const PlotPoint& point : line.points) {
    const auto peak = Rational::from_text(point.peak);
    if (peak && *peak > top) top = *peak;
  }
  return top.text(3);
}

}  // namespace

std::string statement_text(const CustomerStatement& given, bool colour) {
  const CustomerStatement s = plain(given);
  std::string out = head(s, colour) + overview(s, colour);
  for (const StatementMeter& m : s.meters) {
    out += "\n" + plain(m.meter) + ": " + measure_title(m) + "\n";
    out += "  " + measure_words(m) + "\n  " + coverage_words(m) + "\n";
    for (const StatementCharge& c : m.charges) {
      out += "  " + c.quantity + " × " + c.price + " = " + c.amount + " " + m.currency + "\n";
    }
    out += notes(m);
    if (!m.id.empty()) out += "  record " + m.id + "\n";
  }
  return out;
}

std::string usage_text(const CustomerStatement& given, bool colour) {
  const CustomerStatement s = plain(given);
  std::string out = head(s, colour) + overview(s, colour);
  for (const StatementMeter& m : s.meters) {
    out += "\n" + plain(m.meter) + "  " + measure_title(m) + " " + unit(m.quantity, m);
    if (m.measure == "p95") out += ", included " + unit(m.allowance, m);
    out += "\n";
    for (const PlotLine& line : m.plot.lines) {
      out += "  " + app::paint(sparkline(line, kSparks), app::Colour::good, colour) + "  " +
             line.name + ", highest " + grouped(highest(line), 3) + " " + m.plot.unit + "\n";
    }
    out += "  " + coverage_words(m) + "\n";
    if (m.forecast) {
      out += "  forecast for the end of the period, linear by the time known: " +
             unit(m.forecast->quantity, m) + ", above " + unit(m.forecast->overuse, m) + "\n";
    }
    out += notes(m);
  }
  return out;
}

}  // namespace tallyman::rater
