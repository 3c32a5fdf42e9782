#include "nfs/nfsd_files.hpp"

#include <gtest/gtest.h>

namespace nfs {
namespace {

// As Linux 6.1 writes it.
constexpr const char* kStats =
    "# Version 1.1\n# Path Client Start-time\n#\tStats\n"
    "/srv/a\t*\t123\n\tfh_stale: 0\n\tio_read: 18446744073709551615\n\tio_write: 5\n\n"
    "/srv/with\\040space\t10.0.0.0/24\t4567\n\tfh_stale: 7\n\tio_read: 0\n\tio_write: 0\n\n";

std::vector<KernelExport> exports(std::string_view text) {
  const auto parsed = parse_export_stats(text);
  if (const auto* fault = std::get_if<Fault>(&parsed)) throw std::runtime_error(fault->what);
  return std::get<std::vector<KernelExport>>(parsed);
}

bool is_fault(std::string_view text) {
  return std::holds_alternative<Fault>(parse_export_stats(text));
}

// Given the kernel's statistics of exports, then each is read to the byte, its path in plain
// letters.
TEST(NfsdFiles, export_stats) {
  const auto got = exports(kStats);
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0], (KernelExport{"/srv/a", "*", 123, UINT64_MAX, 5}));
  EXPECT_EQ(got[1], (KernelExport{"/srv/with space", "10.0.0.0/24", 4567, 0, 0}));
  EXPECT_TRUE(exports("# Version 1.1\n").empty());
}

// Given a file that is cut anywhere, then nothing of it counts, unless the cut is between exports.
TEST(NfsdFiles, a_cut_is_never_a_wrong_number) {
  const std::string whole = kStats;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto parsed = parse_export_stats(whole.substr(0, n));
    const auto* got = std::get_if<std::vector<KernelExport>>(&parsed);
    if (got == nullptr) continue;
    for (std::size_t i = 0; i < got->size(); ++i) EXPECT_EQ((*got)[i], exports(kStats)[i]) << n;
  }
}

// Given lines that the kernel does not write, then the file is refused.
TEST(NfsdFiles, nonsense_is_a_fault) {
  EXPECT_TRUE(is_fault("/srv/a\t*\n"));
  EXPECT_TRUE(is_fault("/srv/a\t*\t-1\n\tio_read: 1\n\tio_write: 1\n"));
  EXPECT_TRUE(is_fault("/srv/a\t*\t1\n\tio_read: 18446744073709551616\n\tio_write: 1\n"));
  EXPECT_TRUE(is_fault("/srv/a\t*\t1\n\tio_read: 1\n"));
  EXPECT_TRUE(is_fault("/srv/a\t*\t1\n\tio_read:1\n\tio_write: 1\n"));
  EXPECT_TRUE(is_fault("\tio_read: 1\n"));
  // Figures of one export are never taken for those of another.
  const std::string one = "/srv/a\t*\t1\n\tio_read: 1\n\tio_write: 1\n";
  EXPECT_TRUE(is_fault(one + "# /srv/b\t*\t1\n\tio_read: 9\n\tio_write: 9\n"));
  EXPECT_TRUE(is_fault(one + "\n\tio_read: 9\n"));
  EXPECT_TRUE(is_fault("/srv/\\04\t*\t1\n\tio_read: 1\n\tio_write: 1\n"));
  EXPECT_FALSE(unescaped("\\000").has_value());
  EXPECT_FALSE(unescaped("\\777").has_value());
  EXPECT_FALSE(unescaped("a\\").has_value());
}

// Given an entry that was made anew while the old one is still there, then both count; of two that
// nothing tells apart one does.
TEST(NfsdFiles, old_and_new_entries_count) {
  const KernelExport old{"/a", "*", 10, 7, 7}, fresh{"/a", "*", 20, 1, 0},
      other{"/b", "*", 5, 0, 0};
  EXPECT_EQ(each_once({old, fresh, other}), (std::vector{old, fresh, other}));
  EXPECT_EQ(each_once({old, fresh, {"/a", "*", 10, 8, 8}}), (std::vector{old, fresh}));
}

// Given the whole server's figures, then the line io is found among the others.
TEST(NfsdFiles, rpc_nfsd) {
  const auto got = parse_rpc_nfsd("rc 0 6 9\nfh 0 0 0 0 0\nio 4096 18446744073709551615\nth 8 0\n");
  EXPECT_EQ(std::get<KernelServer>(got), (KernelServer{4096, UINT64_MAX}));
  for (const char* text : {"", "io 1\n", "io 1 2", "io 1 2 3\n", "io -1 2\n", "rc 1 2\n"}) {
    EXPECT_TRUE(std::holds_alternative<Fault>(parse_rpc_nfsd(text))) << text;
  }
}

}  // namespace
}  // namespace nfs
