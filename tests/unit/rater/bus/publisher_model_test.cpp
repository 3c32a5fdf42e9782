// Given a broker that does anything AMQP allows, and an outbox that starts over or leaves something
// out, then consumers get exactly what was submitted, and nothing is told as safe that is not.

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "model_broker.hpp"
#include "rater/bus/publisher.hpp"

namespace tallyman::rater {
namespace {

using testing::ModelBroker;

struct Faults {
  unsigned lost = 0, blocked = 0, restarts = 0, skips = 0;  ///< once in so many steps; 0 = never
  unsigned returns = 0, nacks = 0;                          ///< once in so many messages
};

/// One history: outbox, publisher and broker, and what is known to be true of them.
class History {
 public:
  History(std::uint64_t seed, const Faults& faults, std::size_t messages)
      : broker_(seed), faults_(faults), messages_(messages) {
    broker_.returns = faults.returns;
    broker_.nacks = faults.nacks;
  }

  void run() {
    for (int n = 0; n < 3000; ++n) step();
    faults_ = {};
    broker_.returns = broker_.nacks = 0;
    for (int n = 0; n < 20'000 && (confirmed_.size() + skipped_.size() < messages_); ++n) step();
    check();
  }

  [[nodiscard]] const ModelBroker& broker() const { return broker_; }

 private:
  static std::string id_of(std::size_t n) { return "id" + std::to_string(n); }
  bool happens(unsigned once_in) { return once_in > 0 && broker_.once_in(once_in); }

  void step() {
    now_ += broker_.below(8) == 0 ? 2 * kSecond : kMillisecond;
    submit();
    if (const auto node = publisher_.node_to_try(now_)) connect(*node);
    if (open_) exchange();
    tell();
    if (happens(faults_.restarts)) restart();
    if (happens(faults_.skips)) skip();
    if (happens(50)) publisher_.retry(now_);
  }

  void submit() {
    for (const std::string& id : publisher_.wanted(publisher_.room())) {
      publisher_.submit({id, "k", "body"});
    }
    for (std::size_t room = publisher_.room(); room > 0 && next_ < messages_; --room, ++next_) {
      const std::string id = id_of(next_);
      if (confirmed_.contains(id) || skipped_.contains(id)) continue;
      publisher_.submit({id, "k", "body"});
    }
    ASSERT_LE(publisher_.state(now_).in_flight, 16U);
  }

  void connect(std::size_t node) {
    ASSERT_LT(node, 3U);
    if (happens(faults_.lost > 0 ? 3 : 0)) {
      return publisher_.lost({{"refused", "", ""}, broker_.once_in(2)}, now_);
    }
    open_ = true;
    blocked_ = false;
    broker_.open();
    publisher_.opened(now_);
  }

  void exchange() {
    using Kind = BrokerEvent::Kind;
    for (unsigned n = broker_.below(5); n > 0; --n) {
      const BusMessage* message = publisher_.next_to_send(now_);
      if (message == nullptr) break;
      ASSERT_EQ(message->body, "body") << message->id;
      ASSERT_FALSE(blocked_) << "sent to a broker that blocks";
      // Lost on its way, the connection with it.
      if (happens(faults_.lost)) return lose();
      broker_.take(*message);
    }
    if (broker_.once_in(2) || faults_.lost == 0) {
      for (const BrokerEvent& event : broker_.answer()) give(event);
    }
    if (blocked_ ? broker_.once_in(5) : happens(faults_.blocked)) {
      blocked_ = !blocked_;
      give({blocked_ ? Kind::blocked : Kind::unblocked, 0, false, {}, "memory"});
    }
    publisher_.heard(now_);
    if (publisher_.check(now_) || happens(faults_.lost)) lose();
  }

  void give(const BrokerEvent& event) {
    const auto wrong = publisher_.take(event, now_);
    ASSERT_FALSE(wrong) << wrong->error.text();
  }

  void lose() {
    open_ = false;
    publisher_.lost({{"reset", "", ""}, false}, now_);
  }

  void tell() {
    for (const std::string& id : publisher_.take_confirmed()) {
      ASSERT_TRUE(confirmed_.insert(id).second) << id << " was told twice";
      ASSERT_FALSE(skipped_.contains(id)) << id << " was forgotten";
    }
  }

  /// As a rater that dies, or whose ledger fails: all that it was not told goes again.
  void restart() {
    publisher_.forget_all();
    next_ = 0;
  }

  void skip() {
    if (next_ == 0) return;
    const std::string id = id_of(broker_.below(static_cast<unsigned>(next_)));
    if (confirmed_.contains(id)) return;
    skipped_.insert(id);
    publisher_.forget(id);
  }

  void check() {
    EXPECT_EQ(confirmed_.size() + skipped_.size(), messages_);
    const std::set<std::string> got(broker_.queue.begin(), broker_.queue.end());
    for (const std::string& id : confirmed_) EXPECT_TRUE(got.contains(id)) << id << " is lost";
    for (const std::string& id : got) {
      EXPECT_TRUE(confirmed_.contains(id) || skipped_.contains(id)) << id;
    }
  }

  ModelBroker broker_;
  Faults faults_;
  std::size_t messages_, next_ = 0;
  Publisher publisher_{{.nodes = 3, .most = 16}};
  Ns now_ = kHour;
  bool open_ = false, blocked_ = false;
  std::set<std::string> confirmed_, skipped_;
};

std::uint64_t histories() { return std::getenv("TALLYMAN_FULL") != nullptr ? 2000 : 200; }

TEST(PublisherModel, ConsumersGetExactlyWhatWasSubmitted) {
  for (std::uint64_t seed = 1; seed <= histories(); ++seed) {
    SCOPED_TRACE(seed);
    const Faults every[] = {{}, {9, 20, 0, 0, 0, 0}, {9, 20, 99, 0, 5, 5}, {30, 20, 0, 50, 3, 0}};
    History history(seed, every[seed % 4], 200);
    history.run();
    if (::testing::Test::HasFailure()) return;
  }
}

/// Given lost connections but no refusals, then a consumer that drops repeats sees the order in
/// which messages were submitted.
TEST(PublisherModel, LostConnectionsKeepTheOrder) {
  for (std::uint64_t seed = 1; seed <= histories(); ++seed) {
    SCOPED_TRACE(seed);
    History history(seed, {9, 20, 99, 0, 0, 0}, 150);
    history.run();
    std::set<std::string> seen;
    std::size_t next = 0;
    for (const std::string& id : history.broker().queue) {
      if (!seen.insert(id).second) continue;
      ASSERT_EQ(id, "id" + std::to_string(next++));
    }
    EXPECT_EQ(next, 150U);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace tallyman::rater
