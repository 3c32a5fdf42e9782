#pragma once
// What plugins must not reach has modes that keep every other user out.

#include <string>

#include "base/result.hpp"

namespace tallyman::agent {

/// Takes all rights to `folder` from everybody but its owner. What was mended is told in words,
/// empty = nothing had to be. An error: it is too open, and its modes cannot be changed.
[[nodiscard]] Result<std::string> keep_private(const std::string& folder);

/// Takes the right to write to `folder` from everybody but its owner; else as above.
[[nodiscard]] Result<std::string> keep_own(const std::string& folder);

}  // namespace tallyman::agent
