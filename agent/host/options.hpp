#pragma once
// What a plugin is configured with: the options given, held against those declared.

#include <map>
#include <string>
#include <vector>

#include "agent/host_protocol.hpp"
#include "base/result.hpp"

namespace tallyman::host {

/// Values by key: every declared option is there, with its fallback when it was not given.
using OptionValues = std::map<std::string, std::vector<std::string>, std::less<>>;

/// An error names every key that is not declared, given twice or missing, and the keys known.
[[nodiscard]] Result<OptionValues> resolve_options(const std::vector<OptionDef>& declared,
                                                   const std::vector<HostOption>& given);

}  // namespace tallyman::host
