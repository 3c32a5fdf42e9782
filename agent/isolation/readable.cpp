#include "agent/isolation/readable.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <cerrno>

namespace tallyman::agent {
namespace {

constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

/// Not a duplicate: another descriptor, that only reads. While one that writes is open nothing can
/// be executed.
Result<Fd> reopened(const Fd& copy, const std::string& path) {
  const std::string link = "/proc/self/fd/" + std::to_string(copy.get());
  Fd fd(::open(link.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_error("cannot open the copy in memory", path, errno);
  return fd;
}

Result<Fd> copy_of(int file, const std::string& path) {
  Fd memory(memfd_create("plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid()) return errno_error("cannot make a copy in memory", path, errno);
  constexpr std::size_t kStep = 1U << 30U;
  ssize_t n = 1;
  while (n > 0) n = sendfile(memory.get(), file, nullptr, kStep);
  if (n < 0 || fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) {
    return errno_error("cannot copy into memory", path, errno);
  }
  return reopened(memory, path);
}

bool same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

Result<Fd> ReadableFiles::open(const std::string& path, mode_t rights) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat now {};
  if (!file.valid() || fstat(file.get(), &now) != 0) {
    return errno_error("cannot open", path, errno);
  }
  if (!S_ISREG(now.st_mode)) return Error{"is no file that can be loaded", path, ""};
  if ((now.st_mode & rights) == rights) {
    copies_.erase(path);
    return file;
  }
  Copy& kept = copies_[path];
  if (!kept.fd.valid() || !same(kept.of, now)) {
    Result<Fd> made = copy_of(file.get(), path);
    if (!made) return made.error();
    kept = {now, std::move(*made)};
  }
  return reopened(kept.fd, path);
}

bool is_copy(int fd) { return fcntl(fd, F_GET_SEALS) == kSeals; }

}  // namespace tallyman::agent
