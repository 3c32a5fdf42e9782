#pragma once
// Polls and gaps as lines of the one JSON shape of readings. Pure.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/spool/spool.hpp"
#include "wire/model.hpp"
#include "wire/reading_json.hpp"

namespace tallyman::agent {

/// What numbers stand for: of a running spool, or of one that is read from outside.
struct Definitions {
  std::function<const wire::DefBody*(wire::DefNo)> find;
  std::function<const wire::LabelValues*(wire::DefNo series)> info_of;
};

/// Nothing when a definition it needs is not there. `at`: the poll's position.
[[nodiscard]] std::optional<wire::ReadingLine> reading_of(const wire::Value& value, Ns at,
                                                          const wire::InstanceDef& instance,
                                                          const std::string& agent,
                                                          const Definitions& definitions);
[[nodiscard]] wire::GapLine gap_of(const wire::Gap& gap, const wire::InstanceDef& instance,
                                   const std::string& agent, const Definitions& definitions);

[[nodiscard]] std::vector<std::string> reading_lines(const wire::Poll& poll,
                                                     const wire::InstanceDef& instance,
                                                     const std::string& agent,
                                                     const Dictionary& dictionary);

[[nodiscard]] std::string gap_line(const wire::Gap& gap, const wire::InstanceDef& instance,
                                   const std::string& agent, const Dictionary& dictionary);

}  // namespace tallyman::agent
