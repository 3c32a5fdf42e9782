#pragma once
// Polls and gaps as lines of the one JSON shape of readings. Pure.

#include <string>
#include <vector>

#include "agent/spool/spool.hpp"
#include "wire/model.hpp"

namespace tallyman::agent {

[[nodiscard]] std::vector<std::string> reading_lines(const wire::Poll& poll,
                                                     const wire::InstanceDef& instance,
                                                     const std::string& agent,
                                                     const Dictionary& dictionary);

[[nodiscard]] std::string gap_line(const wire::Gap& gap, const wire::InstanceDef& instance,
                                   const std::string& agent, const Dictionary& dictionary);

}  // namespace tallyman::agent
