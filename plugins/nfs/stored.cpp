#include "stored.hpp"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace nfs {
namespace {

constexpr std::uint64_t kCephMagic = 0x00c36400;
constexpr std::uint64_t kXfsMagic = 0x58465342;
constexpr int kProjectQuota = 2;  ///< PRJQUOTA

Fault failed(const std::string& what) { return Fault{what + ": " + std::strerror(errno)}; }

/// A descriptor that lasts as long as a look.
class Folder {
 public:
  explicit Folder(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] bool opened() const { return fd_ >= 0; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

std::optional<std::string> slurp_line(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::array<char, 64> text{};
  const ssize_t got = read(fd, text.data(), text.size());
  close(fd);
  if (got <= 0) return {};
  return std::string(text.data(), static_cast<std::size_t>(got));
}

std::optional<std::string> attribute(const std::string& path, const char* name) {
  std::array<char, 256> text{};
  const ssize_t got = getxattr(path.c_str(), name, text.data(), text.size());
  if (got <= 0) return {};
  std::string value(text.data(), static_cast<std::size_t>(got));
  while (!value.empty() && value.back() == '\0') value.pop_back();
  return value;
}

/// One look at one folder. Lives only inside measure().
class Look {
 public:
  Look(const std::string& path, const Surroundings& around) : path_(path), around_(around) {}

  Measured run() {
    struct statfs system {};
    if (statfs(path_.c_str(), &system) != 0) return failed("statfs");
    const auto kind = static_cast<std::uint64_t>(system.f_type);
    if (kind == kCephMagic) return ceph(system.f_fsid.__val[1]);
    if (kind == BTRFS_SUPER_MAGIC) return btrfs();
    if (kind == EXT4_SUPER_MAGIC || kind == kXfsMagic) return ext4_or_xfs();
    return whole();
  }

 private:
  static Fault not_opened() {
    return failed("it cannot be opened (is it below one of stored.roots?)");
  }

  Measured ceph(int file_system) {
    const auto bytes = attribute(path_, "ceph.dir.rbytes");
    const auto cluster = attribute(path_, "ceph.cluster_fsid");
    struct stat status {};
    const auto value = bytes ? number_in(*bytes) : std::nullopt;
    if (!value || !cluster || stat(path_.c_str(), &status) != 0) {
      return Fault{"this CephFS does not tell ceph.dir.rbytes and ceph.cluster_fsid"};
    }
    const auto folder = folder_of_cephfs(file_system, status.st_ino);
    if (!folder) {
      return Fault{"which CephFS of its cluster this is is not told: mount it by name, Linux 5.16"};
    }
    return Stored{*value, "ceph.dir.rbytes", *cluster, *folder, {}};
  }

  Measured btrfs() {
    const Folder folder(path_);
    if (!folder.opened()) return not_opened();
    struct stat status {};
    if (fstat(folder.fd(), &status) != 0) return failed("stat");
    if (status.st_ino != BTRFS_FIRST_FREE_OBJECTID) {
      return Fault{"a folder inside a btrfs subvolume: make it a subvolume of its own"};
    }
    btrfs_ioctl_ino_lookup_args lookup{};
    lookup.objectid = BTRFS_FIRST_FREE_OBJECTID;
    if (ioctl(folder.fd(), BTRFS_IOC_INO_LOOKUP, &lookup) != 0) return failed("its subvolume");
    btrfs_ioctl_fs_info_args info{};
    if (ioctl(folder.fd(), BTRFS_IOC_FS_INFO, &info) != 0) return failed("its file system");
    const std::string groups = around_.btrfs + "/" + uuid(info.fsid) + "/qgroups";
    const auto text = slurp_line(groups + "/0_" + std::to_string(lookup.treeid) + "/referenced");
    if (!text) {
      return Fault{
          "no qgroup of its subvolume can be read: btrfs quota enable; where btrfs was loaded "
          "after "
          "the plugin was started, start it anew"};
    }
    const auto bytes = number_in(*text);
    const auto broken = slurp_line(groups + "/inconsistent");
    if (!bytes || (broken && number_in(*broken) != 0)) {
      return Fault{"its btrfs quota is inconsistent: btrfs quota rescan"};
    }
    return Stored{*bytes, "btrfs qgroup", {}, {}, {}};
  }

  Measured ext4_or_xfs() {
    const Folder folder(path_);
    if (!folder.opened()) {
      const Fault reason = not_opened();
      // Enough to see whether it is a file system of its own.
      Measured all = whole();
      if (auto* fault = std::get_if<Fault>(&all)) fault->what += "; " + reason.what;
      return all;
    }
    fsxattr attributes{};
    const bool told = ioctl(folder.fd(), FS_IOC_FSGETXATTR, &attributes) == 0;
    const bool gives = (attributes.fsx_xflags & FS_XFLAG_PROJINHERIT) != 0;
    if (!told || !gives || attributes.fsx_projid == 0) return whole();
    dqblk quota{};
    const unsigned command = QCMD(static_cast<unsigned>(Q_GETQUOTA), kProjectQuota);
    if (syscall(SYS_quotactl_fd, folder.fd(), command, attributes.fsx_projid, &quota) != 0) {
      return failed("the quota of project " + std::to_string(attributes.fsx_projid));
    }
    return used_of(quota);
  }

  /// A file system of its own, all of it.
  Measured whole() {
    struct statx status {};
    const unsigned wanted = STATX_MNT_ID;
    if (statx(AT_FDCWD, path_.c_str(), 0, wanted, &status) != 0) return failed("statx");
    const bool root = (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    const auto mount = mount_of(around_.mounts, status.stx_mnt_id);
    if (!root || !mount || mount->part != "/") {
      return Fault{
          "neither a file system of its own, nor a subvolume, nor with a project of its own"};
    }
    if (!around_.named && !is_local(mount->type)) {
      return Fault{"a file system of type " + mount->type +
                   ": whose bytes it counts is not known; stored.places can say that they are its"};
    }
    struct statvfs figures {};
    if (statvfs(path_.c_str(), &figures) != 0) return failed("statvfs");
    Measured used = used_of(figures.f_frsize, figures.f_blocks, figures.f_bfree);
    if (auto* stored = std::get_if<Stored>(&used)) {
      stored->device =
          std::to_string(status.stx_dev_major) + ":" + std::to_string(status.stx_dev_minor);
    }
    return used;
  }

  static std::string uuid(const std::uint8_t (&bytes)[BTRFS_FSID_SIZE]) {
    constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < BTRFS_FSID_SIZE; ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
      out += kHex[bytes[i] >> 4U];
      out += kHex[bytes[i] & 15U];
    }
    return out;
  }

  const std::string& path_;
  const Surroundings& around_;
};

}  // namespace

Measured measure(const std::string& path, const Surroundings& around) {
  return Look(path, around).run();
}

}  // namespace nfs
