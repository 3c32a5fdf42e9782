// Preloaded into a process, makes its disk slow: whatever waits for the file system's journal takes
// TALLYMAN_DISK_MS longer. Plain writes and reads stay as they are: memory takes and has them.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

void wait_for_the_disk() {
  static const long milliseconds = [] {
    const char* const given = std::getenv("TALLYMAN_DISK_MS");
    return given == nullptr ? 0L : std::strtol(given, nullptr, 10);
  }();
  const timespec wait{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  nanosleep(&wait, nullptr);
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// The C library's own functions, by its names and types.
extern "C" {

int fsync(int file) {
  wait_for_the_disk();
  return next<int(int)>("fsync")(file);
}

int fdatasync(int file) {
  wait_for_the_disk();
  return next<int(int)>("fdatasync")(file);
}

int ftruncate(int file, off_t size) noexcept {
  wait_for_the_disk();
  return next<int(int, off_t)>("ftruncate")(file, size);
}

int fallocate(int file, int mode, off_t from, off_t size) {
  wait_for_the_disk();
  return next<int(int, int, off_t, off_t)>("fallocate")(file, mode, from, size);
}

int rename(const char* from, const char* to) noexcept {
  wait_for_the_disk();
  return next<int(const char*, const char*)>("rename")(from, to);
}

int unlink(const char* path) noexcept {
  wait_for_the_disk();
  return next<int(const char*)>("unlink")(path);
}

int remove(const char* path) noexcept {
  wait_for_the_disk();
  return next<int(const char*)>("remove")(path);
}
}
