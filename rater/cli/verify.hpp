#pragma once
// `tallyman-rater verify`: reads the ledger's file itself, of a running rater or a copy.

#include <string>

namespace tallyman::rater::cli {

/// The exit status: 0 when it is whole, 1 when not, 2 when there is no ledger to look at.
int verify(const std::string& ledger, bool json);

}  // namespace tallyman::rater::cli
