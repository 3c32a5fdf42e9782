#include "rtnetlink.hpp"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <tallyman/plugin.hpp>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace netif {
namespace {

using tallyman::plugin::RetryLater;

constexpr int kMaxDumps = 64;                        ///< in one observation
constexpr std::size_t kMaxPending = 16384;           ///< events kept between good polls
constexpr std::size_t kDatagramBytes = 256U << 10U;  ///< the kernel's are at most 32 KiB
constexpr int kReceiveBuffer = 4 << 20;
constexpr std::int64_t kMillisecond = 1'000'000;

[[noreturn]] void fail(const std::string& what, int error) {
  throw RetryLater(what + ": " + std::strerror(error));
}

std::int64_t now_of(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

int open_socket(std::uint32_t groups) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) fail("rtnetlink cannot be opened", errno);
  // As much as we are allowed: without privilege the kernel caps it.
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) != 0) {
    static_cast<void>(
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer));
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    ::close(fd);
    fail("rtnetlink cannot be bound", error);
  }
  return fd;
}

std::array<std::uint8_t, 16> read_boot_id() {
  constexpr const char* kPath = "/proc/sys/kernel/random/boot_id";
  const Descriptor file(::open(kPath, O_RDONLY | O_CLOEXEC));
  char text[64];
  const ssize_t n = file.get() < 0 ? -1 : ::read(file.get(), text, sizeof text);
  if (n < 0) fail(std::string(kPath) + " cannot be read", errno);
  std::array<std::uint8_t, 16> id{};
  std::size_t digits = 0;
  for (const char c : std::string_view(text, static_cast<std::size_t>(n))) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) continue;
    if (digits == 2 * id.size()) break;
    id[digits / 2] = static_cast<std::uint8_t>(id[digits / 2] * 16 + digit);
    ++digits;
  }
  if (digits != 2 * id.size()) throw RetryLater(std::string(kPath) + " holds no boot id");
  return id;
}

enum class Received { datagram, nothing, overflow };

/// One datagram of the kernel; those of anybody else, and of the kernel's too long for us, count as
/// an overflow: something is missing.
Received receive(int fd, std::span<std::uint8_t> buffer, std::size_t& size) {
  while (true) {
    iovec part{buffer.data(), buffer.size()};
    sockaddr_nl from{};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t n = ::recvmsg(fd, &message, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return Received::nothing;
      if (errno == ENOBUFS) return Received::overflow;
      fail("rtnetlink cannot be read", errno);
    }
    if (from.nl_pid != 0) continue;
    if ((message.msg_flags & MSG_TRUNC) != 0) return Received::overflow;
    size = static_cast<std::size_t>(n);
    return Received::datagram;
  }
}

}  // namespace

std::int64_t boot_now() { return now_of(CLOCK_BOOTTIME); }
std::int64_t boot_wall() { return now_of(CLOCK_REALTIME) - boot_now(); }

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Rtnetlink::Rtnetlink()
    : dumps_(open_socket(0)),
      events_(open_socket(RTMGRP_LINK)),
      memory_(std::make_unique_for_overwrite<std::uint8_t[]>(kDatagramBytes)),
      buffer_(memory_.get(), kDatagramBytes) {
  struct stat about {};
  if (::stat("/proc/self/ns/net", &about) != 0) fail("/proc/self/ns/net cannot be read", errno);
  inode_ = about.st_ino;
  place_.boot = read_boot_id();
  socklen_t size = sizeof place_.netns;
  if (::getsockopt(dumps_.get(), SOL_SOCKET, SO_NETNS_COOKIE, &place_.netns, &size) != 0) {
    place_.netns = inode_;
  }
}

Observation Rtnetlink::observe(std::int64_t scheduled, std::int64_t deadline) {
  drain(deadline);
  for (int i = 0; i < kMaxDumps; ++i) {
    std::vector<Link> links = dump(deadline);
    if (links.size() > kMaxLinks) {
      throw RetryLater("more than " + std::to_string(kMaxLinks) + " interfaces");
    }
    const std::size_t known = pending_.size();
    if (drain(deadline) && settled(std::span(pending_).subspan(known), links)) {
      return {scheduled, complete_, pending_, std::move(links)};
    }
  }
  throw RetryLater("interfaces come and go faster than they can be read");
}

void Rtnetlink::accept() {
  pending_.clear();
  complete_ = true;
}

/// Takes in all events there are; false when some were lost.
bool Rtnetlink::drain(std::int64_t deadline) {
  bool whole = true;
  do {
    std::size_t size = 0;
    const Received received = receive(events_.get(), buffer_, size);
    if (received == Received::nothing) return whole;
    if (received == Received::datagram) {
      auto parsed = parse_datagram(buffer_.first(size), std::nullopt);
      auto* datagram = std::get_if<Datagram>(&parsed);
      if (datagram != nullptr && pending_.size() + datagram->links.size() <= kMaxPending) {
        std::move(datagram->links.begin(), datagram->links.end(), std::back_inserter(pending_));
        continue;
      }
    }
    whole = complete_ = false;
  } while (boot_now() < deadline);
  throw RetryLater("interface events come faster than they can be read");
}

std::vector<Link> Rtnetlink::dump(std::int64_t deadline) {
  for (int i = 0; i < kMaxDumps; ++i) {
    if (auto links = dump_once(deadline)) return std::move(*links);
  }
  throw RetryLater("the interfaces changed during every one of their dumps");
}

/// Nothing when the kernel says that the list changed meanwhile.
std::optional<std::vector<Link>> Rtnetlink::dump_once(std::int64_t deadline) {
  request_dump();
  std::vector<Link> links;
  bool interrupted = false;
  while (true) {
    auto parsed = parse_datagram(receive_answer(deadline), sequence_);
    if (const auto* fault = std::get_if<Fault>(&parsed)) throw RetryLater(fault->what);
    auto& datagram = std::get<Datagram>(parsed);
    if (datagram.error == EINTR)
      interrupted = true;
    else if (datagram.error != 0)
      fail("the kernel refuses a dump", datagram.error);
    interrupted = interrupted || datagram.interrupted;
    for (LinkEvent& event : datagram.links) links.push_back(std::move(event.link));
    if (!datagram.done) continue;
    if (interrupted) return std::nullopt;
    return links;
  }
}

void Rtnetlink::request_dump() {
  struct {
    nlmsghdr head;
    ifinfomsg info;
  } request{};
  sequence_ = sequence_ == UINT32_MAX ? 1 : sequence_ + 1;
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = RTM_GETLINK;
  request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.head.nlmsg_seq = sequence_;
  request.info.ifi_family = AF_UNSPEC;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(dumps_.get(), &request, sizeof request, 0,
               reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
    fail("a dump cannot be asked for", errno);
  }
}

std::span<const std::uint8_t> Rtnetlink::receive_answer(std::int64_t deadline) {
  while (true) {
    std::size_t size = 0;
    switch (receive(dumps_.get(), buffer_, size)) {
      case Received::datagram:
        return buffer_.first(size);
      case Received::overflow:
        throw RetryLater("a dump does not fit the socket's buffer");
      case Received::nothing:
        break;
    }
    const std::int64_t left = deadline - boot_now();
    if (left <= 0) throw RetryLater("a dump took longer than the poll's deadline");
    pollfd waiting{dumps_.get(), POLLIN, 0};
    static_cast<void>(::poll(
        &waiting, 1, static_cast<int>(std::min<std::int64_t>(left / kMillisecond + 1, 1000))));
  }
}

std::string Rtnetlink::speed(const std::string& name) const {
  if (name.size() >= IFNAMSIZ) return {};
  // The kernel first says how many words of link modes it has (negative), then answers in full.
  ethtool_link_settings settings{};
  settings.cmd = ETHTOOL_GLINKSETTINGS;
  constexpr int kMaxWords = 127;
  alignas(ethtool_link_settings)
      std::array<std::uint8_t, sizeof settings + sizeof(std::uint32_t) * 3 * kMaxWords>
          answer{};
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(answer.data());
  for (int step = 0; step < 2; ++step) {
    std::memcpy(answer.data(), &settings, sizeof settings);
    if (::ioctl(dumps_.get(), SIOCETHTOOL, &request) != 0) return {};
    std::memcpy(&settings, answer.data(), sizeof settings);
    if (step == 1) break;
    const int words = -settings.link_mode_masks_nwords;
    if (words <= 0 || words > kMaxWords) return {};
    settings = {};
    settings.cmd = ETHTOOL_GLINKSETTINGS;
    settings.link_mode_masks_nwords = static_cast<std::int8_t>(words);
  }
  return settings.speed == 0 || settings.speed > INT32_MAX ? std::string()
                                                           : std::to_string(settings.speed);
}

}  // namespace netif
