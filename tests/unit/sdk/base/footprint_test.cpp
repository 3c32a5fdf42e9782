#include "base/footprint.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

namespace tallyman {
namespace {

/// KiB of files that are mapped and resident.
long mapped_files() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssFile:")) return std::stol(line.substr(8));
  }
  return 0;
}

struct Base {
  virtual ~Base() = default;
  [[nodiscard]] virtual std::string name() const { return "base"; }
};
struct Derived : Base {
  [[nodiscard]] std::string name() const override { return "derived"; }
};

// Given a process that is under way, then less of its files is resident, and everything that was
// written or relocated is as it was: tables of virtual functions, exceptions, streams, the heap.
TEST(Footprint, shrinks_and_goes_on) {
  static std::string written = "written before";
  const std::unique_ptr<Base> object = std::make_unique<Derived>();
  const long before = mapped_files();
  ASSERT_GT(before, 0);
  for (int i = 0; i < 3; i++) {
    give_back_what_the_start_took();
    EXPECT_LT(mapped_files(), before);
    EXPECT_EQ(object->name(), "derived");
    EXPECT_EQ(written, "written before");
    EXPECT_THROW(throw std::runtime_error("caught"), std::runtime_error);
    std::ostringstream out;
    out << std::hex << 255 << ' ' << 2.5;
    EXPECT_EQ(out.str(), "ff 2.5");
  }
}

}  // namespace
}  // namespace tallyman
