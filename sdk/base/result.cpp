#include "base/result.hpp"

#include <cstring>

namespace tallyman {

std::string Error::text() const {
  std::string line;
  if (!where.empty()) line += where + ": ";
  line += what;
  if (!todo.empty()) line += "; " + todo;
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return line;
}

Error errno_error(std::string what, std::string where, int number, std::string todo) {
  char buffer[128];
  return {std::move(what) + ": " + strerror_r(number, buffer, sizeof buffer), std::move(where),
          std::move(todo)};
}

}  // namespace tallyman
