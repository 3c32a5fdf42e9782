#pragma once
// Time is a parameter: everything that needs an instant is handed a Clock.

#include <cstdint>

namespace tallyman {

/// Nanoseconds: an instant since the Unix epoch (UTC), an instant since boot, or a length of time;
/// the name of the variable says which. Good until the year 2262.
using Ns = std::int64_t;

constexpr Ns kMicrosecond = 1'000;
constexpr Ns kMillisecond = 1'000'000;
constexpr Ns kSecond = 1'000'000'000;
constexpr Ns kMinute = 60 * kSecond;
constexpr Ns kHour = 60 * kMinute;
constexpr Ns kDay = 24 * kHour;

/// Where instants come from. Thread-safe for reading.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Ns wall() const = 0;  ///< CLOCK_REALTIME: since the Unix epoch, may step
  [[nodiscard]] virtual Ns boot() const = 0;  ///< CLOCK_BOOTTIME: since boot, never steps back
};

/// The kernel's clocks.
class RealClock final : public Clock {
 public:
  [[nodiscard]] Ns wall() const override;
  [[nodiscard]] Ns boot() const override;
};

/// A hand-cranked clock for tests. Not thread-safe.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Ns wall = 0, Ns boot = 0) : wall_(wall), boot_(boot) {}
  [[nodiscard]] Ns wall() const override { return wall_; }
  [[nodiscard]] Ns boot() const override { return boot_; }
  void advance(Ns by) { wall_ += by, boot_ += by; }
  void step_wall(Ns by) { wall_ += by; }  ///< as an administrator or ntpd steps it

 private:
  Ns wall_, boot_;
};

}  // namespace tallyman
