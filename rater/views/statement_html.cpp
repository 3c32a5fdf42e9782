#include <fmt/core.h>

#include "rater/views/local_time.hpp"
#include "rater/views/plot_svg.hpp"
#include "rater/views/statement.hpp"
#include "rater/views/statement_words.hpp"

namespace tallyman::rater {

namespace {

constexpr unsigned kShown = 3;  ///< decimals of a quantity; the exact one stands below

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#dde2e9;--paper:#fff;--card:#fff;
--back:#f3f5f8;--one:#2563a8;--two:#c2701c;--billed:#b3261e;--included:#2c7a4b;--note:#fff4d6;
--noteink:#6b4e00;--unknown:#8a94a3}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa5b4;--line:#323a46;--paper:#12161c;
--card:#1a1f27;--back:#12161c;--one:#6aa9ee;--two:#eca15a;--billed:#ff8a80;--included:#78cf9b;
--note:#3a3115;--noteink:#ffdf8a;--unknown:#7b8594}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:840px;margin:0 auto;padding:32px 20px 48px}
header{margin-bottom:24px}
.kind{color:var(--soft);text-transform:uppercase;letter-spacing:.08em;font-size:12px;font-weight:600}
h1{font-size:28px;line-height:1.2;margin:4px 0 2px;overflow-wrap:anywhere}
.when{color:var(--soft)}
.note{background:var(--note);color:var(--noteink);border-radius:8px;padding:10px 14px;margin:16px 0;
font-weight:600}
.small{font-size:13px;font-weight:400}
section,.sums{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:20px 22px;
margin:0 0 20px}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th{font-size:12px;font-weight:600;color:var(--soft);text-align:right;padding:0 0 8px 12px;
border-bottom:1px solid var(--line)}
td{text-align:right;padding:9px 0 9px 12px;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0;white-space:normal;overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}
tr.total td{font-weight:700;border-top:2px solid var(--line)}
.over{color:var(--billed);font-weight:600}
h2{font-size:17px;margin:0;overflow-wrap:anywhere}
.head{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;gap:4px 16px}
.big{font-size:22px;font-weight:700;font-variant-numeric:tabular-nums}
.sub{color:var(--soft);margin:2px 0 12px}
.plot{display:block;width:100%;height:auto;margin:6px 0 4px}
.grid{stroke:var(--line);stroke-width:1}.mark{stroke:var(--soft);stroke-width:1}
.tick{fill:var(--soft);font-size:11px}.label{font-size:12px;font-weight:600;paint-order:stroke;
stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
.area{opacity:.16}.edge{fill:none;stroke-width:1.3;stroke-linejoin:round}
.area.s0{fill:var(--one)}.edge.s0{stroke:var(--one)}.area.s1{fill:var(--two)}.edge.s1{stroke:var(--two)}
.rule{stroke-width:1.6}.rule.billed{stroke:var(--billed);stroke-dasharray:7 4}
.rule.included{stroke:var(--included);stroke-dasharray:2 4}
.label.billed{fill:var(--billed)}.label.included{fill:var(--included)}
.unknown{fill:var(--unknown);opacity:.22}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;color:var(--soft);font-size:13px;margin:0 0 10px}
.key i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;
vertical-align:-1px}
.k0{background:var(--one)}.k1{background:var(--two)}.ku{background:var(--unknown);opacity:.45}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:10px 0 0;font-size:14px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
footer{color:var(--soft);font-size:12px;overflow-wrap:anywhere}
@media(max-width:560px){main{padding:20px 12px}section,.sums{padding:16px 14px}
.wide{overflow-x:auto}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:6px}}
@media print{:root{--ink:#000;--soft:#444;--line:#bbb;--paper:#fff;--card:#fff;--back:#fff;--one:#2563a8;
--two:#c2701c;--billed:#b3261e;--included:#2c7a4b;--note:#eee;--noteink:#000;--unknown:#777}
body{font-size:11pt}main{max-width:none;padding:0}section,.sums{break-inside:avoid;border-color:#bbb}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
)";

bool more_than_none(const std::string& decimal) {
  return decimal.find_first_of("123456789") != std::string::npos;
}

std::string with_unit(const std::string& decimal, const StatementMeter& m) {
  return html_escape(grouped(decimal, kShown) + " " + m.unit);
}

std::string money(const std::string& amount, const std::string& currency) {
  if (amount.empty()) return "–";
  // The decimals of the currency stay: they are the amount.
  const std::size_t dot = amount.find('.');
  const std::string whole = grouped(amount.substr(0, dot), 0);
  return html_escape(whole + (dot == std::string::npos ? "" : amount.substr(dot)) + " " + currency);
}

std::string summary(const CustomerStatement& s) {
  std::string out =
      "<div class=\"sums wide\"><table><thead><tr><th>Service</th><th>Used</th><th>Included</th>"
      "<th>Above</th><th>Amount</th></tr></thead><tbody>";
  for (const StatementMeter& m : s.meters) {
    out += "<tr><td>" + html_escape(m.meter) + "</td><td>" + with_unit(m.quantity, m) +
           "</td><td>" + with_unit(m.allowance, m) + "</td><td" +
           (more_than_none(m.overuse) ? " class=\"over\">" : ">") + with_unit(m.overuse, m) +
           "</td><td>" + money(m.amount, m.currency) + "</td></tr>";
  }
  for (const auto& [currency, sum] : s.sums) {
    out += "<tr class=\"total\"><td>Total</td><td></td><td></td><td></td><td>" +
           money(sum, currency) + "</td></tr>";
  }
  return out + "</tbody></table></div>";
}

std::string legend(const StatementMeter& m) {
  std::string out = "<div class=\"key\">";
  bool gaps = false;
  for (std::size_t i = 0; i < m.plot.lines.size(); ++i) {
    const PlotLine& line = m.plot.lines[i];
    out += fmt::format("<span><i class=\"k{}\"></i>{}</span>", i % 2, html_escape(line.name));
    for (const PlotPoint& point : line.points) gaps |= point.peak.empty();
  }
  if (gaps) out += "<span><i class=\"ku\"></i>not measured</span>";
  return out + "</div>";
}

std::string row(const char* name, const std::string& value) {
  return value.empty() ? "" : std::string("<dt>") + name + "</dt><dd>" + value + "</dd>";
}

std::string list_of(const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& each : all) out += (out.empty() ? "" : "<br>") + html_escape(each);
  return out;
}

std::string charges(const StatementMeter& m) {
  std::string out;
  for (const StatementCharge& c : m.charges) {
    if (m.charges.size() == 1 &&
        c.quantity.find('/') != std::string::npos) {  // no decimal is exact: --format json has it
      out += (out.empty() ? "" : "<br>") + html_escape("about " + m.overuse + " × " + c.price +
                                                       " = " + c.amount + " " + m.currency);
      continue;
    }
    out += (out.empty() ? "" : "<br>") +
           html_escape(c.quantity + " × " + c.price + " = " + c.amount + " " + m.currency);
  }
  if (out.empty() && !m.price.empty() && more_than_none(m.overuse)) {
    out = html_escape(m.overuse + " " + m.unit + " at " + m.price + " " + m.currency);
  }
  return out;
}

/// The levels that are drawn: those that can be compared with a slot.
std::vector<PlotRule> rules_of(const StatementMeter& m) {
  if (m.measure == "volume") return {};
  if (m.measure == "time_weighted") return {};
  std::vector<PlotRule> rules;
  if (more_than_none(m.allowance)) {
    rules.push_back(
        {"included", "included " + grouped(m.allowance, kShown) + " " + m.unit, m.allowance});
  }
  rules.push_back(
      {"billed", measure_title(m) + " " + grouped(m.quantity, kShown) + " " + m.unit, m.quantity});
  return rules;
}

std::string plot_part(const CustomerStatement& s, const StatementMeter& m) {
  const bool any = !m.plot.lines.empty() && !m.plot.lines.front().points.empty();
  if (!any) return "";
  return plot_svg(m.plot, s.zone, {s.period.start, s.period.end}, rules_of(m)) + legend(m);
}

std::string section(const CustomerStatement& s, const StatementMeter& m) {
  std::string out = "<section><div class=\"head\"><h2>" + html_escape(m.meter) +
                    "</h2><span class=\"big\">" + with_unit(m.quantity, m) + "</span></div>";
  out += "<p class=\"sub\">" + html_escape(measure_title(m));
  if (!m.plan.empty()) out += " · plan " + html_escape(m.plan);
  out += "</p>" + plot_part(s, m) + "<dl>";
  out += row("How it is measured", html_escape(measure_words(m)));
  out += row("Coverage", html_escape(coverage_words(m)));
  out += row("Exactly", html_escape(m.quantity + " " + m.unit));
  out += row("Included", with_unit(m.allowance, m));
  out += row("Above", with_unit(m.overuse, m));
  out += row("Charge", charges(m));
  out += row("Amount", m.amount.empty() ? "" : money(m.amount, m.currency));
  if (m.forecast) {
    out +=
        row("Forecast", with_unit(m.forecast->quantity, m) + " at the end of the period, of it " +
                            with_unit(m.forecast->overuse, m) + " above what is included");
  }
  out += row("Closed without", list_of(m.closed_without));
  out += row("To be clarified", list_of(m.problems));
  out +=
      row("Record", m.id.empty() ? "" : "<span class=\"small\">" + html_escape(m.id) + "</span>");
  return out + "</dl></section>";
}

}  // namespace

std::string statement_html(const CustomerStatement& s) {
  const std::string name = html_escape(s.name.empty() ? s.customer : s.name);
  const std::string when = html_escape(local_span(s.zone, {s.period.start, s.period.end}));
  std::string out =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
      "name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta "
      "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\"><title>Usage of ";
  out += name + ", " + when + "</title><style>" + kStyle + "</style></head><body><main><header>";
  out += "<div class=\"kind\">Usage statement</div><h1>" + name + "</h1><div class=\"when\">" +
         when + " · " + html_escape(s.zone) + " time · customer " + html_escape(s.customer) +
         "</div>";
  if (const std::string state = state_words(s); !state.empty()) {
    out += "<div class=\"note\">" + html_escape(state) + "</div>";
  }
  out += "</header>" + summary(s);
  for (const StatementMeter& meter : s.meters) out += section(s, meter);
  if (!s.plot_as_billed) {
    out +=
        "<p class=\"small\">Usage has been learnt of since these figures were made: the plots "
        "show it, the figures do not.</p>";
  }
  out += "<footer>Plots show the highest value of each stretch of time. Ledger " +
         html_escape(s.ledger) + ", period " + html_escape(s.period.id) + ".</footer>";
  return out + "</main></body></html>\n";
}

}  // namespace tallyman::rater
