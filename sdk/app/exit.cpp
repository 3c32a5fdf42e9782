#include "app/exit.hpp"

#include <cstdio>

namespace tallyman::app {

void complain(const char* program, const Error& error) {
  std::fprintf(stderr, "%s: %s\n", program, error.text().c_str());
}

}  // namespace tallyman::app
