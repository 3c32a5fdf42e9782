#include "base/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/fd.hpp"

namespace tallyman {
namespace {

const char* remedy(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
      return kNoSpaceRemedy.data();
    case EACCES:
    case EPERM:
      return "give this user the right to it";
    case EROFS:
      return "mount the file system for writing";
    case EIO:
      return "check the disk (dmesg, smartctl)";
    case ENOENT:
      return "check the path";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files";
    default:
      return "";
  }
}

Error failed(std::string what, const std::string& path) {
  const int number = errno;
  return errno_error(std::move(what), path, number, remedy(number));
}

class RealFile final : public File {
 public:
  RealFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Status write_at(std::uint64_t offset, ByteView bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failed("cannot write", path_);
      if (n == 0) return Error{"cannot write: nothing was taken", path_, "check the disk"};
      offset += static_cast<std::uint64_t>(n);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }

  Result<Bytes> read_at(std::uint64_t offset, std::size_t count) override {
    auto length = size();
    if (!length) return length.error();
    const std::uint64_t there = *length > offset ? *length - offset : 0;
    Bytes out(static_cast<std::size_t>(std::min<std::uint64_t>(count, there)));
    std::size_t have = 0;
    while (have < out.size()) {
      const ssize_t n = ::pread(fd_.get(), out.data() + have, out.size() - have,
                                static_cast<off_t>(offset + have));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failed("cannot read", path_);
      if (n == 0) break;
      have += static_cast<std::size_t>(n);
    }
    out.resize(have);
    return out;
  }

  Result<std::uint64_t> size() override {
    struct stat st {};
    if (::fstat(fd_.get(), &st) != 0) return failed("cannot look at", path_);
    return static_cast<std::uint64_t>(st.st_size);
  }

  Status truncate(std::uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0)
      return failed("cannot truncate", path_);
    return {};
  }

  Status allocate(std::uint64_t bytes) override {
    if (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) == 0) return {};
    if (errno == EOPNOTSUPP || errno == ENOSYS) return {};
    return failed("cannot reserve space for", path_);
  }

  Status sync() override {
    if (::fdatasync(fd_.get()) != 0) return failed("cannot make durable", path_);
    return {};
  }

 private:
  Fd fd_;
  std::string path_;
};

class RealLock final : public FileLock {
 public:
  explicit RealLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  Fd fd_;
};

}  // namespace

Result<std::shared_ptr<File>> RealFiles::open(const std::string& path, OpenMode mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case OpenMode::read:
      flags |= O_RDONLY;
      break;
    case OpenMode::write:
      flags |= O_RDWR;
      break;
    case OpenMode::create_new:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
    case OpenMode::truncate:
      flags |= O_RDWR | O_CREAT | O_TRUNC;
      break;
  }
  Fd fd(::open(path.c_str(), flags, 0600));
  if (!fd.valid()) return failed("cannot open", path);
  return std::shared_ptr<File>(std::make_shared<RealFile>(std::move(fd), path));
}

bool RealFiles::exists(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0;
}

Status RealFiles::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return failed("cannot rename to " + to, from);
  return {};
}

Status RealFiles::remove(const std::string& path) {
  if (::remove(path.c_str()) != 0) return failed("cannot remove", path);
  return {};
}

Result<std::vector<std::string>> RealFiles::list(const std::string& directory) {
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) return failed("cannot list", directory);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int number = errno;
  ::closedir(dir);
  if (number != 0) return errno_error("cannot list", directory, number, remedy(number));
  std::sort(names.begin(), names.end());
  return names;
}

Status RealFiles::make_directories(const std::string& directory) {
  if (directory.empty() || exists(directory)) return {};
  const std::string parent = directory_of(directory);
  if (parent != directory) {
    Status made = make_directories(parent);
    if (!made) return made;
  }
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return failed("cannot make the directory", directory);
  return sync_directory(parent);
}

Status RealFiles::sync_directory(const std::string& directory) {
  const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return failed("cannot open the directory", directory);
  if (::fsync(fd.get()) != 0) return failed("cannot make the directory durable", directory);
  return {};
}

Result<DiskSpace> RealFiles::space(const std::string& directory) {
  struct statvfs st {};
  if (::statvfs(directory.c_str(), &st) != 0)
    return failed("cannot ask for the free space of", directory);
  return DiskSpace{st.f_blocks * st.f_frsize, st.f_bavail * st.f_frsize};
}

Result<std::unique_ptr<FileLock>> RealFiles::lock(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return failed("cannot open the lock", path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return Error{"another process holds the lock", path,
                   "stop the other one, or use another directory"};
    return failed("cannot lock", path);
  }
  return std::unique_ptr<FileLock>(std::make_unique<RealLock>(std::move(fd)));
}

Files& real_files() {
  static RealFiles files;
  return files;
}

std::string directory_of(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  if (slash == 0) return "/";
  return std::string(path.substr(0, slash));
}

Result<Bytes> read_file(Files& files, const std::string& path, std::size_t max) {
  auto file = files.open(path, OpenMode::read);
  if (!file) return file.error();
  auto bytes = (*file)->read_at(0, max + 1);
  if (!bytes) return bytes;
  if (bytes->size() > max)
    return Error{"longer than the " + std::to_string(max) + " bytes allowed", path,
                 "check that this is the right file"};
  return bytes;
}

std::string temporary_name(const std::string& path) { return path + ".tmp"; }

Status write_file_atomically(Files& files, const std::string& path, ByteView bytes,
                             Durable durable) {
  const std::string temporary = temporary_name(path);
  const auto write = [&]() -> Status {
    auto file = files.open(temporary, OpenMode::truncate);
    if (!file) return file.error();
    Status done = (*file)->write_at(0, bytes);
    if (done.ok() && durable == Durable::yes) done = (*file)->sync();
    return done;
  };
  Status done = write();
  if (done.ok()) done = files.rename(temporary, path);
  if (!done) {
    if (files.exists(temporary)) (void)files.remove(temporary);
    return done;
  }
  return durable == Durable::yes ? files.sync_directory(directory_of(path)) : Status{};
}

}  // namespace tallyman
