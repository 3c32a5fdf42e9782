// A month of slots in a ledger, and what it takes to rate it. `tests/bench/run close` runs it.
//
//   fill LEDGER SERIES CUSTOMERS   a ledger with a month of each series, bytes uniform in 0 … 10⁹,
//                                  and LEDGER.toml, a catalogue of as many customers with a p95
//                                  each
//   rate LEDGER                    rates the month from the ledger, as a close does: {"seconds": of
//                                  CPU, …}; and customer,bytes lines of what was billed in
//                                  LEDGER.csv
//   rows SERIES                    the same slots as lines for PostgreSQL's COPY

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "base/time_text.hpp"
#include "rater/derive/usage_store.hpp"
#include "rater/derive/usage_store_rows.hpp"
#include "rater/rating/close.hpp"
#include "rater/slots/slot_tables.hpp"

namespace tallyman::rater {
namespace {

constexpr Ns kSlot = 5 * kMinute;
constexpr const char* kMonth = "2026-10";
constexpr Ns kStart = 1'790'812'800 * kSecond;  ///< 2026-10-01T00:00:00Z
constexpr std::int64_t kSlots = 8928;
const std::string kMetric = "netif_transmit_bytes_total";

[[noreturn]] void fail(const Error& error) {
  std::fprintf(stderr, "close_bench: %s\n", error.text().c_str());
  std::exit(1);
}
void must(const Status& status) {
  if (!status.ok()) fail(status.error());
}
template <typename Value>
Value must(Result<Value> result) {
  if (!result.ok()) fail(result.error());
  return std::move(*result);
}

/// The slots of one series: the same in every run and for every store.
std::vector<SlotUsage> month_of(std::int64_t series) {
  std::mt19937_64 random(static_cast<std::uint64_t>(series));
  std::vector<SlotUsage> slots;
  slots.reserve(kSlots);
  for (std::int64_t i = 0; i < kSlots; ++i) {
    slots.push_back(
        {.slot = kStart / kSlot + i, .amount = random() % 1'000'000'001, .covered = kSlot});
  }
  return slots;
}

void write_catalogue(const std::string& path, std::int64_t series, std::int64_t customers) {
  std::ofstream out(path);
  out << "[billing]\nperiod = \"month\"\ntime_zone = \"UTC\"\n[[meter]]\nid = \"burst\"\n"
         "measure = \"p95\"\ndirection = \"out\"\nout = \""
      << kMetric
      << "\"\nunit = \"Mbit/s\"\n[[plan]]\nid = \"p\"\n[[plan.item]]\nmeter = \"burst\"\n";
  for (std::int64_t c = 1; c <= customers; ++c) {
    out << "[[customer]]\nid = \"c" << c << "\"\nplan = \"p\"\n";
  }
  for (std::int64_t s = 1; s <= series; ++s) {
    out << "[[resource]]\ncustomer = \"c" << (s - 1) % customers + 1
        << "\"\n[resource.match]\nifindex = \"" << s << "\"\n";
  }
}

struct Rater {
  explicit Rater(const std::string& path)
      : ledger(must(Ledger::open(path, clock))),
        intake(must(Intake::open(*ledger, clock))),
        usage(must(UsageStore::open(*ledger, *intake, kSlot))) {}
  RealClock clock{};
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Intake> intake;
  std::unique_ptr<UsageStore> usage;
};

void fill(const std::string& path, std::int64_t series, std::int64_t customers) {
  write_catalogue(path + ".toml", series, customers);
  const Rater rater(path);
  Database& db = rater.ledger->database();
  SlotTables slots(db, kSlot);
  auto view = db.prepare(
      "INSERT INTO usage_view(id, key, agent, metric, resolution, first_ns, last_ns)"
      " VALUES(?, ?, 'bench', ?, 0, ?, ?)");
  for (std::int64_t s = 1; s <= series;) {
    Transaction transaction(db);
    must(transaction.begun());
    for (std::int64_t end = std::min(series, s + 99); s <= end; ++s) {
      const ViewKey key{{"host:bench",
                         wire::Scope::host,
                         kMetric,
                         "bytes",
                         wire::Kind::counter,
                         {{"ifindex", std::to_string(s)}}},
                        "bench",
                        "netif"};
      view.bind(1, s).bind(2, ByteView(encode_view_key(key))).bind(3, kMetric);
      must(view.bind(4, kStart).bind(5, kStart + kSlots * kSlot).done());
      must(slots.add(s, month_of(s)));
    }
    must(transaction.commit());
  }
  must(db.run("PRAGMA wal_checkpoint(TRUNCATE)"));
  std::printf("{\"slots\": %lld, \"bytes\": %llu}\n", static_cast<long long>(series * kSlots),
              static_cast<unsigned long long>(rater.ledger->bytes()));
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& at) {
    return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void rate_month(const std::string& path) {
  const Rater rater(path);
  app::ConfigErrors errors;
  const Catalogue catalogue = load_catalogue(path + ".toml", kSlot, errors);
  if (!errors.empty()) fail({errors.text(), path, ""});
  const auto period = period_named(catalogue.period, catalogue.zone, kMonth);
  if (!period) fail({"no such period", kMonth, ""});
  const double begun = cpu_seconds();
  const std::vector<std::string> metrics = catalogue.metrics();
  const auto source = must(rater.usage->source(metrics, period->start, period->end));
  const double claimed = cpu_seconds();
  const Rating rating = must(rate(RatingTerms{catalogue, *period, kSlot}, *source));
  const double ended = cpu_seconds();
  must(conserved(rating.totals));
  std::ofstream out(path + ".csv");
  std::uint64_t slots = 0;
  for (const UsageRecord& record : rating.records) {
    slots += record.slots * record.series;
    out << record.customer << "," << record.base.billed << "\n";
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"seconds\": %.6f, \"facts_seconds\": %.6f, \"slots\": %llu, \"peak_mib\": %.1f}\n",
              ended - begun, claimed - begun, static_cast<unsigned long long>(slots),
              static_cast<double>(usage.ru_maxrss) / 1024);
}

void print_rows(std::int64_t series) {
  for (std::int64_t s = 1; s <= series; ++s) {
    std::string lines;
    for (const SlotUsage& slot : month_of(s)) {
      lines += std::to_string(s) + "\t" + std::to_string(slot.slot) + "\t" +
               std::to_string(static_cast<std::uint64_t>(slot.amount)) + "\n";
    }
    std::fwrite(lines.data(), 1, lines.size(), stdout);
  }
}

}  // namespace
}  // namespace tallyman::rater

int main(int argc, char** argv) {
  using namespace tallyman::rater;
  const std::string verb = argc > 1 ? argv[1] : "";
  const auto number = [&](int at) { return argc > at ? std::strtoll(argv[at], nullptr, 10) : 0; };
  if (verb == "fill" && number(3) > 0 && number(4) > 0) {
    return fill(argv[2], number(3), number(4)), 0;
  }
  if (verb == "rate" && argc == 3) return rate_month(argv[2]), 0;
  if (verb == "rows" && number(2) > 0) return print_rows(number(2)), 0;
  std::fprintf(stderr,
               "usage: close_bench fill LEDGER SERIES CUSTOMERS | rate LEDGER | rows SERIES\n");
  return 2;
}
