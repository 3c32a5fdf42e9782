#pragma once
// `tallyman-rater import`: looks through the file itself, tells every mistake, and has the daemon
// take it when there is none. How far both have come is told on stderr, but for --json.

#include <string>

#include "rater/cli/client.hpp"

namespace tallyman::rater::cli {

/// `kind`: "readings" or "slots"; `why`: the reason, kept with the decision. A file that only the
/// daemon may read is left to it. The exit status.
int import_file(const Target& target, const std::string& file, const std::string& agent,
                const std::string& kind, const std::string& why);

}  // namespace tallyman::rater::cli
