#pragma once
// The second half of an import: what a file came to is committed, a block at a time. Private to
// import*.cpp and to what runs an import.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "rater/decisions/import_entry.hpp"
#include "rater/import.hpp"
#include "rater/import_file.hpp"

namespace tallyman::rater {

/// A file that was looked through.
struct LookedThrough {
  LookedThrough(const std::string& agent, Ns now) : readings(agent, now) {}
  ImportFile readings;
  Hash digest{};    ///< of its lines
  Hash sha256{};    ///< of its bytes
  Imported done{};  ///< with any errors nothing of it is to be committed
};

/// Reads and checks all of a file; on any thread. Errors as import_readings() has them. More than
/// kLongestImport bytes are an Error.
[[nodiscard]] Result<LookedThrough> look_through(const std::string& file, const std::string& agent,
                                                 ImportKind kind, Ns now,
                                                 const ImportErrors& errors,
                                                 const ImportProgress& progress = {});

/// Told of every block that is new, inside its transaction.
using ImportNote = std::function<Status(const ImportContent&)>;

/// On the loop's thread, each step outside of a transaction. Given up after any step, or killed, it
/// has committed whole blocks: those are found held when the same file is imported again.
class ImportBlocks {
 public:
  /// What has no errors. The intake outlives it. `content` names file, agent and kind; the rest of
  /// it is filled in. Until `note` has taken one block it is told of each.
  ImportBlocks(Intake& intake, LookedThrough looked, ImportContent content = {},
               ImportNote note = {});
  ~ImportBlocks();
  ImportBlocks(const ImportBlocks&) = delete;
  ImportBlocks& operator=(const ImportBlocks&) = delete;

  /// Commits the next block; false: that was the last one.
  [[nodiscard]] Result<bool> step();
  /// Agents, readings and gaps of the whole file; batches and held so far.
  [[nodiscard]] const Imported& done() const { return looked_.done; }
  /// The latest instant that any of it tells of.
  [[nodiscard]] Ns last() const { return last_; }
  /// Readings that are in blocks by now.
  [[nodiscard]] std::uint64_t committed() const;

 private:
  class Stream;
  Intake& intake_;
  LookedThrough looked_;
  ImportContent content_;
  std::function<Status()> note_;  ///< empty once it has taken a block
  wire::Incarnation incarnation_{};
  std::map<std::string, ImportStream>::const_iterator next_;  ///< whose blocks come next
  std::unique_ptr<Stream> stream_;                            ///< whose are being made
  Ns last_ = 0;
  std::uint64_t committed_ = 0;  ///< of those before
};

}  // namespace tallyman::rater
