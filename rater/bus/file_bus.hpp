#pragma once
// The embedded bus: a file to which each message is appended as one line of JSON. A line that ends
// with its newline is a message; what follows the last newline after a crash is cut off. Whoever
// reads the file may follow it as it grows, and takes whole lines.

#include <sys/types.h>

#include <optional>

#include "base/fd.hpp"
#include "rater/bus/bus.hpp"

namespace tallyman::rater {

/// One writer: the file is locked while open. A failed fdatasync may have lost what was written
/// since the one before, whatever a later one says: that is cut off, and has to come again.
class FileBus final : public Bus {
 public:
  /// fdatasync(2), or what a test puts in its place.
  using Sync = int (*)(int fd);
  /// Opens or makes the file (mode 0640, its directory must exist).
  static Result<std::unique_ptr<FileBus>> open(const std::string& path, Sync sync = nullptr);

  [[nodiscard]] Status submit(const BusMessage& message) override;
  /// fdatasync: everything submitted is safe then.
  [[nodiscard]] Result<std::vector<std::string>> confirmed() override;
  /// Cuts off a torn line and what a failed fdatasync may have lost, makes the rest durable, and
  /// looks through the last lines.
  [[nodiscard]] Result<std::vector<std::string>> recover(
      std::span<const std::string> unconfirmed) override;
  [[nodiscard]] std::string name() const override { return "file " + path_; }

 private:
  FileBus(Fd fd, std::string path, Sync sync)
      : fd_(std::move(fd)), path_(std::move(path)), sync_(sync) {}
  [[nodiscard]] Error failure(const char* what) const;
  /// The last `bytes` of the file, or all of it.
  [[nodiscard]] Result<std::string> tail(std::size_t bytes) const;
  [[nodiscard]] Result<off_t> length() const;
  /// Makes the file durable; after a failure nothing beyond `safe` counts as written.
  [[nodiscard]] Status make_durable(off_t safe);

  Fd fd_;
  std::string path_;
  Sync sync_;
  off_t safe_ = 0;                ///< length at the last fdatasync that went well, else when opened
  std::optional<off_t> suspect_;  ///< what is beyond this may not have reached the disk
  std::vector<std::string> in_flight_;
};

}  // namespace tallyman::rater
