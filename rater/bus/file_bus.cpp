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

/// The event id of every line: the first member of that name, which the envelope opens with.
std::set<std::string_view> ids_in(std::string_view text) {
  constexpr std::string_view kMember = "\"id\":\"";
  std::set<std::string_view> ids;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t at = line.find(kMember);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = line.substr(at + kMember.size());
    ids.insert(rest.substr(0, rest.find('"')));
  }
  return ids;
}

}  // namespace

Result<std::unique_ptr<FileBus>> FileBus::open(const std::string& path) {
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
  return std::unique_ptr<FileBus>(new FileBus(std::move(fd), path));
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
  if (::fdatasync(fd_.get()) != 0) return failure("cannot make the record file durable");
  return std::exchange(in_flight_, {});
}

Result<std::string> FileBus::tail(std::size_t bytes) const {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) return failure("cannot look at the record file");
  const auto size = static_cast<std::size_t>(status.st_size);
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
  if (::fdatasync(fd_.get()) != 0) return failure("cannot make the record file durable");
  const std::set<std::string_view> standing = ids_in(text);
  std::vector<std::string> there;
  std::copy_if(unconfirmed.begin(), unconfirmed.end(), std::back_inserter(there),
               [&](const std::string& id) { return standing.contains(id); });
  return there;
}

}  // namespace tallyman::rater
