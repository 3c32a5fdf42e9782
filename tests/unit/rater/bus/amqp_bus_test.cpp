// Given a broker behind connections that come, go and get stuck, then the bus's thread brings every
// message there, and the loop's side never waits for it.

#include "rater/bus/amqp_bus.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <condition_variable>
#include <set>

#include "model_broker.hpp"

namespace tallyman::rater {
namespace {

using testing::ModelBroker;

/// What the test and the bus's thread share.
struct Shared {
  std::mutex mutex;
  std::condition_variable changed;
  ModelBroker broker{7};
  bool stuck = false;     ///< publishing waits until it is cut
  bool is_stuck = false;  ///< and does so now
  bool down = false;      ///< no node takes a connection
  unsigned breaks = 0;    ///< a connection is lost once in so many messages
  std::vector<std::size_t> tried;
};

class MemoryLink final : public BrokerLink {
 public:
  explicit MemoryLink(Shared& shared) : shared_(shared), fd_(::eventfd(0, EFD_NONBLOCK)) {
    shared_.broker.open();
  }
  std::optional<BrokerFault> publish(const BusMessage& message) override {
    std::unique_lock lock(shared_.mutex);
    if (shared_.stuck) {
      shared_.is_stuck = true;
      shared_.changed.notify_all();
      shared_.changed.wait(lock, [this] { return cut_; });
      return BrokerFault{{"cut", "", ""}, false};
    }
    if (shared_.breaks > 0 && shared_.broker.once_in(shared_.breaks)) {
      return BrokerFault{{"reset", "", ""}, false};
    }
    shared_.broker.take(message);
    ring();
    return std::nullopt;
  }
  bool can_send() override { return true; }
  std::optional<BrokerFault> receive(std::vector<BrokerEvent>& events) override {
    std::uint64_t count = 0;
    (void)!::read(fd_.get(), &count, sizeof count);
    const std::lock_guard lock(shared_.mutex);
    while (shared_.broker.has_answers() && !shared_.broker.once_in(6)) {
      for (BrokerEvent& event : shared_.broker.answer()) events.push_back(std::move(event));
    }
    if (shared_.broker.has_answers()) ring();
    return std::nullopt;
  }
  int descriptor() const override { return fd_.get(); }
  void cut() override {
    const std::lock_guard lock(shared_.mutex);
    cut_ = true;
    shared_.changed.notify_all();
  }

 private:
  void ring() const {
    const std::uint64_t one = 1;
    (void)!::write(fd_.get(), &one, sizeof one);
  }
  Shared& shared_;
  Fd fd_;
  bool cut_ = false;
};

class AmqpBusTest : public ::testing::Test {
 protected:
  AmqpBusTest() {
    BrokerBusOptions options{"amqp test", {"one:1", "two:2", "three:3"}, {}};
    options.publisher.most = 64;
    options.publisher.pause = options.publisher.longest_pause = kMillisecond;
    options.publisher.hold = options.publisher.longest_hold = kMillisecond;
    auto bus = AmqpBus::start(
        options, [this](std::size_t n) { return connect(n); }, clock_);
    EXPECT_TRUE(bus) << bus.error().text();
    bus_ = std::move(*bus);
  }

  LinkOrFault connect(std::size_t node) {
    const std::lock_guard lock(shared_.mutex);
    shared_.tried.push_back(node);
    shared_.changed.notify_all();
    if (shared_.down) return BrokerFault{{"access refused", "", "mend it"}, true};
    return std::unique_ptr<BrokerLink>(std::make_unique<MemoryLink>(shared_));
  }

  /// What the outbox does, until this many are confirmed; false when nothing happens for long.
  bool publish(std::size_t messages, std::set<std::string>& told) {
    for (std::size_t next = 0; told.size() < messages;) {
      for (std::size_t room = bus_->room(); room > 0 && next < messages; --room, ++next) {
        EXPECT_TRUE(bus_->submit({"id" + std::to_string(next), "k", "body"}));
      }
      for (const std::string& id : bus_->wanted(bus_->room())) {
        EXPECT_TRUE(bus_->submit({id, "k", "body"}));
      }
      pollfd news{bus_->news(), POLLIN, 0};
      if (::poll(&news, 1, 60'000) != 1) return false;
      for (const std::string& id : *bus_->confirmed()) {
        EXPECT_TRUE(told.insert(id).second) << id << " was told twice";
      }
    }
    return true;
  }

  const RealClock clock_{};
  Shared shared_;
  std::unique_ptr<AmqpBus> bus_;  // ends first
};

TEST_F(AmqpBusTest, BringsEveryMessageOverConnectionsThatBreak) {
  {
    const std::lock_guard lock(shared_.mutex);
    shared_.breaks = 40;
    shared_.broker.nacks = shared_.broker.returns = 20;
  }
  std::set<std::string> told;
  ASSERT_TRUE(publish(3000, told));
  bus_.reset();
  const std::set<std::string> got(shared_.broker.queue.begin(), shared_.broker.queue.end());
  EXPECT_EQ(got, told);
  EXPECT_GT(shared_.tried.size(), 3U) << "no connection broke";
}

TEST_F(AmqpBusTest, EndsWhileABrokerReadsNothing) {
  std::unique_lock lock(shared_.mutex);
  shared_.stuck = true;
  lock.unlock();
  ASSERT_TRUE(bus_->submit({"a", "k", "body"}));
  lock.lock();
  shared_.changed.wait(lock, [&] { return shared_.is_stuck; });
  lock.unlock();
  EXPECT_EQ(bus_->state_of("a"), "in flight");
  bus_.reset();
}

TEST_F(AmqpBusTest, NamesTheNodeAndWhyItRefuses) {
  std::unique_lock lock(shared_.mutex);
  shared_.down = true;
  shared_.breaks = 1;
  lock.unlock();
  ASSERT_TRUE(bus_->submit({"id0", "k", "body"}));
  lock.lock();
  shared_.changed.wait(lock, [&] { return shared_.tried.size() > 8; });
  lock.unlock();
  const BusState state = bus_->state();
  EXPECT_EQ(state.name, "refused");
  EXPECT_EQ(state.detail, "access refused; mend it");
  EXPECT_TRUE(state.node.ends_with(":1") || state.node.ends_with(":2") ||
              state.node.ends_with(":3"));
  lock.lock();
  shared_.down = false;
  shared_.breaks = 0;
  lock.unlock();
  bus_->retry();
  std::set<std::string> told;
  EXPECT_TRUE(publish(1, told));
}

}  // namespace
}  // namespace tallyman::rater
