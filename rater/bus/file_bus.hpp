#pragma once
// The embedded bus: a file to which each message is appended as one line of JSON. A line that ends
// with its newline is a message; what follows the last newline after a crash is cut off. Whoever
// reads the file may follow it as it grows, and takes whole lines.

#include "base/fd.hpp"
#include "rater/bus/bus.hpp"

namespace tallyman::rater {

/// One writer: the file is locked while open.
class FileBus final : public Bus {
 public:
  /// Opens or makes the file (mode 0640, its directory must exist).
  static Result<std::unique_ptr<FileBus>> open(const std::string& path);

  [[nodiscard]] Status submit(const BusMessage& message) override;
  /// fdatasync: everything submitted is safe then.
  [[nodiscard]] Result<std::vector<std::string>> confirmed() override;
  /// Cuts off a torn line, makes the rest durable, and looks through the last lines.
  [[nodiscard]] Result<std::vector<std::string>> recover(
      std::span<const std::string> unconfirmed) override;
  [[nodiscard]] std::string name() const override { return "file " + path_; }

 private:
  FileBus(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  [[nodiscard]] Error failure(const char* what) const;
  /// The last `bytes` of the file, or all of it.
  [[nodiscard]] Result<std::string> tail(std::size_t bytes) const;

  Fd fd_;
  std::string path_;
  std::vector<std::string> in_flight_;
};

}  // namespace tallyman::rater
