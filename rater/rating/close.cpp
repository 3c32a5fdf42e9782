#include "rater/rating/close.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include "base/bytes.hpp"
#include "rater/rating/bill.hpp"
#include "rater/rating/measure.hpp"

namespace tallyman::rater {

namespace {

constexpr unsigned kShownDecimals = 9;  ///< of quantities
constexpr unsigned kShareDecimals = 6;
constexpr std::size_t kHashedAtOnce = 64;  ///< series: a month of one is some 70 KB

/// Numbers of eight bytes each, little-endian, as one field; zeros alone are an empty one.
void add_column(FieldHasher& hasher, std::span<const std::uint64_t> column) {
  if (std::all_of(column.begin(), column.end(), [](auto v) { return v == 0; })) column = {};
  if constexpr (std::endian::native == std::endian::little) {
    const auto bytes = std::as_bytes(column);
    hasher.field({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  } else {
    Bytes bytes;
    ByteWriter out(bytes);
    for (const std::uint64_t value : column) out.u64(value);
    hasher.field(bytes);
  }
}

/// What is in doubt at the ends of runs; without any, nothing.
void add_doubts(FieldHasher& hasher, const OwnedSeries& series) {
  const auto add = [&](const Run& run, const Doubt& doubt) {
    if (doubt == Doubt{}) return;
    const Ns at = &doubt == &run.begin ? run.span.from : run.span.to;
    hasher.field("doubt").number(static_cast<std::uint64_t>(at)).field(series.views[run.view]);
    hasher.field(to_big_endian(doubt.before)).field(to_big_endian(doubt.after));
  };
  for (const Run& run : series.runs) {
    add(run, run.begin);
    add(run, run.end);
  }
}

/// Every figure of every piece: those of whole slots by columns, a run with its length before it;
/// any other after a zero.
void add_series(FieldHasher& hasher, const char* role, const OwnedSeries& series) {
  const SeriesKey& key = series.key;
  hasher.field(role).field(key.source).field(key.metric).number(key.labels.size());
  for (const auto& [label, value] : key.labels) hasher.field(label).field(value);
  hasher.number(series.held.size());
  for (const Span& span : series.held) {
    hasher.number(static_cast<std::uint64_t>(span.from));
    hasher.number(static_cast<std::uint64_t>(span.to));
  }
  const auto slots = [&](const WholeSlots& whole) {
    hasher.number(whole.size()).number(static_cast<std::uint64_t>(whole.slot));
    hasher.number(static_cast<std::uint64_t>(whole.length)).field(series.views[whole.view]);
    add_column(hasher, whole.low);
    add_column(hasher, whole.high);
    add_column(hasher, whole.peak);
  };
  const auto piece = [&](const Piece& part) {
    hasher.number(0).number(static_cast<std::uint64_t>(part.from));
    hasher.number(static_cast<std::uint64_t>(part.to)).field(to_big_endian(part.amount));
    hasher.number(static_cast<std::uint64_t>(part.covered));
    hasher.number(static_cast<std::uint64_t>(part.estimated));
    hasher.number(static_cast<std::uint64_t>(part.absent));
    hasher.number(part.peak).field(series.views[part.view]);
  };
  hasher.number(series.pieces.size());
  series.pieces.visit(slots, piece);
  add_doubts(hasher, series);
}

/// Of the agents awaited, those that this record draws on.
std::vector<std::string> awaited_of(const MeterInput& input,
                                    const std::vector<std::string>& awaited) {
  std::vector<std::string> mine;
  const auto draws_on = [](const std::vector<const OwnedSeries*>& all, const std::string& agent) {
    return std::any_of(all.begin(), all.end(), [&](const OwnedSeries* series) {
      return std::any_of(series->views.begin(), series->views.end(),
                         [&](const std::string& view) { return view.starts_with(agent + "/"); });
    });
  };
  for (const std::string& agent : awaited) {
    if (draws_on(input.in, agent) || draws_on(input.out, agent)) mine.push_back(agent);
  }
  return mine;
}

/// What waivers left out of the record.
void note_waived(const MeterInput& input, bool gauges, UsageRecord& record) {
  u128 amount = 0, waived = 0, time = 0;
  for (const auto* side : {&input.in, &input.out}) {
    for (const OwnedSeries* series : *side) {
      amount += series->waived;
      waived += static_cast<u128>(series->waived_ns);
      time += static_cast<u128>(series->held_ns() + series->waived_ns);
    }
  }
  if (waived == 0) return;
  record.waived = Rational(amount, gauges ? u128{kSecond} : u128{1}).text(kShownDecimals);
  record.waived_share = Rational(waived, time).floored(kShareDecimals);
}

/// What keeps series of this customer and meter from being billed.
std::vector<std::string> problems_of(const Meter& meter, std::size_t customer,
                                     const MeterInput& input,
                                     const std::vector<Conflict>& conflicts) {
  std::set<std::string> problems(input.errors.begin(), input.errors.end());
  for (const Conflict& conflict : conflicts) {
    const std::vector<std::size_t>& theirs = conflict.customers;
    const bool mine = std::find(theirs.begin(), theirs.end(), customer) != theirs.end();
    if (mine && reads(meter, conflict.metric)) problems.insert(conflict.text);
  }
  return {problems.begin(), problems.end()};
}

bool reads_both(const Meter& meter) {
  return !meter.of_gauges() && meter.direction != Direction::in &&
         meter.direction != Direction::out;
}

}  // namespace

/// A meter of the customer whose turn it is, with the evidence of its record. What adds up is
/// hashed as it is read, and summed up: only its figures are held. Everything else is held as a
/// whole until the record is made, and hashed then, some series at a time.
struct PeriodRating::Metered {
  explicit Metered(const Meter& of) : meter(of) {}
  const Meter& meter;
  bool adds_up = false;
  FieldHasher evidence{};
  UsageRecord record{};
  MeterInput input{};
  std::size_t hashed = 0;

  /// False once all are.
  bool hash_some() {
    const std::size_t all = adds_up ? 0 : input.in.size() + input.out.size();
    for (std::size_t n = 0; n < kHashedAtOnce && hashed < all; ++n, ++hashed) {
      const bool in = hashed < input.in.size();
      const OwnedSeries* series = in ? input.in[hashed] : input.out[hashed - input.in.size()];
      add_series(evidence, in ? "in" : "out", *series);
    }
    return hashed < all;
  }
};

Hash Cut::hash() const {
  FieldHasher hasher;
  hasher.field("tallyman cut 1").field(tz).number(marks.size());
  for (const StreamMark& mark : marks) {
    hasher.field(mark.agent).field(mark.incarnation).number(mark.sequence).field(mark.hash);
  }
  hasher.number(closed_without.size());
  for (const std::string& agent : closed_without) hasher.field(agent);
  if (decision.n > 0) hasher.field("decision").field(decision.hash);
  return hasher.finish();
}

Span usage_span(const Catalogue& catalogue, const Period& period) {
  Span span{period.start, period.end};
  for (const Customer& customer : catalogue.customers) {
    const Period theirs = catalogue.period_of(customer, period);
    span.from = std::min(span.from, theirs.start);
    span.to = std::max(span.to, theirs.end);
  }
  return span;
}

std::vector<std::string> awaited(std::span<const StreamMark> marks, Ns end) {
  std::map<std::string, Ns> newest;
  for (const StreamMark& mark : marks) {
    if (mark.imported || mark.empty) continue;
    Ns& watermark = newest[mark.agent];
    watermark = std::max(watermark, mark.watermark);
  }
  std::vector<std::string> agents;
  for (const auto& [agent, watermark] : newest) {
    if (watermark < end) agents.push_back(agent);
  }
  return agents;
}

PeriodRating::PeriodRating(RatingTerms terms, UsageSource& source)
    : terms_(std::move(terms)),
      attributor_(terms_.catalogue, terms_.period, terms_.slot, source, terms_.until,
                  terms_.decisions.waivers),
      version_(terms_.catalogue.version()),
      next_(terms_.only.value_or(0)),
      last_(terms_.only ? next_ + 1 : terms_.catalogue.customers.size()) {
  for (const Conflict& conflict : attributor_.conflicts()) problems_.insert(conflict.text);
}

PeriodRating::~PeriodRating() = default;

Result<bool> PeriodRating::step() {
  if (next_ < last_) {
    if (!begun_) begin_customer();
    if (!all_read_) {
      if (const Status read = read_some(); !read) return read.error();
    } else if (hashing_) {
      hash_some();
    } else if (meter_ < meters_.size()) {
      bill_next();
    } else {
      end_customer();
    }
    return true;
  }
  if (terms_.only) return false;
  return attributor_.next_unclaimed();
}

Line PeriodRating::line_of(const Meter& meter) const {
  const Catalogue& catalogue = terms_.catalogue;
  const Customer& customer = catalogue.customers[next_];
  return {catalogue, customer, meter, catalogue.period_of(customer, terms_.period), terms_.slot};
}

void PeriodRating::begin_customer() {
  const Catalogue& catalogue = terms_.catalogue;
  const Customer& customer = catalogue.customers[next_];
  begun_ = true;
  std::set<std::string> first;  // evidence begins with what comes in
  for (const Meter* meter :
       billed_meters(catalogue, customer, catalogue.period_of(customer, terms_.period))) {
    meters_.push_back(std::make_unique<Metered>(*meter));
    meters_.back()->evidence.field("tallyman evidence 2");
    if (reads_both(*meter)) first.insert(meter->in);
  }
  for (const auto& each : meters_) {
    const Meter& meter = each->meter;
    const Line line = line_of(meter);
    const std::vector<BilledPart> parts = billed_parts(line);
    const bool sum = meter.measure == Measure::volume || meter.measure == Measure::time_weighted;
    const bool in_order = !reads_both(meter) || !first.contains(meter.out);
    each->adds_up = !terms_.only && sum && in_order && parts.size() == 1 && throughout(line, parts);
  }
  attributor_.read_first(next_, [&](const SeriesKey& key) { return first.contains(key.metric); });
}

Status PeriodRating::read_some() {
  const std::size_t held = owned_.size();
  const Result<bool> more = attributor_.customer_some(next_, read_, owned_);
  if (!more) return more.error();
  for (std::size_t i = held; i < owned_.size(); ++i) take_in(owned_[i]);
  if (*more) return {};
  all_read_ = true;
  std::sort(owned_.begin(), owned_.end(),
            [](const OwnedSeries& a, const OwnedSeries& b) { return a.key < b.key; });
  return {};
}

void PeriodRating::take_in(OwnedSeries& series) {
  bool needed = terms_.only.has_value();
  for (const auto& each : meters_) {
    const MeterInput mine = select(each->meter, std::span(&series, 1), terms_.slot);
    if (mine.in.empty() && mine.out.empty()) continue;
    if (each->adds_up) add_series(each->evidence, mine.in.empty() ? "out" : "in", series);
    needed |= !each->adds_up;
  }
  if (!needed) series.pieces.sum_up();
}

void PeriodRating::bill_next() {
  Metered& metered = *meters_[meter_];
  const Meter& meter = metered.meter;
  MeterInput input = select(meter, owned_, terms_.slot);
  problems_.insert(input.errors.begin(), input.errors.end());
  const Line line = line_of(meter);
  UsageRecord record =
      bill(line, billed_parts(line), input,
           terms_.decisions.correction(line.customer.id, meter.id, terms_.period.id));
  record.catalogue_version = version_;
  record.closed_without = awaited_of(input, terms_.closed_without);
  record.problems = problems_of(meter, next_, input, attributor_.conflicts());
  note_waived(input, meter.of_gauges(), record);
  metered.record = std::move(record);
  metered.input = std::move(input);
  hashing_ = true;
}

void PeriodRating::hash_some() {
  Metered& metered = *meters_[meter_];
  if (metered.hash_some()) return;
  metered.record.evidence = metered.evidence.finish();
  rating_.records.push_back(std::move(metered.record));
  metered.input = {};
  hashing_ = false;
  ++meter_;
}

void PeriodRating::end_customer() {
  ++next_;
  read_ = meter_ = 0;
  begun_ = all_read_ = false;
  meters_.clear();
  if (!terms_.only) owned_.clear();
}

Rating PeriodRating::take() {
  rating_.unattributed = attributor_.unattributed();
  rating_.loose = attributor_.loose();
  rating_.totals = attributor_.totals();
  rating_.problems.assign(problems_.begin(), problems_.end());
  return std::move(rating_);
}

Result<Rating> rate(RatingTerms terms, UsageSource& source) {
  PeriodRating rating(std::move(terms), source);
  for (;;) {
    const Result<bool> more = rating.step();
    if (!more) return more.error();
    if (!*more) return rating.take();
  }
}

Rating rate(const Catalogue& catalogue, const Period& period, Ns slot,
            std::span<const ViewUsage> usage, const std::vector<std::string>& closed_without,
            Ns until, const Decisions& decisions) {
  KeptUsage source(usage, slot);
  // What is in memory can be read.
  return *rate(RatingTerms{catalogue, period, slot, closed_without, until, decisions}, source);
}

}  // namespace tallyman::rater
