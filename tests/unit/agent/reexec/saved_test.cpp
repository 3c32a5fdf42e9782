// What is saved and restored goes on as if it had not been interrupted: each against the live
// object, with the same random inputs from the same moment on.

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "agent/instance/handle_table.hpp"
#include "agent/instance/host_output.hpp"
#include "agent/instance/schedule.hpp"
#include "agent/instance/supervisor.hpp"

namespace tallyman::agent {
namespace {

// Given a table after any definitions and losses, then its copy finds, takes, refuses and forgets
// the same.
TEST(Saved, handle_table) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; round++) {
    HandleTable live;
    HandleTable copy;
    std::set<Handle> known;
    Handle next = 0;
    const auto step = [&](HandleTable* other) {
      if (random() % 3 == 0 && !known.empty()) {
        const Handle handle = *std::next(known.begin(), static_cast<long>(random() % known.size()));
        known.erase(handle);
        live.forget(handle);
        if (other != nullptr) other->forget(handle);
        return;
      }
      const Handle handle =
          next + static_cast<Handle>(random() % 40'000 == 0 ? 70'000 : random() % 9);
      const HandleTable::Slot slot{1 + random(), 1 + random(), random() % 2 == 0};
      const bool taken = live.add(handle, slot);
      if (other != nullptr) {
        EXPECT_EQ(other->add(handle, slot), taken);
      }
      if (taken) known.insert(handle), next = handle + 1;
    };
    for (int i = 0; i < 500; i++) step(nullptr);
    ASSERT_TRUE(copy.restore(live.save()));
    for (int i = 0; i < 500; i++) step(&copy);
    EXPECT_EQ(copy.size(), live.size());
    for (Handle handle = 0; handle < next + 10; handle++) {
      const HandleTable::Slot* a = live.find(handle);
      const HandleTable::Slot* b = copy.find(handle);
      ASSERT_EQ(a == nullptr, b == nullptr) << handle;
      if (a != nullptr) {
        EXPECT_EQ(a->epoch, b->epoch);
      }
    }
  }
}

// Given what no table saves (out of order, twice, beyond its end), then nothing is restored.
TEST(Saved, handle_table_refuses) {
  const HandleTable::Slot slot{1, 2, false};
  HandleTable table;
  EXPECT_FALSE(table.restore({{{5, slot}, {4, slot}}, 6}));
  EXPECT_FALSE(table.restore({{{5, slot}, {5, slot}}, 6}));
  EXPECT_FALSE(table.restore({{{5, slot}}, 5}));
  EXPECT_FALSE(table.restore({{{5, {0, 2, false}}}, 6}));
  EXPECT_EQ(table.size(), 0U);
  EXPECT_TRUE(table.restore({{{5, slot}, {900'000, slot}}, 1'000'000}));
  EXPECT_EQ(table.size(), 2U);
}

// Given a beat under clocks that run, jump and stand, then its copy says the same of every look.
TEST(Saved, schedule) {
  std::mt19937 random(2);
  for (int round = 0; round < 300; round++) {
    const Ns interval = static_cast<Ns>(1 + random() % 20) * 100 * kMillisecond;
    FakeClock clock(1'000'000 * kSecond + static_cast<Ns>(random()), 77);
    Schedule live(interval, clock.wall(), clock.boot(),
                  random() % 2 == 0 ? 0 : clock.wall() - static_cast<Ns>(random() % (2 * kSecond)));
    const auto turn = [&] {
      clock.advance(static_cast<Ns>(random() % static_cast<std::uint64_t>(2 * interval)));
      if (random() % 8 == 0)
        clock.step_wall(static_cast<Ns>(random() % (4 * kMinute)) - 2 * kMinute);
    };
    for (int i = 0; i < 20; i++) turn(), (void)live.look(clock.wall(), clock.boot());
    Schedule copy(interval, live.save());
    for (int i = 0; i < 50; i++) {
      turn();
      const Due a = live.look(clock.wall(), clock.boot());
      const Due b = copy.look(clock.wall(), clock.boot());
      EXPECT_EQ(a.poll, b.poll);
      EXPECT_EQ(a.stepped, b.stepped);
      EXPECT_EQ(a.wait, b.wait);
      ASSERT_EQ(a.missed.has_value(), b.missed.has_value());
      if (a.missed) {
        EXPECT_EQ(a.missed->from, b.missed->from);
      }
      if (a.missed) {
        EXPECT_EQ(a.missed->to, b.missed->to);
      }
      EXPECT_EQ(live.next(), copy.next());
    }
  }
}

// Given a supervisor in any phase, with any past, then its copy takes the same actions with the
// same waits, and remembers the same.
TEST(Saved, supervisor) {
  std::mt19937 random(3);
  for (int round = 0; round < 500; round++) {
    const auto strategy = static_cast<Strategy>(random() % 3);
    Supervisor live({}, strategy, random());
    Supervisor copy({}, strategy, 99);
    Ns boot = kSecond;
    const auto step = [&](Supervisor* other) {
      boot += static_cast<Ns>(random() % (20 * kSecond));
      if (random() % 4 == 0) {
        live.good_poll();
        if (other != nullptr) other->good_poll();
        return;
      }
      const auto event = static_cast<PluginEvent>(random() % kPluginEvents);
      const bool clean = random() % 2 == 0;
      const PluginAction action = live.take(event, boot, clean);
      if (other != nullptr) {
        EXPECT_EQ(other->take(event, boot, clean), action);
      }
    };
    for (std::uint64_t i = random() % 60; i > 0; i--) step(nullptr);
    copy.restore(live.save());
    for (int i = 0; i < 60; i++) {
      EXPECT_EQ(copy.phase(), live.phase());
      EXPECT_EQ(copy.delay(), live.delay());
      EXPECT_EQ(copy.restarts(), live.restarts());
      EXPECT_EQ(copy.blemished(), live.blemished());
      EXPECT_EQ(copy.memory(boot + kDay, boot), live.memory(boot + kDay, boot));
      step(&copy);
    }
  }
}

// Given a stream of frames cut off anywhere, then what was not taken and what follows give the rest
// of the frames.
TEST(Saved, frame_cutter) {
  std::mt19937 random(4);
  for (int round = 0; round < 300; round++) {
    Bytes stream;
    std::size_t frames = 0;
    for (; frames < 20; frames++) {
      const Bytes frame = encode_frame(ToHost(PollRequest{frames, static_cast<Ns>(random()), 9}));
      stream.insert(stream.end(), frame.begin(), frame.end());
    }
    const std::size_t cut = random() % stream.size();
    FrameCutter before;
    before.feed(ByteView(stream).first(cut));
    std::size_t taken = 0;
    const std::size_t most = random() % 20;
    const auto take = [&](FrameCutter& cutter, std::size_t up_to) {
      while (taken < up_to) {
        const Result<std::optional<Bytes>> body = cutter.next();
        ASSERT_TRUE(body.ok());
        if (!*body) return;
        const Result<ToHost> frame = decode_to_host(**body);
        ASSERT_TRUE(frame.ok());
        EXPECT_EQ(std::get<PollRequest>(*frame).number, taken++);
      }
    };
    take(before, most);
    FrameCutter after;
    after.feed(before.rest());
    after.feed(ByteView(stream).subspan(cut));
    take(after, frames);
    EXPECT_EQ(taken, frames);
    EXPECT_TRUE(after.rest().empty());
  }
}

// Given a line that was printed in part, then the copy completes it, and its count goes on.
TEST(Saved, printed_line) {
  OutputLines live;
  EXPECT_GT(live.wanted(0), 100U);
  EXPECT_EQ(live.feed("one\ntw"), std::vector<std::string>{"one"});
  live.skipped(5);
  OutputLines copy;
  copy.restore(live.save());
  EXPECT_GT(copy.wanted(0), 100U);
  EXPECT_EQ(copy.feed("o\n"), std::vector<std::string>{"two"});
  EXPECT_EQ(copy.dropped(), 5U);
}

}  // namespace
}  // namespace tallyman::agent
