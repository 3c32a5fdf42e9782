// A first plugin: the bytes used on one file system. Copy the folder, rename, change poll().
#include <sys/statvfs.h>

#include <cerrno>
#include <system_error>
#include <tallyman/plugin.hpp>

namespace tp = tallyman::plugin;

class Filesystem {
 public:
  static constexpr const char *name = "filesystem", *version = "1.0";
  static constexpr tm_metric metrics[] = {
      tp::gauge("filesystem_used_bytes", "bytes", "Bytes in use", tp::labels<"mountpoint">)};
  static constexpr tm_option options[] = {tp::option("path", "/", "a path on the file system")};
  explicit Filesystem(tp::Host host) : path_(host.option("path")) {}
  void poll(tp::Poll& poll) {
    struct statvfs fs {};
    if (statvfs(path_.c_str(), &fs) != 0)
      throw std::system_error(errno, std::system_category(), path_);
    poll.emit(
        {.metric = 0, .value = (fs.f_blocks - fs.f_bfree) * fs.f_frsize, .identity = {path_}});
  }

 private:
  std::string path_;
};
TALLYMAN_PLUGIN(Filesystem);
