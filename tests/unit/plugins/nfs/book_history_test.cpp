// Random histories of a server's exports, polled, crashed and restored, billed by the rule that
// readings promise: a known start counts from zero, else the first reading is a baseline, and
// nothing falls within an epoch. The server and the biller here know nothing of the book.

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <tuple>

#include "nfs/book.hpp"

namespace nfs {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

struct Export {
  std::uint64_t path = 0, read = 0, written = 0;
  std::uint64_t known = 0;  ///< what it had read when a poll first saw it and nothing was known
  std::uint64_t seen = 0;   ///< what it had read at the last good poll
  bool polled = false;      ///< by this life of it
};

/// A server: exports by id, and when its statistics began.
class Server {
 public:
  explicit Server(std::mt19937_64& random) : random_(random) {}

  void restart(std::int64_t now) {
    since = now;
    for (auto& [id, one] : exports) end(one);
    for (auto& [id, one] : exports) one = Export{one.path};
  }
  void add(std::uint16_t id, std::uint64_t path) {
    if (exports.size() < 6) exports.try_emplace(id, Export{path});
  }
  void remove(std::uint16_t id) {
    const auto it = exports.find(id);
    if (it == exports.end()) return;
    end(it->second);
    exports.erase(it);
  }
  /// Made again under its id: it has moved less than before by the next poll, as the book must see.
  void make_again(std::uint16_t id, std::uint64_t path) {
    const auto it = exports.find(id);
    if (it == exports.end() || it->second.read < 1000) return;
    end(it->second);
    it->second = Export{path};
    it->second.read = random_() % 900;
  }
  void traffic() {
    for (auto& [id, one] : exports) {
      one.read += random_() % 5000;
      one.written += random_() % 100;
    }
  }
  void end(const Export& one) { ended += one.seen - one.known; }

  std::map<std::uint16_t, Export> exports;
  std::int64_t since = 500 * kSecond;
  std::uint64_t ended = 0;  ///< billable of lives that are over

 private:
  std::mt19937_64& random_;
};

class Biller {
 public:
  void take(std::uint16_t id, std::int64_t statistics, const Life& life, std::uint64_t value) {
    const auto key = std::tuple(id, statistics, life.birth, life.from_zero);
    const auto [it, fresh] = last_.try_emplace(key, life.from_zero ? 0 : value);
    ASSERT_GE(value, it->second) << "fell within an epoch, export " << id;
    billed += value - it->second;
    it->second = value;
  }
  std::uint64_t billed = 0;

 private:
  std::map<std::tuple<std::uint16_t, std::int64_t, std::int64_t, bool>, std::uint64_t> last_;
};

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), server_(random_) {
    for (std::uint16_t id = 70; id < 73; ++id) server_.add(id, id);
    server_.traffic();
  }

  void run(int polls) {
    for (int i = 0; i < polls; ++i) {
      now_ += 10 * kSecond;
      if (book_.since == 0) book_.since = now_;
      if (i > 0) change();
      if (made_again_ || random_() % 5 != 0) poll();
      if (random_() % 7 == 0) die_and_come_back();
    }
    std::uint64_t truth = server_.ended;
    for (const auto& [id, one] : server_.exports) truth += one.seen - one.known;
    EXPECT_EQ(biller_.billed, truth);
  }

 private:
  void change() {
    const auto id = static_cast<std::uint16_t>(70 + random_() % 8);
    switch (random_() % 12) {
      case 0:
        server_.restart(now_ - static_cast<std::int64_t>(random_() % 5) * kSecond);
        server_.traffic();
        break;
      case 1:
      case 2:
        // One that polls know cannot be seen to be made again, unless it has moved less.
        if (!book_.things.contains(std::to_string(id))) server_.add(id, id);
        server_.traffic();
        break;
      case 3:
        server_.remove(id);
        server_.traffic();
        break;
      case 4:
        if (missed_) break;
        server_.make_again(id, random_() % 2 == 0 ? id : random_());
        made_again_ = true;
        break;
      default:
        server_.traffic();
    }
    missed_ = true;
  }

  void poll() {
    std::vector<Sighting> seen;
    for (const auto& [id, one] : server_.exports) {
      Sighting sighting{std::to_string(id),
                        one.path,
                        static_cast<std::uint64_t>(server_.since),
                        server_.since,
                        {}};
      sighting.counters[0] = one.read;
      sighting.counters[5] = one.written;
      seen.push_back(sighting);
    }
    const bool first = book_.instant == 0;
    Step step = advance(book_, seen, now_);
    std::size_t i = 0;
    for (auto& [id, one] : server_.exports) {
      if (first && server_.since < book_.since) one.known = one.read;
      one.seen = one.read;
      biller_.take(id, server_.since, step.lives[i++], one.read);
    }
    book_ = std::move(step.next);
    missed_ = made_again_ = false;
  }

  void die_and_come_back() {
    State state;
    state.books[0] = book_;
    const auto bytes = std::get<std::string>(encode_state(state));
    book_ = std::get<State>(decode_state(kStateVersion, bytes)).books[0];
  }

  std::mt19937_64 random_;
  Server server_;
  Biller biller_;
  Book book_;
  std::int64_t now_ = 1000 * kSecond;
  bool missed_ = true;       ///< the server has changed since the last good poll
  bool made_again_ = false;  ///< and so that only the next poll can see it
};

// Given any history of exports that come, go, are made again and restarted with their server,
// polled or not, then exactly what polls saw is billed, once.
TEST(BookHistory, all_that_is_seen_is_billed_once) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History(seed).run(60);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace nfs
