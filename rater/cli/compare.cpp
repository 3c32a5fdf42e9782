#include "rater/cli/compare.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/exit.hpp"
#include "app/table.hpp"
#include "rater/cli/progress.hpp"
#include "rater/rating/price.hpp"
#include "rater/views/compare.hpp"
#include "rater/views/statement_words.hpp"

namespace tallyman::rater::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kWorthProgress = 2000;  ///< batches

int fail(const Error& error, int status) {
  app::complain("tallyman-rater", error);
  return status;
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void print(const Json& json) {
  print(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string quantity_text(const Charged* charged) {
  return charged == nullptr ? "-" : grouped(charged->quantity, 6);
}

std::string amount_text(const Charged* charged) {
  if (charged == nullptr || charged->amount.empty()) return "-";
  return charged->amount + (charged->currency.empty() ? "" : " " + charged->currency);
}

Json json_of(const Charged* charged) {
  if (charged == nullptr) return nullptr;
  Json out{{"quantity", charged->quantity}, {"unit", charged->unit}};
  if (!charged->overuse.empty()) out["overuse"] = charged->overuse;
  if (!charged->amount.empty()) out["amount"] = charged->amount;
  if (!charged->currency.empty()) out["currency"] = charged->currency;
  return out;
}

const Charged* find(const Charges& all, const LineKey& line) {
  const auto it = all.find(line);
  return it == all.end() ? nullptr : &it->second;
}

std::string change_text(const Charged* then, const Charged* now) {
  const auto a = Rational::from_text(then == nullptr ? "" : then->amount);
  const auto b = Rational::from_text(now == nullptr ? "" : now->amount);
  if (!a && !b) return "";
  const std::string& currency = b ? now->currency : then->currency;
  const Rational change = b.value_or(Rational()) - a.value_or(Rational());
  const std::string sign = change.negative() || change.zero() ? "" : "+";
  return sign + change.fixed(minor_unit_decimals(currency));
}

std::vector<LineKey> lines_of(const Shadow& shadow) {
  std::vector<LineKey> lines;
  for (const auto& [line, charged] : shadow.then) lines.push_back(line);
  for (const auto& [line, charged] : shadow.now) {
    if (!shadow.then.contains(line)) lines.push_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

Json totals_json(const std::map<std::string, Rational>& totals) {
  Json out = Json::object();
  for (const auto& [currency, sum] : totals)
    out[currency] = sum.fixed(minor_unit_decimals(currency));
  return out;
}

void print_shadow(const Shadow& s, bool json) {
  Json lines = Json::array();
  app::Table table(
      {"CUSTOMER", "METER", ">BILLED", ">SHADOW", "UNIT", ">AMOUNT", ">SHADOW", ">CHANGE"});
  for (const LineKey& line : lines_of(s)) {
    const Charged *then = find(s.then, line), *now = find(s.now, line);
    const std::string change = change_text(then, now);
    lines.push_back({{"customer", line.first},
                     {"meter", line.second},
                     {"then", json_of(then)},
                     {"now", json_of(now)},
                     {"change", change.empty() ? Json() : Json(change)}});
    table.row(
        {{line.first},
         {line.second},
         {quantity_text(then)},
         {quantity_text(now)},
         {now != nullptr ? now->unit : then->unit},
         {amount_text(then)},
         {amount_text(now)},
         {change, change.find_first_of("123456789") == std::string::npos ? app::Colour::none
                                                                         : app::Colour::warn}});
  }
  if (json) {
    return print(
        Json{{"period", s.period.id},
             {"lines", std::move(lines)},
             {"totals", {{"then", totals_json(s.total_then)}, {"now", totals_json(s.total_now)}}},
             {"problems", s.problems}});
  }
  print(table.text(app::stdout_has_colour()));
  for (const auto& [currency, sum] : s.total_now) {
    const auto it = s.total_then.find(currency);
    const Rational before = it == s.total_then.end() ? Rational() : it->second;
    const unsigned places = minor_unit_decimals(currency);
    print("total " + before.fixed(places) + " -> " + sum.fixed(places) + " " + currency + "\n");
  }
  for (const std::string& problem : s.problems) print(problem + "\n");
}

/// "1%" or "1" is one percent.
std::optional<Rational> tolerance_of(std::string text) {
  if (text.ends_with('%')) text.pop_back();
  const auto percent = Rational::from_text(text);
  if (!percent || percent->negative()) return std::nullopt;
  return *percent / Rational(100);
}

void print_comparison(const Comparison& c, bool json) {
  if (json) {
    Json lines = Json::array();
    for (const Difference& d : c.lines) {
      lines.push_back({{"customer", d.line.first},
                       {"meter", d.line.second},
                       {"here", json_of(d.here ? &*d.here : nullptr)},
                       {"there", json_of(d.there ? &*d.there : nullptr)},
                       {"relative", d.relative.text(9)},
                       {"beyond", d.beyond},
                       {"cause", d.cause.empty() ? Json() : Json(d.cause)}});
    }
    return print(Json{{"period", c.period.id}, {"beyond", c.beyond}, {"lines", std::move(lines)}});
  }
  app::Table table({"CUSTOMER", "METER", ">HERE", ">THERE", "UNIT", ">DIFFERS", ">AMOUNT", ">THERE",
                    "LIKELY CAUSE"});
  for (const Difference& d : c.lines) {
    const Charged *here = d.here ? &*d.here : nullptr, *there = d.there ? &*d.there : nullptr;
    table.row({{d.line.first},
               {d.line.second},
               {quantity_text(here)},
               {quantity_text(there)},
               {here != nullptr ? here->unit : there->unit},
               {(d.relative * Rational(100)).text(3) + " %",
                d.beyond ? app::Colour::bad : app::Colour::good},
               {amount_text(here)},
               {there == nullptr || there->amount.empty() ? "-" : there->amount},
               {d.cause}});
  }
  print(table.text(app::stdout_has_colour()));
  print(c.period.id + ": " + std::to_string(c.lines.size()) + " lines, " +
        std::to_string(c.beyond) + " beyond the tolerance\n");
}

}  // namespace

int shadow(const std::string& ledger, const std::string& catalogue, const std::string& period,
           bool json) {
  const RealClock clock{};
  const auto snapshot = Snapshot::open(ledger, clock);
  if (!snapshot.ok()) return fail(snapshot.error(), app::kUsage);
  app::ConfigErrors errors;
  const Catalogue other = load_catalogue(catalogue, (*snapshot)->slot(), errors);
  if (!errors.empty()) {
    std::fputs(errors.text().c_str(), stderr);
    return app::kUsage;
  }
  const auto done =
      rater::shadow(**snapshot, period, other, progress_line("batches", kWorthProgress));
  if (!done.ok()) return fail(done.error(), app::kFound);
  print_shadow(*done, json);
  return app::kDone;
}

int compare(const std::string& ledger, const std::string& old, const std::string& tolerance,
            const std::string& period, bool json) {
  const auto share = tolerance_of(tolerance);
  if (!share) {
    return fail({"a tolerance is a share in percent, such as 1% or 0.5%", tolerance, ""},
                app::kUsage);
  }
  std::ifstream in(old, std::ios::binary);
  if (!in)
    return fail({"cannot read the old system's figures", old, "name a CSV file"}, app::kUsage);
  const OldFigures figures = read_old_figures(in);
  for (const Error& error : figures.errors) {
    Error named = error;
    named.where = old + ":" + error.where;
    app::complain("tallyman-rater", named);
  }
  if (!figures.errors.empty()) return app::kUsage;
  const RealClock clock{};
  const auto snapshot = Snapshot::open(ledger, clock);
  if (!snapshot.ok()) return fail(snapshot.error(), app::kUsage);
  const auto done = rater::compare(**snapshot, period, figures.lines, *share);
  if (!done.ok()) return fail(done.error(), app::kFound);
  print_comparison(*done, json);
  return done->beyond == 0 ? app::kDone : app::kFound;
}

}  // namespace tallyman::rater::cli
