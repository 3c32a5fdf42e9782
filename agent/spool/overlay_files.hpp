#pragma once
// A file system seen through a sheet of glass: reads come from the one below, changes stay in
// memory and are gone with this object. What a dry run runs on.
//
// Memory: the files that are changed. The lock is the real one where its file is there, so that a
// dry run keeps off a folder in use; where it is not, none is taken and none is made. One thread.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/files.hpp"

namespace tallyman::agent {

class OverlayFiles final : public Files {
 public:
  /// `below` outlives this object and every file that it gave out.
  explicit OverlayFiles(Files& below) : below_(below) {}

  Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) override;
  bool exists(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status make_directories(const std::string& directory) override;
  Status sync_directory(const std::string& directory) override;
  Result<DiskSpace> space(const std::string& directory) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  /// A file as it is seen: its bytes, or the file below until the first change.
  struct Sheet {
    std::string below;  ///< path below; empty = there is none
    bool copied = false;
    Bytes bytes;
  };

 private:
  std::shared_ptr<Sheet> sheet_of(const std::string& path);

  Files& below_;
  std::map<std::string, std::shared_ptr<Sheet>> sheets_;
  std::set<std::string> removed_;
  std::set<std::string> made_;  ///< directories
};

}  // namespace tallyman::agent
