// The pure parts of stored.hpp.

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "stored.hpp"

namespace nfs {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t end = text.find(separator);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

/// What stands in a field of a report, which ends at a line's end.
std::string in_a_line(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

}  // namespace

std::optional<std::uint64_t> number_in(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return {};
  return value;
}

std::optional<Mount> mount_of(std::string_view mountinfo, std::uint64_t mount) {
  for (const std::string_view line : split(mountinfo, '\n')) {
    const std::vector<std::string_view> words = split(line, ' ');
    if (words.size() < 5 || number_in(words[0]) != mount) continue;
    // Optional fields stand before the dash, the type behind it.
    const auto dash = std::find(words.begin() + 5, words.end(), "-");
    if (dash == words.end() || dash + 1 == words.end()) return {};
    return Mount{std::string(words[3]), std::string(dash[1])};
  }
  return {};
}

bool is_local(std::string_view type) {
  constexpr std::array<std::string_view, 8> kLocal{"ext2", "ext3",  "ext4", "xfs",
                                                   "zfs",  "tmpfs", "f2fs", "jfs"};
  return std::find(kLocal.begin(), kLocal.end(), type) != kLocal.end();
}

std::optional<std::string> folder_of_cephfs(int file_system, std::uint64_t inode) {
  // Older kernels have a part of the cluster's id there, mounts without a name -1.
  constexpr int kMost = 0xffff;
  if (file_system < 1 || file_system > kMost) return {};
  return "fs " + std::to_string(file_system) + " inode " + std::to_string(inode);
}

Measured used_of(std::uint64_t fragment, std::uint64_t blocks, std::uint64_t free) {
  std::uint64_t bytes = 0;
  if (blocks == 0) return Fault{"its file system does not count blocks"};
  if (fragment == 0 || free > blocks || __builtin_mul_overflow(blocks - free, fragment, &bytes)) {
    return Fault{"the file system's figures contradict each other"};
  }
  return Stored{bytes, "statvfs", {}, {}, {}};
}

Measured used_of(const dqblk& quota) {
  if ((quota.dqb_valid & QIF_SPACE) == 0) return Fault{"its project quota does not tell the space"};
  return Stored{quota.dqb_curspace, "project quota", {}, {}, {}};
}

std::string to_report(const Measured& measured) {
  if (const auto* fault = std::get_if<Fault>(&measured)) {
    return "unknown\n" + in_a_line(fault->what) + "\n";
  }
  const auto& stored = std::get<Stored>(measured);
  return "stored\n" + std::to_string(stored.bytes) + "\n" + in_a_line(stored.method) + "\n" +
         in_a_line(stored.cluster) + "\n" + in_a_line(stored.folder) + "\n" +
         in_a_line(stored.device) + "\n";
}

Measured from_report(std::string_view report) {
  const std::vector<std::string_view> lines = split(report, '\n');
  if (lines.size() == 3 && lines[0] == "unknown" && lines[2].empty()) {
    return Fault{std::string(lines[1])};
  }
  const auto bytes = lines.size() == 7 ? number_in(lines[1]) : std::nullopt;
  if (!bytes || lines[0] != "stored" || !lines[6].empty()) {
    return Fault{"the process that looked at it ended without a word"};
  }
  return Stored{*bytes, std::string(lines[2]), std::string(lines[3]), std::string(lines[4]),
                std::string(lines[5])};
}

}  // namespace nfs
