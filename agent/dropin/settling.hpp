#pragma once
// Which files of a folder that people write into are whole, which changed, and which are gone.
// Pure: what there is, what was heard and what time it is are handed in.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/instance/plugin_files.hpp"
#include "base/clock.hpp"

namespace tallyman::agent {

/// What tells one state of a file from another. Its content's hash is not part of it: that is read
/// once it is whole.
struct FileStamp {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::uint32_t mode = 0, owner = 0, folder_mode = 0, folder_owner = 0;
  Ns modified = 0, changed = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// How long a file is left alone before it is taken for whole, by what is known of its writer.
constexpr Ns kQuietUnwritten = 200 * kMillisecond;  ///< nobody has it open for writing
constexpr Ns kQuietUnknown = kSecond;               ///< the kernel does not tell
constexpr Ns kGoneAfter = kSecond;                  ///< before that it may be about to be replaced

/// Owned by DropIns; not thread-safe.
class SettlingFiles {
 public:
  using Seen = std::map<std::string, FileStamp>;  ///< by path

  /// Everything that is there now.
  void look(const Seen& files, Ns boot);
  /// The file was closed by a writer, or moved in.
  void whole(const std::string& path);
  /// Everything that is there is to be taken anew.
  void again();

  /// The files that are whole and were not taken in this state; they are now. Whoever has a file
  /// open for writing is asked for only when nothing else is in its way.
  [[nodiscard]] std::vector<std::string> take(Ns boot,
                                              const std::function<Writer(const std::string&)>& who);
  /// The files that are gone for good; told once.
  [[nodiscard]] std::vector<std::string> gone(Ns boot);
  /// Whether the file is still as it was when it was taken.
  [[nodiscard]] bool as_taken(const std::string& path) const;
  /// Whether another look is needed before anything is heard.
  [[nodiscard]] bool unsettled() const;

 private:
  struct File {
    FileStamp stamp;
    Ns since = 0;  ///< boot instant at which this stamp was first seen, or it was missed
    bool there = true;
    bool heard = false;  ///< whole() since the last look
    bool whole = false;  ///< in this state
    bool taken = false;  ///< in this state
  };
  std::map<std::string, File> files_;
};

}  // namespace tallyman::agent
