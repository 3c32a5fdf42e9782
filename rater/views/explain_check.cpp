// The raw path's figures against what a record says.

#include <string>

#include "rater/views/explain.hpp"

namespace tallyman::rater {

namespace {

constexpr unsigned kDecimals = 9;  ///< that a record shows of a fraction

using Texts = std::map<std::string, std::string>;

void put(Texts& out, const std::string& under, const Rational& measured, const Rational& base,
         const Rational& quantity) {
  out[under + "measured.billed"] = measured.text(kDecimals);
  out[under + "exact.billed"] = base.text(kDecimals);
  out[under + "quantity.billed"] = quantity.text(kDecimals);
}

void put_slots(Texts& out, const std::string& under, std::uint64_t held, std::uint64_t missing) {
  out[under + "slots.held"] = std::to_string(held);
  out[under + "slots.missing"] = std::to_string(missing);
}

/// Of a part, what a person's figure for the whole comes to: of a level the same, else divided as
/// what was computed is, or by time where that is nothing.
Rational corrected(const Explanation& e, const RawPart& part, const Rational& figure) {
  const RawFigures& raw = *e.figures;
  if (e.meter.level()) return figure;
  if (!raw.quantity.zero()) return figure * part.quantity / raw.quantity;
  Ns time = 0;
  for (const RawPart& each : raw.parts) time += each.active.to - each.active.from;
  return figure *
         Rational(static_cast<u128>(part.active.to - part.active.from), static_cast<u128>(time));
}

Texts expected(const Explanation& e) {
  const RawFigures& raw = *e.figures;
  std::optional<Rational> person;
  if (e.correction) person = Rational::from_text(e.correction->quantity);
  Texts out;
  put(out, "", raw.measured, person ? *person * raw.per_unit : raw.base,
      person ? *person : raw.quantity);
  if (person) out["correction.computed"] = raw.quantity.text(kDecimals);
  if (e.meter.level()) put_slots(out, "", raw.held, raw.missing);
  for (std::size_t i = 0; i < raw.parts.size(); ++i) {
    const RawPart& part = raw.parts[i];
    const std::string under = "segments." + std::to_string(i) + ".";
    out[under + "plan"] = part.plan;
    put(out, under, part.measured, part.base, person ? corrected(e, part, *person) : part.quantity);
    if (e.meter.level()) put_slots(out, under, part.held, part.missing);
  }
  return out;
}

}  // namespace

void check_figures(const Texts& texts, Explanation& e) {
  if (!e.figures) return;
  for (const auto& [path, text] : expected(e)) {
    const auto stored = texts.find(path);
    const std::string says = stored == texts.end() ? "nothing" : stored->second;
    if (says == text) continue;
    e.faults.push_back("raw readings come to " + text + ", the record says " + says + ": " + path);
  }
  const std::string more = "segments." + std::to_string(e.figures->parts.size()) + ".plan";
  if (texts.contains(more)) e.faults.push_back("the record has more parts than the contract");
  if (!e.correction && texts.contains("correction.computed")) {
    e.faults.push_back("the record is corrected, and no decision that counts says so");
  }
}

}  // namespace tallyman::rater
