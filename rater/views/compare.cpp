#include "rater/views/compare.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "rater/csv.hpp"
#include "rater/rating/measure.hpp"
#include "rater/views/statement.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kMaxErrors = 10'000;

Rational distance(const Rational& a, const Rational& b) { return a < b ? b - a : a - b; }

/// Half a percent is near enough to name a cause.
bool near(const Rational& a, const Rational& b) {
  const Rational& larger = a < b ? b : a;
  return !larger.zero() && distance(a, b) <= larger * Rational(1, 200);
}

Rational number(const std::string& decimal) {
  return Rational::from_text(decimal).value_or(Rational());
}

/// The old quantity in the meter's unit; nothing when the two measure different things.
std::optional<Rational> converted(const Charged& old, const std::string& unit) {
  const Rational quantity = number(old.quantity);
  if (old.unit.empty() || old.unit == unit) return quantity;
  const auto from = unit_named(old.unit), to = unit_named(unit);
  if (!from || !to || from->of != to->of) return std::nullopt;
  return quantity * Rational(from->scale) / Rational(to->scale);
}

/// The period's usage rated by other rules than the contract's, to find whose the old one were.
struct Variant {
  std::string cause;
  std::map<LineKey, Rational> quantities;
};

std::map<LineKey, Rational> quantities_of(const Catalogue& catalogue, const Period& period, Ns slot,
                                          const std::vector<ViewUsage>& usage) {
  std::map<LineKey, Rational> out;
  for (const UsageRecord& record : rate(catalogue, period, slot, usage, {}).records) {
    out[{record.customer, record.meter}] = number(record.quantity.billed);
  }
  return out;
}

/// Mean rates over the period, of meters that rank slots.
std::map<LineKey, Rational> averages_of(Catalogue catalogue, const Period& period, Ns slot,
                                        const std::vector<ViewUsage>& usage) {
  std::map<std::string, Rational> scales;
  for (Meter& meter : catalogue.meters) {
    if (meter.measure != Measure::p95 || meter.unit.of != Unit::Of::bits_per_second) continue;
    scales[meter.id] = Rational(8, meter.unit.scale);
    meter.measure = Measure::volume;
    meter.unit = *unit_named("B");
    const bool one = meter.direction == Direction::in || meter.direction == Direction::out;
    if (!one) meter.direction = Direction::sum;
  }
  std::map<LineKey, Rational> out;
  for (const auto& [line, bytes] : quantities_of(catalogue, period, slot, usage)) {
    const auto scale = scales.find(line.second);
    if (scale == scales.end()) continue;
    const auto length = static_cast<u128>(period.end - period.start);
    out[line] = bytes * scale->second * Rational(u128{kSecond}, length);
  }
  return out;
}

std::vector<Variant> variants_of(const Catalogue& catalogue, const Period& period, Ns slot,
                                 const std::vector<ViewUsage>& usage) {
  std::vector<Variant> out;
  const auto with = [&](std::string cause, const std::function<void(Catalogue&)>& change) {
    Catalogue other = catalogue;
    change(other);
    out.push_back({std::move(cause), quantities_of(other, period, slot, usage)});
  };
  const auto direction = [](Direction one) {
    return [one](Catalogue& c) {
      for (Meter& meter : c.meters) {
        if (!meter.in.empty() && !meter.out.empty()) meter.direction = one;
      }
    };
  };
  with("the old system counts what was received only", direction(Direction::in));
  with("the old system counts what was sent only", direction(Direction::out));
  with("the old system adds up both directions", [](Catalogue& c) {
    for (Meter& meter : c.meters) {
      meter.direction = meter.measure == Measure::p95 ? Direction::p95_of_sum : Direction::sum;
    }
  });
  with("the old system's period begins and ends by UTC", [](Catalogue& c) {
    c.zone = "UTC";
    for (Customer& customer : c.customers) customer.zone = "UTC";
  });
  with("the old system takes missing slots for zero", [](Catalogue& c) {
    for (Meter& meter : c.meters) meter.missing = Missing::zero;
  });
  Variant average{"the old system bills the average, not the percentile", {}};
  average.quantities = averages_of(catalogue, period, slot, usage);
  out.push_back(std::move(average));
  return out;
}

std::string cause_of(const Difference& d, const std::vector<Variant>& variants) {
  if (!d.here) return "not known here: is the customer or the meter in the catalogue?";
  if (!d.there) return "not in the old system's figures";
  const Rational here = number(d.here->quantity), there = number(d.there->quantity);
  if (const std::string slip = unit_slip(here, there); !slip.empty()) return slip;
  for (const Variant& variant : variants) {
    const auto it = variant.quantities.find(d.line);
    if (it == variant.quantities.end()) continue;
    if (near(it->second, there) && !near(it->second, here)) return variant.cause;
  }
  if (d.here->coverage != "1.000000") {
    return "coverage is incomplete here: " + d.here->coverage + " of the time was measured";
  }
  if (d.quantity.zero()) return "the same quantity at another price";
  return "";
}

Difference difference_of(const LineKey& line, const Charged* here, const Charged* there,
                         const Rational& tolerance) {
  Difference d{line, {}, {}, {}, {}, {}, false, {}};
  if (here != nullptr) d.here = *here;
  if (there != nullptr) d.there = *there;
  Rational mine = here != nullptr ? number(here->quantity) : Rational();
  Rational theirs = there != nullptr ? number(there->quantity) : Rational();
  if (here != nullptr && there != nullptr) {
    const auto same_unit = converted(*there, here->unit);
    if (same_unit) {
      theirs = *same_unit;
      d.there->quantity = theirs.text(9);
      d.there->unit = here->unit;
    } else {
      d.cause = "the old figure is in " + there->unit + ", which cannot become " + here->unit;
    }
    if (!here->amount.empty() && !there->amount.empty()) {
      d.amount = distance(number(here->amount), number(there->amount));
    }
  }
  d.quantity = distance(mine, theirs);
  const Rational& larger = mine < theirs ? theirs : mine;
  if (!larger.zero()) d.relative = d.quantity / larger;
  d.beyond = here == nullptr || there == nullptr || !d.cause.empty() || d.relative > tolerance;
  if (d.amount) {
    const Rational a = number(d.here->amount), b = number(d.there->amount);
    const Rational& most = a < b ? b : a;
    d.beyond = d.beyond || *d.amount > most * tolerance;
  }
  return d;
}

/// Beyond the tolerance first, then by money, then by share.
bool bigger(const Difference& a, const Difference& b) {
  const Rational mine = a.amount.value_or(Rational()), theirs = b.amount.value_or(Rational());
  if (a.beyond != b.beyond) return a.beyond;
  if (mine != theirs) return mine > theirs;
  if (a.relative != b.relative) return a.relative > b.relative;
  return a.line < b.line;
}

}  // namespace

Result<Charges> charges_of(const std::vector<Message>& messages) {
  Charges out;
  for (const Message& message : messages) {
    if (message.meter.empty()) continue;
    const auto line = statement_meter(message.body);
    if (!line.ok()) return line.error();
    out[{message.customer, message.meter}] = {line->unit,     line->quantity, line->overuse,
                                              line->currency, line->amount,   line->coverage};
  }
  return out;
}

std::string unit_slip(const Rational& here, const Rational& there) {
  if (here.zero() || there.zero()) return "";
  const Rational k(1000, 1024);
  const std::pair<Rational, const char*> slips[] = {
      {k, "1000 and 1024 are taken for each other (kilo)"},
      {k * k, "1000 and 1024 are taken for each other (mega)"},
      {k * k * k, "1000 and 1024 are taken for each other (giga)"},
      {k * k * k * k, "1000 and 1024 are taken for each other (tera)"},
      {Rational(8), "bits and bytes are taken for each other"},
      {Rational(1000), "the unit is off by 1000"},
      {Rational(1'000'000), "the unit is off by a million"},
      {Rational(2), "one of the two counts twice"},
  };
  // Half a percent is too wide for these ratios: they are exact but for rounding.
  const Rational narrow(1, 5000);
  for (const auto& [ratio, what] : slips) {
    for (const Rational& other : {here * ratio, here / ratio}) {
      if (distance(other, there) <= (other < there ? there : other) * narrow) return what;
    }
  }
  return "";
}

OldFigures read_old_figures(std::istream& csv) {
  OldFigures out;
  std::optional<CsvHeader> header;
  std::uint64_t number_of_line = 0;
  const auto tell = [&](std::string what, const std::string& column, std::string todo) {
    if (out.errors.size() >= kMaxErrors) return;
    out.errors.push_back(
        {std::move(what), std::to_string(number_of_line) + ":" + column, std::move(todo)});
  };
  for (std::string line; std::getline(csv, line);) {
    ++number_of_line;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (!header) {
      auto read = CsvHeader::read(line, {"customer", "meter", "quantity", "amount", "unit"},
                                  {"customer", "meter", "quantity"});
      if (!read.ok()) {
        tell(read.error().what, read.error().where, read.error().todo);
        return out;
      }
      header = std::move(*read);
      continue;
    }
    const auto fields = csv_fields(line);
    if (!fields.ok()) {
      tell(fields.error().what, fields.error().where, fields.error().todo);
      continue;
    }
    if (fields->size() != header->columns()) {
      tell(std::to_string(fields->size()) + " fields, where the first line names " +
               std::to_string(header->columns()),
           "1", "");
      continue;
    }
    const auto text = [&](const char* name) {
      const CsvField* field = header->find(*fields, name);
      return field == nullptr ? std::string() : field->text;
    };
    bool good = true;
    for (const char* name : {"quantity", "amount"}) {
      const CsvField* field = header->find(*fields, name);
      if (field == nullptr || (field->text.empty() && std::string(name) == "amount")) continue;
      if (Rational::from_text(field->text)) continue;
      good = false;
      tell("'" + field->text.substr(0, 64) + "' is not a decimal number",
           std::to_string(field->column), "write it like 1234.5");
    }
    if (const CsvField* unit = header->find(*fields, "unit");
        unit != nullptr && !unit->text.empty() && !unit_named(unit->text)) {
      good = false;
      tell("no unit is named '" + unit->text.substr(0, 64) + "'", std::to_string(unit->column),
           "use one of the catalogue's, such as GB or Mbit/s");
    }
    if (!good) continue;
    Charged charged{text("unit"), text("quantity"), "", "", text("amount"), ""};
    if (!out.lines.emplace(LineKey{text("customer"), text("meter")}, charged).second) {
      tell("the same customer and meter as in an earlier line", "1", "keep one of them");
    }
  }
  if (!header && out.errors.empty()) tell("the file is empty", "1", "name a file with a header");
  return out;
}

Result<Shadow> shadow(Snapshot& snapshot, const std::string& id, const Catalogue& other,
                      const RerateProgress& progress) {
  const auto closed = snapshot.period(id);
  if (!closed.ok()) return closed.error();
  const auto period = period_named(other.period, other.zone, id);
  if (!period) {
    return Error{"the other catalogue has no period of that name", id,
                 "give it the same billing.period"};
  }
  auto cut = snapshot.periods().cut(id);
  if (!cut.ok()) return cut.error();
  const auto stored = snapshot.periods().messages(id);
  if (!stored.ok()) return stored.error();
  auto then = charges_of(*stored);
  if (!then.ok()) return then.error();
  const auto again = rerate(snapshot, *period, *cut, other, progress);
  if (!again.ok()) return again.error();
  auto now = charges_of(again->drafts.messages);
  if (!now.ok()) return now.error();
  Shadow out{*period, std::move(*then), std::move(*now), {}, {}, again->drafts.problems};
  const auto add = [](const Charges& all, std::map<std::string, Rational>& total) {
    for (const auto& [line, charged] : all) {
      if (charged.amount.empty()) continue;
      total[charged.currency] = total[charged.currency] + number(charged.amount);
    }
  };
  add(out.then, out.total_then);
  add(out.now, out.total_now);
  return out;
}

Result<Comparison> compare(Snapshot& snapshot, const std::string& id, const Charges& old,
                           const Rational& tolerance) {
  const auto closed = snapshot.period(id);
  if (!closed.ok()) return closed.error();
  const auto stored = snapshot.periods().messages(id);
  if (!stored.ok()) return stored.error();
  const auto here = charges_of(*stored);
  if (!here.ok()) return here.error();
  Comparison out{closed->period, {}, 0};
  for (const auto& [line, charged] : *here) {
    const auto there = old.find(line);
    out.lines.push_back(
        difference_of(line, &charged, there == old.end() ? nullptr : &there->second, tolerance));
  }
  for (const auto& [line, charged] : old) {
    if (!here->contains(line)) {
      out.lines.push_back(difference_of(line, nullptr, &charged, tolerance));
    }
  }
  out.beyond = static_cast<std::size_t>(std::count_if(
      out.lines.begin(), out.lines.end(), [](const Difference& d) { return d.beyond; }));
  std::vector<Variant> variants;
  if (out.beyond > 0) {
    const auto catalogue = snapshot.catalogue_of(*closed);
    if (!catalogue.ok()) return catalogue.error();
    const auto usage = UsageStore::open(snapshot.ledger(), snapshot.intake(), snapshot.slot());
    if (!usage.ok()) return usage.error();
    // A day more at both ends: another zone's period begins and ends there.
    Period wide = closed->period;
    wide.start -= kDay, wide.end += kDay;
    const auto metrics = catalogue->metrics();
    const auto views = (*usage)->slots(metrics, wide.start, wide.end);
    if (!views.ok()) return views.error();
    variants = variants_of(*catalogue, closed->period, snapshot.slot(), *views);
  }
  for (Difference& d : out.lines) {
    if (d.beyond && d.cause.empty()) d.cause = cause_of(d, variants);
  }
  std::sort(out.lines.begin(), out.lines.end(), bigger);
  return out;
}

}  // namespace tallyman::rater
