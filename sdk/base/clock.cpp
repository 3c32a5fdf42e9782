#include "base/clock.hpp"

#include <ctime>

namespace tallyman {
namespace {

Ns read_clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<Ns>(now.tv_sec) * kSecond + now.tv_nsec;
}

}  // namespace

Ns RealClock::wall() const { return read_clock(CLOCK_REALTIME); }
Ns RealClock::boot() const { return read_clock(CLOCK_BOOTTIME); }

}  // namespace tallyman
