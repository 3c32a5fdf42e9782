#pragma once
// Hand-made rtnetlink messages for tests.

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace netif::test {

using Buffer = std::vector<std::uint8_t>;

inline void append(Buffer& out, const void* bytes, std::size_t n) {
  const std::size_t at = out.size();
  out.resize(at + n);
  if (n > 0) std::memcpy(out.data() + at, bytes, n);
}

inline void pad(Buffer& out) {
  while (out.size() % 4 != 0) out.push_back(0);
}

inline void attribute(Buffer& out, unsigned type, const Buffer& payload) {
  rtattr head{};
  head.rta_len = static_cast<unsigned short>(sizeof head + payload.size());
  head.rta_type = static_cast<unsigned short>(type);
  append(out, &head, sizeof head);
  append(out, payload.data(), payload.size());
  pad(out);
}

inline Buffer text(const std::string& s) {
  Buffer out(s.begin(), s.end());
  out.push_back(0);
  return out;
}

inline Buffer number(std::uint32_t v) {
  Buffer out;
  append(out, &v, sizeof v);
  return out;
}

inline Buffer message(unsigned type, unsigned flags, std::uint32_t sequence, const Buffer& body) {
  nlmsghdr head{};
  head.nlmsg_len = static_cast<std::uint32_t>(sizeof head + body.size());
  head.nlmsg_type = static_cast<std::uint16_t>(type);
  head.nlmsg_flags = static_cast<std::uint16_t>(flags);
  head.nlmsg_seq = sequence;
  Buffer out;
  append(out, &head, sizeof head);
  append(out, body.data(), body.size());
  pad(out);
  return out;
}

inline Buffer link_head(int ifindex, unsigned family = 0) {
  ifinfomsg info{};
  info.ifi_family = static_cast<unsigned char>(family);
  info.ifi_index = ifindex;
  Buffer out;
  append(out, &info, sizeof info);
  return out;
}

/// The body of an interface with everything that is read.
inline Buffer full_link(int ifindex, const std::string& name) {
  Buffer body = link_head(ifindex);
  attribute(body, IFLA_IFNAME, text(name));
  attribute(body, IFLA_IFALIAS, text("customer 7"));
  attribute(body, IFLA_ADDRESS, {0x02, 0, 0, 0xab, 0xcd, 0xef});
  attribute(body, IFLA_MASTER, number(9));
  attribute(body, IFLA_LINK, number(4));
  attribute(body, IFLA_LINK_NETNSID, number(0));
  attribute(body, IFLA_CARRIER_CHANGES, number(3));
  Buffer info;
  attribute(info, IFLA_INFO_KIND, text("veth"));
  attribute(body, IFLA_LINKINFO | NLA_F_NESTED, info);
  rtnl_link_stats64 stats{};
  stats.rx_packets = 1, stats.tx_packets = 2;
  stats.rx_bytes = 1ULL << 63U, stats.tx_bytes = 4;
  stats.rx_errors = 5, stats.tx_errors = 6;
  stats.rx_dropped = 7, stats.tx_dropped = 8;
  Buffer bytes;
  append(bytes, &stats, sizeof stats);
  attribute(body, IFLA_STATS64, bytes);
  return body;
}

}  // namespace netif::test
