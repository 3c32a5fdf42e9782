// Eats memory in one poll, a page at a time, until it gets no more.
#include <vector>

#include "fault.hpp"

struct Eater {
  static constexpr const char* name = "eater";
  static void strike() {
    std::vector<std::vector<char>> eaten;
    for (;;) eaten.emplace_back(std::size_t{1} << 20U, 'x');
  }
};
TALLYMAN_PLUGIN(fault::Faulty<Eater>);
