// full_week DIRECTORY: a week of a host whose rater is away, polled every 10 s, 100 series, with
// resets, renames, gaps and clock steps, into two spools: one in DIRECTORY, a file system that is
// much too small for it, and one in memory without a limit. Then the rater comes back, and what it
// derives from the one must be what it derives from the other, in every slot. Prints what it
// compared; exit 0 when all is equal, 1 when it is not.

#include <cstdio>
#include <map>
#include <random>
#include <set>

#include "agent/spool/spool.hpp"
#include "base/fake_files.hpp"
#include "rater/derive/derive.hpp"
#include "rater/rating/measure.hpp"
#include "wire/batch.hpp"

namespace tallyman {
namespace {

constexpr int kSeries = 100;
constexpr int kPolls = 7 * 24 * 360;
constexpr Ns kInterval = 10 * kSecond;
constexpr Ns kSlot = 300 * kSecond;

/// The host, as both spools are told of it.
class Host {
 public:
  explicit Host(std::uint64_t seed)
      : random_(seed), values_(kSeries), epochs_(kSeries, 1), starts_(kSeries, 0) {}

  FakeClock clock{1'800'000'000 * kSecond, 1000 * kSecond};

  /// What happens up to the next instant.
  void step() {
    clock.advance(kInterval);
    stepped_ = skipped_ = false;
    const auto chance = random_() % 20'000;
    if (chance == 0) clock.step_wall(-35 * kSecond), stepped_ = true;
    if (chance == 1) clock.step_wall(45 * kSecond), skipped_ = true;
    for (std::size_t i = 0; i < kSeries; ++i) {
      const auto kind = i % 4;
      if (kind < 2) values_[i] += random_() % 1'250'000'000;
      if (kind == 2 && random_() % 10 == 0) values_[i] += random_() % 1000;
      if (random_() % 100'000 == 0) values_[i] = random_() % 1000;
      if (random_() % 200'000 == 0) recreate(i);
    }
    renamed_ = random_() % 5000 == 0 ? static_cast<int>(random_() % kSeries) : -1;
    missed_ = random_() % 500 == 0;
    late_ = random_() % 2000 == 0;
  }

  Status tell(agent::Spool& spool) const {
    agent::Dictionary& names = spool.dictionary();
    const Ns at = clock.wall() / kInterval * kInterval;
    const auto instance = names.intern(wire::InstanceDef{"netif", "netif", "1", {}, kInterval});
    const auto source = names.intern(wire::SourceDef{wire::Scope::host, "host:h"});
    const auto metric = names.intern(wire::MetricDef{"netif_receive_bytes_total",
                                                     "bytes",
                                                     "",
                                                     wire::Kind::counter,
                                                     0,
                                                     {"ifindex"},
                                                     {"interface"}});
    wire::Poll poll;
    poll.instance = instance;
    poll.scheduled = at;
    poll.wall = clock.wall() + 3 * kMillisecond;
    poll.boot = clock.boot();
    poll.in_time = !late_;
    poll.stepped = stepped_;
    for (std::size_t i = 0; i < kSeries; ++i) {
      const auto series = names.intern(wire::SeriesDef{source, metric, {std::to_string(i)}});
      const bool renamed = static_cast<int>(i) == renamed_;
      names.info(series, at, {renamed ? "new" + std::to_string(at) : "eth" + std::to_string(i)});
      poll.values.push_back(
          {names.intern(wire::EpochDef{series, epochs_[i], starts_[i]}), values_[i], 0});
    }
    std::sort(poll.values.begin(), poll.values.end(),
              [](const wire::Value& a, const wire::Value& b) { return a.epoch < b.epoch; });
    std::vector<wire::Entry> entries;
    if (skipped_)
      entries.emplace_back(wire::Gap{instance, 0, at - 4 * kInterval, at - kInterval,
                                     wire::Cause::clock, "the clock was set forward"});
    if (missed_) {
      entries.emplace_back(wire::Gap{instance, 0, at, at, wire::Cause::hang, "over its deadline"});
    } else {
      entries.emplace_back(std::move(poll));
    }
    Status told = spool.append(entries, {});
    return told.ok() ? spool.seal_if_due(at) : told;
  }

 private:
  void recreate(std::size_t i) {
    values_[i] = 0;
    ++epochs_[i];
    starts_[i] = clock.wall() - kInterval;
  }

  std::mt19937_64 random_;
  std::vector<std::uint64_t> values_, epochs_;
  std::vector<Ns> starts_;
  bool stepped_ = false, skipped_ = false, missed_ = false, late_ = false;
  int renamed_ = -1;
};

/// What a rater makes of all batches of a spool.
struct Bill {
  using Usage = std::tuple<u128, Ns, Ns>;
  std::map<std::pair<std::string, std::int64_t>, Usage> slots;
  std::size_t batches = 0, thinned = 0, lost = 0, readings = 0;
  u128 total = 0;
  std::map<std::string, u128> p95;
};

Result<Bill> bill(agent::Spool& spool) {
  Bill out;
  rater::Deriver deriver("h", kSlot);
  std::map<std::uint64_t, std::string> names;
  Hash before = kNoHash;
  const auto take = [&] {
    const rater::Derived derived = deriver.take();
    for (const auto& view : derived.views) names[view.id] = view.key.series.labels.at("ifindex");
    for (const auto& [view, usage] : derived.usage) {
      auto& [amount, covered, estimated] = out.slots[{names.at(view), usage.slot}];
      amount += usage.amount, covered += usage.covered, estimated += usage.estimated;
    }
  };
  for (std::uint64_t sequence = 0;;) {
    const auto next = spool.next_after(sequence);
    if (!next) return next.error();
    if (!*next) break;
    const auto batch = wire::decode_batch((*next)->bytes);
    if (!batch) return batch.error();
    if (batch->head.sequence != sequence + 1 || batch->head.previous != before)
      return Error{"the chain is broken", "batch " + std::to_string(sequence + 1), ""};
    before = (*next)->hash;
    sequence = (*next)->last;
    ++out.batches;
    if (batch->head.kind == wire::BatchKind::thinned) ++out.thinned;
    if (batch->head.kind == wire::BatchKind::stand_in) ++out.lost;
    for (const auto& entry : batch->entries) {
      if (const auto* poll = std::get_if<wire::Poll>(&entry)) out.readings += poll->values.size();
    }
    deriver.apply(1, *batch);
    if (out.batches % 500 == 0) take();
  }
  take();
  std::map<std::string, std::vector<u128>> amounts;
  for (const auto& [key, usage] : out.slots) {
    out.total += std::get<0>(usage);
    amounts[key.first].push_back(std::get<0>(usage));
  }
  for (auto& [series, all] : amounts) {
    std::sort(all.begin(), all.end());
    out.p95[series] = all[rater::p95_rank(all.size()) - 1];
  }
  return out;
}

void print(const char* name, const Bill& bill, const agent::Spool& spool) {
  std::printf("%-10s %9zu readings in %zu batches, %zu thinned, %zu lost, %llu bytes; total %s\n",
              name, bill.readings, bill.batches, bill.thinned, bill.lost,
              static_cast<unsigned long long>(spool.stats().bytes), to_decimal(bill.total).c_str());
}

int fail(const std::string& why) {
  std::fprintf(stderr, "full_week: %s\n", why.c_str());
  return 1;
}

int run(const std::string& directory) {
  Host host(20261122);
  FakeFiles memory;
  agent::SpoolOptions small, unlimited;
  small.directory = directory + "/spool";
  unlimited.directory = "/spool";
  unlimited.limit_bytes = 1ULL << 50U;
  auto one = agent::Spool::open(small, "h", {1}, host.clock);
  auto other = agent::Spool::open(memory, unlimited, "h", {1}, host.clock);
  if (!one) return fail(one.error().text());
  if (!other) return fail(other.error().text());
  for (int i = 0; i < kPolls; ++i) {
    host.step();
    for (agent::Spool* spool : {one->get(), other->get()}) {
      if (Status told = host.tell(*spool); !told.ok()) return fail(told.error().text());
      if (i % 6 != 5) continue;
      const auto job = spool->sync_job();
      if (job) spool->synced(*job, job->run());
    }
  }
  for (agent::Spool* spool : {one->get(), other->get()}) {
    if (Status sealed = spool->seal_if_due(host.clock.wall(), true); !sealed.ok())
      return fail(sealed.error().text());
    if (const auto job = spool->sync_job()) spool->synced(*job, job->run());
  }
  const auto little = bill(**one), all = bill(**other);
  if (!little) return fail(little.error().text());
  if (!all) return fail(all.error().text());
  print("unlimited", *all, **other);
  print("full", *little, **one);
  if (little->thinned == 0) return fail("the small spool never was full");
  if (little->lost != 0) return fail("batches were lost");
  if (little->slots != all->slots) return fail("slots differ");
  if (little->total != all->total || little->p95 != all->p95) return fail("totals differ");
  std::printf("equal: %zu slots of %zu series, totals and p95\n", all->slots.size(),
              all->p95.size());
  return 0;
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: full_week DIRECTORY\n");
    return 2;
  }
  return tallyman::run(argv[1]);
}
