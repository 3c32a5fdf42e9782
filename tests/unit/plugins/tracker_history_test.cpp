// Random histories of a kernel's interfaces, polled, crashed and restored, billed by the rule that
// readings promise: a known start counts from zero, else the first reading is a baseline, and
// nothing falls within an epoch. The kernel and the biller here know nothing of the tracker.

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>

#include "netif/tracker.hpp"

namespace netif {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

struct Kernel {
  std::map<std::uint32_t, Link> links;
  std::vector<LinkEvent> events;
  std::uint64_t traffic = 0;  ///< bytes received here, while somebody was to meter them
  std::uint32_t next_index = 2;
  bool deaf_finals = false;  ///< a deleted veth no longer knows what it received

  void create(std::uint32_t ifindex, const Counters& brought, const std::string& kind) {
    if (links.contains(ifindex)) return;
    Link link;
    link.ifindex = ifindex;
    link.kind = kind;
    link.counters = brought;
    links.emplace(ifindex, link);
    events.push_back({false, link});
  }
  void remove(std::uint32_t ifindex) {
    LinkEvent event{true, links.at(ifindex)};
    if (deaf_finals && event.link.kind == "veth") {
      event.link.counters.receive_bytes = event.link.counters.receive_packets = 0;
    }
    events.push_back(event);
    links.erase(ifindex);
  }
  void receive(Link& link, std::uint64_t bytes) {
    Counters& c = link.counters;
    c.receive_bytes += bytes, c.transmit_bytes += bytes / 3;
    c.receive_packets += 1 + bytes / 1000, c.transmit_packets += 1;
    if (link.wanted) traffic += bytes;
  }
};

struct Biller {
  std::map<std::pair<std::uint32_t, std::int64_t>, std::uint64_t> last;
  std::uint64_t billed = 0;

  void take(const std::vector<Sample>& samples) {
    for (const Sample& sample : samples) {
      if (!sample.told[0]) continue;
      const std::uint64_t value = sample.link.counters.receive_bytes;
      const auto [it, fresh] = last.try_emplace({sample.link.ifindex, sample.life.creation}, value);
      if (fresh) {
        if (sample.life.start() != 0) billed += value;
        continue;
      }
      ASSERT_GE(value, it->second) << "fell within an epoch, index " << sample.link.ifindex;
      billed += value - it->second;
      it->second = value;
    }
  }
};

/// What may go wrong besides polls that fail and interfaces that come, go, move and change.
struct Trouble {
  bool restarts = false, lost_events = false, resets = false, uncommitted = false;
  bool deaf_finals = false;
};

class History {
 public:
  History(std::uint64_t seed, const Trouble& trouble) : random_(seed), trouble_(trouble) {
    kernel_.deaf_finals = trouble.deaf_finals;
    for (int i = 0; i < 3; ++i) kernel_.create(kernel_.next_index++, foreign(), kind());
    poll();
    kernel_.traffic = 0;
  }

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) step();
    poll();
  }

  [[nodiscard]] std::uint64_t billed() const { return biller_.billed; }
  [[nodiscard]] std::uint64_t traffic() const { return kernel_.traffic; }

 private:
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  std::string kind() { return below(2) == 0 ? "veth" : "dummy"; }
  Counters foreign() { return {below(100'000), below(9000), below(300), below(300), 0, 0, 0, 0}; }

  Link* any() {
    if (kernel_.links.empty()) return nullptr;
    auto it = kernel_.links.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(below(kernel_.links.size())));
    return &it->second;
  }

  void step() {
    Link* link = any();
    switch (below(17)) {
      case 0:
        kernel_.create(kernel_.next_index++, {}, kind());
        break;
      case 1:
        kernel_.create(2 + static_cast<std::uint32_t>(below(8)), {}, kind());
        break;
      case 2:
        // A move into the namespace is only told apart in an unbroken stream of events.
        if (complete_) kernel_.create(2 + static_cast<std::uint32_t>(below(8)), foreign(), kind());
        moved_in_ = true;
        break;
      case 3:
      case 4:
        if (link != nullptr) kernel_.remove(link->ifindex);
        break;
      case 5:
        if (link != nullptr) kernel_.events.push_back({false, *link});
        break;
      case 6:
        if (trouble_.resets && link != nullptr) link->counters = {};
        break;
      case 7:
        if (trouble_.restarts && !moved_in_) restart();
        break;
      case 8:
        if (trouble_.lost_events && !moved_in_) lose_events();
        break;
      case 9:
        if (trouble_.uncommitted && !moved_in_) poll_in_vain();
        break;
      case 16:
        // Renamed into the filter or out of it, with no traffic before the next poll.
        poll();
        if ((link = any()) != nullptr) link->wanted = !link->wanted;
        poll();
        break;
      case 10:
      case 11:
        poll();
        break;
      default:
        if (link != nullptr) kernel_.receive(*link, below(5000));
    }
  }

  Observation observe() {
    now_ += below(20) == 0 ? -35 * kSecond : 10 * kSecond;
    Observation seen{now_, complete_, kernel_.events, {}};
    for (const auto& [ifindex, link] : kernel_.links) seen.links.push_back(link);
    return seen;
  }

  void poll() {
    Step step = advance(state_, observe());
    biller_.take(step.samples);
    state_ = std::move(step.next);
    kernel_.events.clear();
    complete_ = true;
    moved_in_ = false;
  }

  /// A poll whose readings never became durable, and the crash that was the reason.
  void poll_in_vain() {
    static_cast<void>(advance(state_, observe()));
    restart();
  }

  void restart() {
    const auto bytes = encode_state(state_);
    const auto state = decode_state(kStateVersion, std::get<0>(bytes));
    state_ = first_state(std::get<State>(state), Place{}, 0);
    lose_events();
  }

  void lose_events() {
    kernel_.events.clear();
    complete_ = false;
  }

  std::mt19937_64 random_;
  Trouble trouble_;
  Kernel kernel_;
  Biller biller_;
  State state_ = first_state(std::nullopt, Place{}, 0);
  std::int64_t now_ = 1'795'366'580 * kSecond;
  bool complete_ = false;
  bool moved_in_ = false;  ///< since the last good poll
};

// Given histories in which every event is seen, then every byte received is billed, once.
TEST(TrackerHistory, BillsEveryByteOnceWhenNothingIsLost) {
  std::uint64_t total = 0;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    History history(seed, {});
    history.run(120);
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
    ASSERT_EQ(history.billed(), history.traffic()) << "seed " << seed;
    total += history.billed();
  }
  EXPECT_GT(total, 0U);
}

// Given crashes, restores, lost events and counters reset in place, then never is more billed than
// was received, and most of it still is.
TEST(TrackerHistory, NeverBillsMoreThanWasReceived) {
  std::uint64_t billed = 0, traffic = 0;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    History history(seed, {.restarts = seed % 2 == 0,
                           .lost_events = seed % 3 == 0,
                           .resets = seed % 5 == 0,
                           .uncommitted = seed % 7 == 0,
                           .deaf_finals = seed % 11 == 0});
    history.run(120);
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
    ASSERT_LE(history.billed(), history.traffic()) << "seed " << seed;
    billed += history.billed(), traffic += history.traffic();
  }
  EXPECT_GT(billed, traffic * 8 / 10);
}

}  // namespace
}  // namespace netif
