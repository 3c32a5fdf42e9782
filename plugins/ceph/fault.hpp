#pragma once
// What is wrong with an answer or a configuration, in words for a gap or a log line.

#include <string>

namespace ceph {

struct Fault {
  std::string what;
  friend bool operator==(const Fault&, const Fault&) = default;
};

}  // namespace ceph
