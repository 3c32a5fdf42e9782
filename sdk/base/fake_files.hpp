#pragma once
// The fake beside files.hpp: a file system in memory whose every changing call can be made to fail,
// that can fill up, and that knows what a power loss would leave. For tests; not thread-safe.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/files.hpp"

namespace tallyman {

/// What is left of writes that no completed sync covers.
enum class Crash {
  process,  ///< everything written: the kernel lives on
  lost,     ///< nothing but what was synced, names included
  torn,     ///< one of the states that after(answers) can give, at random
};

class FakeFiles final : public Files {
 public:
  FakeFiles();

  // ---- steering --------------------------------------------------------------------------------
  /// Changing calls so far: open that creates or empties, write, truncate, sync, rename, remove,
  /// mkdir, sync_directory.
  [[nodiscard]] std::uint64_t calls() const;
  /// The call numbered `call` (from 0) and `count` − 1 after it fail with this errno, having done
  /// nothing, or for a write having done its first half.
  void fail(std::uint64_t call, int number, std::uint64_t count = 1);
  void heal();
  /// As if the process died at this call: it and all later ones fail. A later call named instead
  /// starts the process again, on what the kernel still holds.
  void stop_at(std::uint64_t call);
  /// Every sync of file or directory fails with EIO while set; what it covered is then lost for
  /// good as after a failed fsync: later syncs succeed without making it durable.
  void fail_syncs(bool failing);
  void set_space(std::uint64_t total, std::uint64_t free);
  /// The state after a crash at this moment, as a file system of its own.
  [[nodiscard]] std::unique_ptr<FakeFiles> after(Crash crash, std::uint64_t seed = 1) const;
  /// What a power loss at this moment leaves open, question by question, as the number of answers
  /// each has: which of its versions since the last sync each sector (written whole or not at all,
  /// in any order) of each file has, which of its lengths each file has, and whether
  /// each creation, rename and removal since its directory's last sync has happened. Every
  /// combination of answers is a possible state.
  [[nodiscard]] std::vector<std::size_t> open_questions() const;
  /// Of files made from now on: 512 bytes, or less for a disk that tears even those.
  void set_sector(std::size_t bytes);
  /// The state that one answer to each of open_questions() gives: 0 is what was synced, the highest
  /// what was written last.
  [[nodiscard]] std::unique_ptr<FakeFiles> after(std::span<const std::size_t> answers) const;
  [[nodiscard]] std::vector<std::string> paths() const;
  /// A file's bytes as they are now, to read or to damage; nothing when there is no such file.
  [[nodiscard]] Bytes* bytes_of(const std::string& path);

  // ---- Files -----------------------------------------------------------------------------------
  Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) override;
  bool exists(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status make_directories(const std::string& directory) override;
  Status sync_directory(const std::string& directory) override;
  Result<DiskSpace> space(const std::string& directory) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tallyman
