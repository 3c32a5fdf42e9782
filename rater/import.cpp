#include "rater/import.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "base/sha256.hpp"
#include "rater/import_blocks.hpp"
#include "rater/import_slots.hpp"

namespace tallyman::rater {
namespace {

constexpr std::uint64_t kLinesAtOnce = 1000;  ///< between two looks at the progress

Error too_long(const std::string& file) {
  return {"the file is larger than 1 GiB", file, "split it, and import one after another"};
}

/// The next line without its end; false at the end of the file. A line longer than an import takes
/// comes cut, one byte too long. `bytes` counts all that were read; `sha256` has all of them but
/// those that were cut off.
bool next_line(std::istream& in, std::string& line, std::uint64_t& bytes, Sha256& sha256) {
  line.clear();
  std::streambuf& buffer = *in.rdbuf();
  constexpr int kEnd = std::char_traits<char>::eof();
  int c = buffer.sbumpc();
  if (c == kEnd) return false;
  for (; c != kEnd; c = buffer.sbumpc()) {
    if (++bytes > kLongestImport || c == '\n') break;
    if (line.size() <= kLongestImportLine) line.push_back(static_cast<char>(c));
  }
  sha256.add(line);
  if (c == '\n') sha256.add("\n");
  return true;
}

/// The column that an error in a line names, the first one when it names none.
std::string column_in(const std::string& where) {
  const std::size_t at = where.find_last_not_of("0123456789") + 1;
  return at < where.size() ? where.substr(at) : "1";
}

}  // namespace

Result<LookedThrough> look_through(const std::string& file, const std::string& agent,
                                   ImportKind kind, Ns now, const ImportErrors& errors,
                                   const ImportProgress& progress) {
  const bool slots = kind == ImportKind::slots;
  if (slots && agent.empty()) {
    return Error{"slots name no agent", file, "give one with --agent: the old system's name, say"};
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return errno_error("cannot open the file of readings", file, errno,
                       "name a file that the rater may read");
  }
  LookedThrough looked(agent, now);
  Imported& done = looked.done;
  const auto tell = [&](Error error) {
    ++done.errors;
    error.where = file + ":" + error.where;
    if (errors) errors(error);
  };
  SlotLines slot_lines;
  const auto take = [&](const std::string& line) -> Status {
    if (!slots) return looked.readings.take(line);
    auto reading = slot_lines.take(line, agent);
    const Status taken =
        looked.readings.take_slot(reading.ok() ? std::move(*reading) : std::nullopt);
    return reading.ok() ? taken : Status(reading.error());
  };
  FieldHasher hasher;
  hasher.field(slots ? "tallyman import slots 1" : "tallyman import 1");
  std::uint64_t bytes = 0;
  Sha256 sha256;
  for (std::string line; next_line(in, line, bytes, sha256) && !slot_lines.hopeless();) {
    if (bytes > kLongestImport) return too_long(file);
    if (progress && done.lines % kLinesAtOnce == 0 && !progress(bytes)) {
      return Error{"the import was given up", file, "import it again"};
    }
    hasher.field(line);
    const Status status = take(line);
    ++done.lines;
    if (status.ok()) continue;
    Error error = status.error();
    error.where = std::to_string(done.lines) + ":" + column_in(error.where);
    tell(std::move(error));
  }
  if (in.bad()) return errno_error("cannot read the file of readings", file, errno);
  if (slots) looked.readings.one_reading_an_epoch(std::max<Ns>(slot_lines.length(), 1));
  for (Error& error : looked.readings.finish()) tell(std::move(error));
  looked.digest = hasher.finish();
  looked.sha256 = sha256.finish();
  done.repeated = looked.readings.repeated();
  return looked;
}

Result<Imported> check_import(const std::string& file, const std::string& agent, ImportKind kind,
                              Ns now, const ImportErrors& errors, const ImportProgress& progress) {
  const auto looked = look_through(file, agent, kind, now, errors, progress);
  if (!looked.ok()) return looked.error();
  return looked->done;
}

Result<Imported> import_readings(Intake& intake, const std::string& file, const std::string& agent,
                                 const ImportErrors& errors, ImportKind kind) {
  auto looked = look_through(file, agent, kind, intake.now(), errors);
  if (!looked.ok()) return looked.error();
  if (looked->done.errors != 0) return looked->done;
  ImportBlocks blocks(intake, std::move(*looked));
  for (;;) {
    const Result<bool> more = blocks.step();
    if (!more.ok()) return more.error();
    if (!*more) return blocks.done();
  }
}

}  // namespace tallyman::rater
