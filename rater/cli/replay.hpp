#pragma once
// `tallyman-rater replay`: asks no daemon; reads the ledger's file as it stands.

#include <string>

namespace tallyman::rater::cli {

/// The exit status: 0 when the period comes out again byte for byte.
int replay(const std::string& ledger, const std::string& period, bool json);

}  // namespace tallyman::rater::cli
