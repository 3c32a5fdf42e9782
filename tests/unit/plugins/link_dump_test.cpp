#include "netif/link_dump.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <random>
#include <set>

#include "netlink_bytes.hpp"

namespace netif {
namespace {

using test::Buffer;

std::optional<Datagram> parse(std::span<const std::uint8_t> bytes,
                              std::optional<std::uint32_t> sequence = std::nullopt) {
  auto parsed = parse_datagram(bytes, sequence);
  if (auto* datagram = std::get_if<Datagram>(&parsed)) return std::move(*datagram);
  return std::nullopt;
}

std::string cleaned(const std::string& text) {
  return clean_text({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

// Given a message with every attribute, then each of them is read, the counters in full width.
TEST(LinkDump, ReadsEverythingItNames) {
  const auto got = parse(test::message(RTM_NEWLINK, 0, 5, test::full_link(7, "eth0")), 5);
  ASSERT_TRUE(got);
  ASSERT_EQ(got->links.size(), 1U);
  Link expected;
  expected.ifindex = 7;
  expected.counters = {1ULL << 63U, 4, 1, 2, 5, 6, 7, 8};
  expected.name = "eth0";
  expected.alias = "customer 7";
  expected.kind = "veth";
  expected.mac = "02:00:00:ab:cd:ef";
  expected.master = 9;
  expected.below = 4;
  expected.carrier_changes = 3;
  expected.below_is_foreign = true;
  EXPECT_EQ(got->links[0].link, expected);
  EXPECT_FALSE(got->links[0].deleted);
}

// Given a bridge's word that a port left it, then no interface is taken as deleted.
TEST(LinkDump, PassesOverOtherFamilies) {
  Buffer body = test::full_link(7, "eth0");
  body[0] = AF_BRIDGE;
  const auto got = parse(test::message(RTM_DELLINK, 0, 0, body));
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->links.empty());
}

// Given several messages in one datagram, then they come in order, deletions told apart.
TEST(LinkDump, KeepsTheOrderOfEvents) {
  Buffer bytes = test::message(RTM_NEWLINK, 0, 0, test::full_link(1, "a"));
  const Buffer gone = test::message(RTM_DELLINK, 0, 0, test::full_link(1, "a"));
  bytes.insert(bytes.end(), gone.begin(), gone.end());
  const auto got = parse(bytes);
  ASSERT_TRUE(got);
  ASSERT_EQ(got->links.size(), 2U);
  EXPECT_FALSE(got->links[0].deleted);
  EXPECT_TRUE(got->links[1].deleted);
}

// Given an interface without 64-bit counters, then an event passes it over and a dump is a fault.
TEST(LinkDump, WantsCountersInADump) {
  const Buffer bytes = test::message(RTM_NEWLINK, 0, 5, test::link_head(7));
  const auto event = parse(bytes);
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->links.empty());
  EXPECT_FALSE(parse(bytes, 5));
}

// Given an answer to another request, a refusal, an end, an interruption, then each is told.
TEST(LinkDump, ReadsTheDumpsFrame) {
  const auto other = parse(test::message(RTM_NEWLINK, 0, 4, test::full_link(7, "eth0")), 5);
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->links.empty());

  const auto refused = parse(test::message(NLMSG_ERROR, 0, 5, test::number(0U - 1U)), 5);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->error, EPERM);

  const auto done = parse(test::message(NLMSG_DONE, NLM_F_DUMP_INTR, 5, test::number(0)), 5);
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->done);
  EXPECT_TRUE(done->interrupted);
  EXPECT_EQ(done->error, 0);
}

// Given a message cut at any byte, then it is a fault or it holds nothing.
TEST(LinkDump, RefusesWhatIsCut) {
  const Buffer whole = test::message(RTM_NEWLINK, 0, 5, test::full_link(7, "eth0"));
  for (std::size_t n = 1; n < whole.size(); ++n) {
    EXPECT_FALSE(parse(std::span(whole).first(n), 5)) << n;
  }
}

// Given attribute lengths that lie, then the message is a fault, and nothing outside is read.
TEST(LinkDump, RefusesLyingAttributes) {
  for (const unsigned length : {0U, 1U, 3U, 200U, 65535U}) {
    Buffer body = test::link_head(7);
    const std::size_t at = body.size();
    test::attribute(body, IFLA_IFNAME, test::text("eth0"));
    body[at] = static_cast<std::uint8_t>(length & 0xffU);
    body[at + 1] = static_cast<std::uint8_t>(length >> 8U);
    EXPECT_FALSE(parse(test::message(RTM_NEWLINK, 0, 5, body), 5)) << length;
  }
}

// Given a good datagram with any bytes changed, then parsing ends, within its bytes, with bounded
// results.
TEST(LinkDump, SurvivesMutations) {
  Buffer good = test::message(RTM_NEWLINK, 0, 5, test::full_link(7, "eth0"));
  const Buffer more = test::message(RTM_DELLINK, 0, 5, test::full_link(8, "eth1"));
  good.insert(good.end(), more.begin(), more.end());
  std::mt19937_64 random(20261122);
  for (int round = 0; round < 100'000; ++round) {
    const std::size_t size = random() % 4 == 0 ? random() % (good.size() + 1) : good.size();
    // Its own allocation of the exact size, so that a sanitizer sees one byte too far.
    const std::unique_ptr<std::uint8_t[]> bytes(new std::uint8_t[size]);
    std::copy_n(good.begin(), size, bytes.get());
    for (std::uint64_t flips = random() % 4; flips > 0 && size > 0; --flips) {
      bytes[random() % size] = static_cast<std::uint8_t>(random());
    }
    const auto got = parse({bytes.get(), size},
                           random() % 2 == 0 ? std::nullopt : std::optional<std::uint32_t>(5));
    if (!got) continue;
    ASSERT_LE(got->links.size(), 2U);
    for (const auto& event : got->links) {
      ASSERT_NE(event.link.ifindex, 0U);
      ASSERT_EQ(cleaned(event.link.name), event.link.name);
    }
  }
}

// Given text that is no clean UTF-8, then each offending byte becomes a question mark.
TEST(LinkDump, CleansText) {
  EXPECT_EQ(cleaned("grün € 𐍈"), "grün € 𐍈");
  EXPECT_EQ(cleaned("a\tb\x7f"), "a?b?");
  EXPECT_EQ(cleaned("\xc0\xaf"), "??");
  EXPECT_EQ(cleaned("\xed\xa0\x80"), "???");
  EXPECT_EQ(cleaned("\xf4\x90\x80\x80"), "????");
  EXPECT_EQ(cleaned("\xc2\x85"), "??");
  EXPECT_EQ(cleaned("x\xe2\x82"), "x??");
}

std::vector<Link> dump_this_machine() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  const Buffer request =
      test::message(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 77, test::link_head(0));
  EXPECT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::vector<Link> links;
  for (bool done = false; !done;) {
    Buffer bytes(64U << 10U);
    const ssize_t n = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (n <= 0) break;
    const auto got = parse(std::span(bytes).first(static_cast<std::size_t>(n)), 77);
    if (!got) break;
    for (const auto& event : got->links) links.push_back(event.link);
    done = got->done;
  }
  ::close(fd);
  return links;
}

// Given this machine's own dump, then its interfaces are those that /proc/net/dev names.
TEST(LinkDump, ReadsThisMachine) {
  std::set<std::string> expected;
  std::ifstream file("/proc/net/dev");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto first = line.find_first_not_of(' ');
    expected.insert(line.substr(first, colon - first));
  }
  std::set<std::string> got;
  for (const Link& link : dump_this_machine()) got.insert(link.name);
  EXPECT_EQ(got, expected);
  EXPECT_FALSE(got.empty());
}

}  // namespace
}  // namespace netif
