#pragma once
// The plugin's options, checked.

#include <chrono>
#include <map>
#include <string>
#include <tallyman/plugin.hpp>

#include "nfsd_part.hpp"

namespace nfs {

enum class Use { never, when_found, always };

struct Options {
  Use ganesha = Use::when_found, kernel = Use::when_found;
  std::string bus, name;  ///< the bus's socket, Ganesha's name on it
  bool clients = false;
  KernelPaths kernel_paths;
  bool stored = true;
  std::map<std::string, std::string> places;  ///< where an export (its id or path) is on this host
  std::string btrfs;
  std::chrono::milliseconds patience{};  ///< with one file system
};

/// Throws BadConfig.
[[nodiscard]] Options read_options(tallyman::plugin::Host host);

}  // namespace nfs
