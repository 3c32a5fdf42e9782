#pragma once
// Import of readings: JSON lines (wire/reading_json.hpp), or slots as CSV (import_slots.hpp),
// become a stream like an agent's, and go through the same intake.
//
//   * The incarnation is a digest of the file's lines, the sequence number that of a block of about
//     kBlockReadings readings: importing a file again changes nothing, and an import that was cut
//     short goes on where it stood. It is a decision: decisions/import_entry.hpp.
//   * Lines may come in any order; all readings of one instance at one instant are one poll. A line
//     said twice counts once; a (counter, time) with two values is an error.
//   * An instance's beat is the commonest distance between two of its polls (the shorter of two
//     equally common ones; a minute when there is one poll only).
//   * A series that is not in a poll has not ended: files are often partial.
//   * A time ahead of the rater's clock is an error.
//   * A file fills in what was not read: a gauge of an instance that has gone on meanwhile, live,
//     adds nothing for the time before its last live reading, although its readings are taken.
//   * The whole file is checked before anything is committed. Memory: some 40 bytes a reading.

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.hpp"
#include "rater/intake/intake.hpp"

namespace tallyman::rater {

constexpr std::size_t kBlockReadings = 1000;
constexpr std::uint64_t kLongestImport = std::uint64_t{1} << 30U;  ///< bytes of a file

enum class ImportKind { readings, slots };

struct Imported {
  std::uint64_t lines = 0, readings = 0, gaps = 0;
  std::uint64_t repeated = 0;  ///< readings said twice
  std::uint64_t agents = 0, batches = 0;
  std::uint64_t held = 0;    ///< of the batches, those that the ledger had already
  std::uint64_t errors = 0;  ///< lines refused; then nothing was committed
};

/// Told every error as it is found: `where` is file:line:column.
using ImportErrors = std::function<void(const Error&)>;

/// Told now and then how many bytes were looked at; false: give it up, with an Error.
using ImportProgress = std::function<bool(std::uint64_t bytes)>;

/// Looks through a file as an import does, and commits nothing. `now`: later times are errors.
[[nodiscard]] Result<Imported> check_import(const std::string& file, const std::string& agent,
                                            ImportKind kind, Ns now, const ImportErrors& errors,
                                            const ImportProgress& progress = {});

/// Imports one file in one go; import_job.hpp does it beside all else. `agent`, when not empty,
/// takes the place of the agent that the lines name; slots need one. Errors in lines are told to
/// `errors` and counted; an Error comes back when the file cannot be read or the ledger cannot take
/// it. On the loop's thread, not inside a transaction.
[[nodiscard]] Result<Imported> import_readings(Intake& intake, const std::string& file,
                                               const std::string& agent, const ImportErrors& errors,
                                               ImportKind kind = ImportKind::readings);

}  // namespace tallyman::rater
