#pragma once
// A spool as `tallyman spool` shows it. Pure.

#include <string>

#include "agent/spool/spool_dump.hpp"
#include "agent/spool/spool_verify.hpp"

namespace tallyman::cli {

/// Whose it is, the mark, a table of segments, quarantine.
[[nodiscard]] std::string spool_table(const agent::SpoolReport& report, Ns now, bool colour);
/// One JSON document: folder, segments, findings.
[[nodiscard]] std::string spool_json(const agent::SpoolReport& report);
/// "FILE: bytes 10 to 19: batch 3: damaged".
[[nodiscard]] std::string finding_text(const agent::SpoolFinding& finding);
/// A batch's structure as one JSON object.
[[nodiscard]] std::string batch_json(const agent::DumpedBatch& batch);

}  // namespace tallyman::cli
