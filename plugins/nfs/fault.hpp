#pragma once
// What is wrong with an answer, a file or a configuration, in words for a gap or a log line.

#include <string>

namespace nfs {

struct Fault {
  std::string what;
  friend bool operator==(const Fault&, const Fault&) = default;
};

}  // namespace nfs
