#include "rater/bus/file_bus.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <set>
#include <string_view>

namespace tallyman::rater {

namespace {

constexpr std::size_t kStep = 1U << 20U;  ///< how much is read at a time, from the end backwards

Status sync_directory(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) {
    return errno_error("cannot make the record file durable", folder, errno);
  }
  return {};
}

/// The event id of a line: the first member of that name, which the envelope opens with.
std::string_view id_in(std::string_view line) {
  constexpr std::string_view kMember = "\"id\":\"";
  const std::size_t at = line.find(kMember);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line.substr(at + kMember.size());
  return rest.substr(0, rest.find('"'));
}

std::set<std::string_view> ids_in(std::string_view text) {
  std::set<std::string_view> ids;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ids.insert(id_in(line));
  }
  ids.erase(std::string_view());
  return ids;
}

/// Length of the last lines that are all among these: nobody was told that they are safe.
std::size_t unsafe_bytes(std::string_view text, std::span<const std::string> unconfirmed) {
  const std::set<std::string_view> ids(unconfirmed.begin(), unconfirmed.end());
  std::size_t bytes = 0;
  while (!text.empty()) {
    const std::size_t before = text.substr(0, text.size() - 1).rfind('\n');
    const std::string_view line = text.substr(before == std::string_view::npos ? 0 : before + 1);
    if (!ids.contains(id_in(line))) break;
    bytes += line.size();
    text.remove_suffix(line.size());
  }
  return bytes;
}

}  // namespace

Result<std::unique_ptr<FileBus>> FileBus::open(const std::string& path, Sync sync) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!fd.valid()) {
    return errno_error("cannot open the record file", path, errno,
                       "make its folder, writable by the rater");
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return errno_error("cannot lock the record file", path, errno,
                       "stop the other rater that writes to it");
  }
  if (const Status synced = sync_directory(path); !synced) return synced.error();
  std::unique_ptr<FileBus> bus(
      new FileBus(std::move(fd), path, sync != nullptr ? sync : ::fdatasync));
  const Result<off_t> length = bus->length();
  if (!length) return length.error();
  bus->safe_ = *length;
  return bus;
}

Error FileBus::failure(const char* what) const { return errno_error(what, path_, errno); }

Status FileBus::submit(const BusMessage& message) {
  if (message.body.find('\n') != std::string::npos) {
    return Error{"a message with a line break cannot go to a file", path_, ""};
  }
  const std::string line = message.body + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t n = ::write(fd_.get(), line.data() + done, line.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure("cannot append to the record file");
    done += static_cast<std::size_t>(n);
  }
  in_flight_.push_back(message.id);
  return {};
}

Result<std::vector<std::string>> FileBus::confirmed() {
  if (in_flight_.empty()) return std::vector<std::string>{};
  if (const Status synced = make_durable(safe_); !synced) return synced.error();
  return std::exchange(in_flight_, {});
}

Result<off_t> FileBus::length() const {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) return failure("cannot look at the record file");
  return status.st_size;
}

Status FileBus::make_durable(off_t safe) {
  const Result<off_t> written = length();
  if (!written) return written.error();
  if (sync_(fd_.get()) != 0) {
    suspect_ = safe;
    return failure("cannot make the record file durable");
  }
  safe_ = *written;
  return {};
}

Result<std::string> FileBus::tail(std::size_t bytes) const {
  const Result<off_t> written = length();
  if (!written) return written.error();
  const auto size = static_cast<std::size_t>(*written);
  std::string text(std::min(bytes, size), '\0');
  for (std::size_t done = 0; done < text.size();) {
    const auto at = static_cast<off_t>(size - text.size() + done);
    const ssize_t n = ::pread(fd_.get(), text.data() + done, text.size() - done, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure("cannot read the record file");
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return text;
}

Result<std::vector<std::string>> FileBus::recover(std::span<const std::string> unconfirmed) {
  in_flight_.clear();
  if (suspect_) {
    if (::ftruncate(fd_.get(), *suspect_) != 0) {
      return failure("cannot cut the record file back to what is durable");
    }
    suspect_.reset();
  }
  // Every message not confirmed stands, if at all, among as many last lines; their length is not
  // known, so look back step by step until that many are in sight.
  std::string text;
  const auto lines = [&] {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  };
  for (std::size_t bytes = kStep;; bytes *= 2) {
    Result<std::string> read = tail(bytes);
    if (!read) return read.error();
    text = std::move(*read);
    if (text.size() < bytes || lines() > unconfirmed.size() + 1) break;
  }
  const std::size_t end = text.rfind('\n');
  const std::size_t torn = text.size() - (end == std::string::npos ? 0 : end + 1);
  if (torn > 0) {
    const off_t size = ::lseek(fd_.get(), 0, SEEK_END);
    if (size < 0 || ::ftruncate(fd_.get(), size - static_cast<off_t>(torn)) != 0) {
      return failure("cannot cut a torn line off the record file");
    }
    text.resize(text.size() - torn);
  }
  const Result<off_t> whole = length();
  if (!whole) return whole.error();
  const off_t safe = *whole - static_cast<off_t>(unsafe_bytes(text, unconfirmed));
  if (const Status synced = make_durable(safe); !synced) return synced.error();
  const std::set<std::string_view> standing = ids_in(text);
  std::vector<std::string> there;
  std::copy_if(unconfirmed.begin(), unconfirmed.end(), std::back_inserter(there),
               [&](const std::string& id) { return standing.contains(id); });
  return there;
}

}  // namespace tallyman::rater
