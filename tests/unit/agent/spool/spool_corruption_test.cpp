// What damage costs: the damaged batch, and nothing else; and that it is told.

#include <random>

#include "spool_damage_fixture.hpp"

namespace tallyman::agent {
namespace {

/// Bits that no checksum covers: of a slot file behind the frame, always zero; of the reserved
/// space.
bool is_padding(FakeFiles& files, const std::string& path, std::size_t byte) {
  if (path == "/spool/reserve") return true;
  if (path != "/spool/mark" && path != "/spool/identity") return false;
  const ByteView slot = ByteView(*files.bytes_of(path)).subspan(byte / kSlotBytes * kSlotBytes);
  return byte % kSlotBytes >= wire::next_frame(slot).size;
}

std::string finding_text(const SpoolReport& report) {
  std::string out;
  for (const auto& finding : report.findings)
    out += finding.what + " [" + std::to_string(finding.first) + "–" +
           std::to_string(finding.last) + "] " + std::to_string(finding.offset) + "+" +
           std::to_string(finding.size) + "\n";
  return out;
}

/// What verify says of one flipped bit: a finding in that file around that byte, and no batch named
/// but the one that holds it.
void check_report(WholeSpool& whole, SpoolBench& bench, const std::string& path, std::size_t byte) {
  const auto calls = bench.files->calls();
  const auto report = verify_spool(*bench.files, "/spool");
  ASSERT_TRUE(report.ok()) << report.error().text();
  ASSERT_EQ(bench.files->calls(), calls) << "verify changed something";
  const auto there = [&](const SpoolFinding& finding) {
    return finding.file == path && finding.size > 0 && finding.offset <= byte &&
           byte < finding.offset + finding.size;
  };
  ASSERT_TRUE(std::any_of(report->findings.begin(), report->findings.end(), there))
      << path << " byte " << byte << "\n"
      << finding_text(*report);
  const auto hit = whole.touched(*bench.files);
  for (const auto& finding : report->findings) {
    for (std::uint64_t n = finding.first; n != 0 && n <= finding.last; ++n)
      ASSERT_TRUE(hit.contains(n)) << path << " byte " << byte << "\n" << finding_text(*report);
  }
}

#ifdef TALLYMAN_SANITIZED
constexpr std::size_t kSlower = 10;
#else
constexpr std::size_t kSlower = 1;
#endif

/// Flips every `step`-th bit of every file of the spool.
void flip_bits(WholeSpool& whole, std::size_t step) {
  std::size_t flips = 0;
  for (const auto& path : whole.bench.files->paths()) {
    const std::size_t bits = whole.bench.files->bytes_of(path)->size() * 8;
    for (std::size_t bit = 0; bit < bits; bit += step) {
      const std::size_t byte = bit / 8;
      if (is_padding(*whole.bench.files, path, byte)) continue;
      SpoolBench bench;
      whole.copy_to(bench);
      (*bench.files->bytes_of(path))[byte] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      ++flips;
      const auto hit = whole.touched(*bench.files);
      ASSERT_LE(hit.size(), 1U);
      check_report(whole, bench, path, byte);
      whole.check_lines(*bench.files, hit);
      ASSERT_TRUE(bench.open()) << bench.error;
      whole.check(bench, hit);
      ASSERT_FALSE(testing::Test::HasFailure())
          << path << " bit " << bit << "\n"
          << testing::PrintToString(bench.spool->recovery().notes);
    }
  }
  EXPECT_GT(flips, 20'000U / step);
}

// Given a flip of any one bit of any file of a spool, then verify names the file, the bytes and the
// batch; what can be dumped is dumped; and opened, it gives all other batches byte by byte.
TEST(SpoolCorruption, EveryBitFlip) {
  WholeSpool whole;
  whole.fill(8, 2, 1100);
  ASSERT_FALSE(HasFatalFailure());
  flip_bits(whole, kSlower);
}

// Given the same of a spool that the rater holds a part of, then likewise.
TEST(SpoolCorruption, BitFlipsBehindTheMark) {
  WholeSpool whole;
  whole.fill(12, 2, 1100, 5);
  ASSERT_FALSE(HasFatalFailure());
  flip_bits(whole, 3 * kSlower);
}

/// One damage of a random kind; says which.
std::string damage(FakeFiles& files, std::mt19937_64& random) {
  constexpr std::size_t kSector = 512;
  const auto paths = files.paths();
  const std::string& path = paths[random() % paths.size()];
  Bytes& bytes = *files.bytes_of(path);
  if (bytes.empty()) return "nothing: " + path;
  const std::size_t from = random() % bytes.size();
  const std::size_t size = std::min<std::size_t>(bytes.size() - from, 1 + random() % 200);
  const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(from);
  switch (random() % 16) {
    case 0:
      (void)files.remove(path);
      return "removed " + path;
    case 1:
    case 2:
      bytes.resize(from);
      return "cut " + path + " at " + std::to_string(from);
    case 3:
    case 4:
    case 5:
    case 6: {
      const std::size_t sector = from / kSector * kSector;
      const std::size_t end = std::min(bytes.size(), sector + kSector);
      std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(sector),
                bytes.begin() + static_cast<std::ptrdiff_t>(end), std::uint8_t{0});
      return "zeroed " + path + " at " + std::to_string(sector);
    }
    case 7:
    case 8:
    case 9: {
      Bytes& other = *files.bytes_of(paths[random() % paths.size()]);
      const std::size_t a = from / kSector * kSector;
      const std::size_t b = other.empty() ? 0 : random() % other.size() / kSector * kSector;
      for (std::size_t i = 0; i < kSector && a + i < bytes.size() && b + i < other.size(); ++i)
        std::swap(bytes[a + i], other[b + i]);
      return "swapped a block of " + path + " at " + std::to_string(a);
    }
    case 10:
      bytes.erase(at, at + static_cast<std::ptrdiff_t>(size));
      return "erased in " + path + " at " + std::to_string(from);
    default:
      for (std::size_t i = 0; i < size; ++i) bytes[from + i] = static_cast<std::uint8_t>(random());
      return "overwrote " + path + " at " + std::to_string(from);
  }
}

/// Every touched batch is named by a finding, but those that nothing whole follows at the end; no
/// other one is.
void check_all_reported(WholeSpool& whole, FakeFiles& files, const std::set<std::uint64_t>& hit) {
  const auto report = verify_spool(files, "/spool");
  ASSERT_TRUE(report.ok()) << report.error().text();
  std::set<std::uint64_t> named;
  const std::uint64_t last = whole.held.rbegin()->first;
  for (const auto& finding : report->findings) {
    for (auto n = finding.first; n != 0 && n <= std::min(last, finding.last); ++n) named.insert(n);
  }
  for (const auto n : named)
    ASSERT_TRUE(hit.contains(n)) << "batch " << n << " is whole\n" << finding_text(*report);
  // Without a mark nobody knows what was acknowledged of what is gone before the first segment.
  std::uint64_t first = 1;
  if (!report->folder.mark_known() && !report->folder.segments.empty())
    first = report->folder.segments.front().first;
  for (const auto n : hit) {
    if (n >= first && n < whole.last_after(hit) && !named.contains(n)) {
      ASSERT_TRUE(whole.elsewhere(files, n)) << "batch " << n << " is not named\n"
                                             << finding_text(*report);
    }
  }
}

// Given ten thousand random damages of a larger spool, a few at a time, then each damaged batch is
// named; those that were not touched come out byte by byte; and the spool goes on.
TEST(SpoolCorruption, TenThousandDamages) {
  WholeSpool whole;
  whole.fill(240, 2, 3000);
  ASSERT_FALSE(HasFatalFailure());
  std::size_t damages = 0, touched = 0;
  for (std::uint64_t seed = 1; damages < 10'000 / kSlower; ++seed) {
    std::mt19937_64 random(seed);
    SpoolBench bench;
    whole.copy_to(bench);
    std::string story = "seed " + std::to_string(seed) + "\n";
    for (std::uint64_t n = 1 + random() % 16; n > 0; --n, ++damages)
      story += damage(*bench.files, random) + "\n";
    const auto hit = whole.touched(*bench.files);
    touched += hit.size();
    check_all_reported(whole, *bench.files, hit);
    whole.check_lines(*bench.files, hit);
    ASSERT_FALSE(HasFailure()) << story;
    ASSERT_TRUE(bench.open()) << story << bench.error;
    whole.check(bench, hit);
    ASSERT_FALSE(HasFailure()) << story << testing::PrintToString(bench.spool->recovery().notes);
    ASSERT_TRUE(bench.append(999).ok()) << story;
    ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok()) << story;
    ASSERT_TRUE(bench.sync()) << story;
  }
  EXPECT_GT(touched, 10'000U / kSlower);
}

}  // namespace
}  // namespace tallyman::agent
