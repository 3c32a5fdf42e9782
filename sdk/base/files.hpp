#pragma once
// The edge to the file system: everything durable goes through these two interfaces, so that a test
// can make any call fail or take the power away (fake_files.hpp). Errors carry the path, the
// system's reason and what to do.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace tallyman {

/// One open file; closed when the last owner lets go. sync() may run on another thread while the
/// owner goes on writing; everything else belongs to the owner's thread.
class File {
 public:
  virtual ~File() = default;
  /// All of `bytes`, or an error: then any part of them may stand in the file.
  virtual Status write_at(std::uint64_t offset, ByteView bytes) = 0;
  /// At most `count` bytes; fewer only at the end of the file.
  virtual Result<Bytes> read_at(std::uint64_t offset, std::size_t count) = 0;
  virtual Result<std::uint64_t> size() = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  /// Reserves blocks for the file's first `bytes` bytes without changing its size. A file system
  /// that cannot do this is no error.
  virtual Status allocate(std::uint64_t bytes) = 0;
  /// fdatasync. After a failure the kernel may have dropped what was unwritten: never trust this
  /// file's unsynced part again, whatever a later call says.
  virtual Status sync() = 0;
};

struct DiskSpace {
  std::uint64_t total = 0;
  std::uint64_t free = 0;  ///< for an unprivileged writer
};

enum class OpenMode {
  read,        ///< an existing file, for reading only
  write,       ///< an existing file, for reading and writing
  create_new,  ///< a file that must not exist yet, for reading and writing
  truncate,    ///< for reading and writing, emptied when it exists
};

/// Held until destroyed, or until the process ends in any way.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// A file system. Thread-safe as far as different paths go.
class Files {
 public:
  virtual ~Files() = default;
  virtual Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  [[nodiscard]] virtual bool exists(const std::string& path) = 0;
  /// Atomic; replaces `to` when it exists. Durable after sync_directory() of both directories.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  /// Names (not paths) of what the directory holds, ascending; a missing directory is an error.
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  /// With parents, mode 0700 for those it makes, each durable when this returns; what exists is
  /// left alone.
  virtual Status make_directories(const std::string& directory) = 0;
  virtual Status sync_directory(const std::string& directory) = 0;
  virtual Result<DiskSpace> space(const std::string& directory) = 0;
  /// An exclusive lock on a file made for the purpose; an error at once when another holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

/// The kernel's. New files have mode 0600.
class RealFiles final : public Files {
 public:
  Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) override;
  bool exists(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status make_directories(const std::string& directory) override;
  Status sync_directory(const std::string& directory) override;
  Result<DiskSpace> space(const std::string& directory) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
};

/// The one RealFiles; stateless, any thread.
[[nodiscard]] Files& real_files();

/// What an Error for a full file system, or a user's full quota on it, says is to be done.
constexpr std::string_view kNoSpaceRemedy = "free space on this file system or raise the quota";
/// Whether that is what an operation here failed for.
[[nodiscard]] inline bool no_space(const Error& error) { return error.todo == kNoSpaceRemedy; }

/// The directory part of a path, "." when it has none.
[[nodiscard]] std::string directory_of(std::string_view path);

/// The whole file; an error when it is longer than `max` bytes.
Result<Bytes> read_file(Files& files, const std::string& path, std::size_t max = 64U << 20U);

enum class Durable {
  yes,  ///< on disk when this returns
  no,   ///< whole or not at all for other processes; after a power loss possibly empty or garbage
};
/// Writes a temporary file beside `path` and renames it over it.
Status write_file_atomically(Files& files, const std::string& path, ByteView bytes,
                             Durable durable = Durable::yes);
/// The name write_file_atomically() uses meanwhile: one writer a path at a time.
[[nodiscard]] std::string temporary_name(const std::string& path);

}  // namespace tallyman
