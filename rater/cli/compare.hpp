#pragma once
// `tallyman-rater shadow` and `compare`: they ask no daemon, and read the ledger's file as it
// stands.

#include <string>

namespace tallyman::rater::cli {

/// What `catalogue`, a file, would have billed for a closed period. The exit status.
int shadow(const std::string& ledger, const std::string& catalogue, const std::string& period,
           bool json);

/// A closed period against an old system's figures. Exit 1 when a difference is beyond the
/// tolerance, a text such as "1%" or "0.5".
int compare(const std::string& ledger, const std::string& old, const std::string& tolerance,
            const std::string& period, bool json);

}  // namespace tallyman::rater::cli
