#pragma once
// `tallyman-rater statement`, and `usage` of one customer: asks the daemon, and shows its answer.

#include <string>

#include "rater/cli/client.hpp"

namespace tallyman::rater::cli {

/// `format`: "text", "html" or "json". The exit status.
int statement(const Target& target, const std::string& customer, const std::string& period,
              const std::string& format);

/// Running figures of one customer.
int usage_of_customer(const Target& target, const std::string& customer, const std::string& period);

}  // namespace tallyman::rater::cli
