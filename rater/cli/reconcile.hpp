#pragma once
// `tallyman-rater reconcile`: asks no daemon, and reads the ledger's file as it stands.

#include <string>

namespace tallyman::rater::cli {

/// `received`: a CSV file, or empty. Exit 1 when released, confirmed and received are not the same.
int reconcile(const std::string& ledger, const std::string& received, const std::string& period,
              bool json);

}  // namespace tallyman::rater::cli
