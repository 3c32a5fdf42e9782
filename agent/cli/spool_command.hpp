#pragma once
// `tallyman spool …`: works on the folder itself, of a running agent or a copy, and asks nobody.
// Each returns the exit status.

#include <cstdint>
#include <string>

#include "agent/spool/spool_dump.hpp"

namespace tallyman::cli {

struct SpoolCommand {
  std::string directory;
  bool json = false;
  bool raw = false;      ///< dump: batches in place of readings
  bool dry_run = false;  ///< repair: say only
  agent::DumpRange range;
};

[[nodiscard]] int spool_ls(const SpoolCommand& command);
/// 1 when anything is damaged.
[[nodiscard]] int spool_verify(const SpoolCommand& command);
/// 1 when something could not be told, which stands on stderr.
[[nodiscard]] int spool_dump(const SpoolCommand& command);
/// 1 when it could not be mended, or an agent holds it.
[[nodiscard]] int spool_repair(const SpoolCommand& command);

}  // namespace tallyman::cli
