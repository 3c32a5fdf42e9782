#pragma once
// What a command's exit status says, and how it says why on stderr.

#include "base/result.hpp"

namespace tallyman::app {

enum Exit : int {
  kDone = 0,
  kFound = 1,  ///< it ran and found something wrong
  kUsage = 2,  ///< wrong usage or configuration
};

/// "PROGRAM: where: what; todo" on stderr, one line.
void complain(const char* program, const Error& error);

}  // namespace tallyman::app
