#pragma once
// The command line's side of the rater's Unix socket: ask, and show the answer.

#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "rater/decisions/request.hpp"

namespace tallyman::rater::cli {

struct Target {
  std::string socket;
  bool json = false;  ///< the answer as it came, instead of a table
};

/// A request's fields beside its command.
using Fields = std::vector<std::pair<std::string, std::string>>;

/// Asks, and hands on the last line of the answer; the daemon's error is the call's.
[[nodiscard]] Result<std::string> call(const std::string& socket, const std::string& command,
                                       const Fields& fields);

/// Asks, and prints the answer as tables. The exit status.
int ask(const Target& target, const std::string& command, const Fields& fields);

/// The same of a catalogue's files, whose mistakes are the user's: with any the status is kUsage.
int ask_with(const Target& target, const std::string& command, const Fields& fields,
             const std::vector<CatalogueFile>& files, bool adjust);

/// `status`: one look, or a live screen (on a terminal) or one line an event (piped) until ended.
int status(const Target& target, bool follow);

}  // namespace tallyman::rater::cli
