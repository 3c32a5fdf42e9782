// A descriptor is closed exactly once; the fake clock moves by hand.

#include "base/fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/clock.hpp"

namespace tallyman {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

// Given a descriptor that is moved, reset and released, then it is closed when its last owner lets
// go, and not when it was released.
TEST(Fd, ClosesExactlyOnce) {
  const int number = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(number, 0);
  {
    Fd first(number);
    Fd second(std::move(first));
    EXPECT_EQ(second.get(), number);
    Fd third;
    EXPECT_FALSE(third.valid());
    third = std::move(second);
    EXPECT_TRUE(is_open(number));
    const int released = third.release();
    EXPECT_EQ(released, number);
    third.reset();
    EXPECT_TRUE(is_open(number));
    third.reset(released);
  }
  EXPECT_FALSE(is_open(number));
}

// Given the fake clock, then time passes on both clocks, and a step moves the wall clock alone.
TEST(Clock, TheFakeMovesByHand) {
  FakeClock clock(100 * kSecond, 5 * kSecond);
  clock.advance(kSecond);
  EXPECT_EQ(clock.wall(), 101 * kSecond);
  EXPECT_EQ(clock.boot(), 6 * kSecond);
  clock.step_wall(-kMinute);
  EXPECT_EQ(clock.wall(), 41 * kSecond);
  EXPECT_EQ(clock.boot(), 6 * kSecond);
}

// Given the kernel's clocks, then they do not run backwards and are in our age.
TEST(Clock, TheRealOneRuns) {
  const RealClock clock;
  const Ns boot = clock.boot();
  EXPECT_GT(boot, 0);
  EXPECT_GE(clock.boot(), boot);
  EXPECT_GT(clock.wall(), 1'700'000'000 * kSecond);
}

}  // namespace
}  // namespace tallyman
