#include "link_dump.hpp"

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace netif {
namespace {

using View = std::span<const std::uint8_t>;

/// A plain struct from the head of `bytes`; nothing when they are too short.
template <typename T>
std::optional<T> take(View bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

constexpr std::size_t aligned(std::size_t n) { return (n + 3U) & ~std::size_t{3}; }

View after(View bytes, std::size_t n) { return bytes.subspan(std::min(bytes.size(), n)); }

/// Calls each(type, payload) for every attribute; false when a length does not fit.
template <typename Each>
bool attributes(View bytes, Each each) {
  while (bytes.size() >= sizeof(rtattr)) {
    const rtattr head = *take<rtattr>(bytes);
    if (head.rta_len < sizeof(rtattr) || head.rta_len > bytes.size()) return false;
    each(static_cast<unsigned>(head.rta_type & NLA_TYPE_MASK),
         bytes.subspan(sizeof(rtattr), head.rta_len - sizeof(rtattr)));
    bytes = after(bytes, aligned(head.rta_len));
  }
  return true;
}

std::string text_of(View bytes) {
  return clean_text(bytes.first(static_cast<std::size_t>(
      std::find(bytes.begin(), bytes.end(), std::uint8_t{0}) - bytes.begin())));
}

/// Hardware addresses as people write them; link layers whose address is none (tunnels) give "".
std::string mac_of(View bytes) {
  if (bytes.size() != 6 && bytes.size() != 8 && bytes.size() != 20) return {};
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    if (!text.empty()) text += ':';
    text += kHex[byte >> 4U];
    text += kHex[byte & 15U];
  }
  return text;
}

/// The kernel appends to rtnl_link_stats64 over the years: only its oldest fields are asked for.
std::optional<Counters> counters_of(View bytes) {
  constexpr std::size_t kMetered = offsetof(rtnl_link_stats64, multicast);
  if (bytes.size() < kMetered) return std::nullopt;
  rtnl_link_stats64 stats{};
  std::memcpy(&stats, bytes.data(), kMetered);
  return Counters{.receive_bytes = stats.rx_bytes,
                  .transmit_bytes = stats.tx_bytes,
                  .receive_packets = stats.rx_packets,
                  .transmit_packets = stats.tx_packets,
                  .receive_errors = stats.rx_errors,
                  .transmit_errors = stats.tx_errors,
                  .receive_drops = stats.rx_dropped,
                  .transmit_drops = stats.tx_dropped};
}

struct ParsedLink {
  Link link;
  bool counted = false;
};

std::optional<ParsedLink> link_of(const ifinfomsg& info, View bytes) {
  ParsedLink parsed;
  Link& link = parsed.link;
  link.ifindex = static_cast<std::uint32_t>(info.ifi_index);
  bool nested_ok = true;
  const auto number = [](View payload) { return take<std::uint32_t>(payload).value_or(0); };
  const bool ok = attributes(bytes, [&](unsigned type, View payload) {
    switch (type) {
      case IFLA_IFNAME:
        link.name = text_of(payload);
        break;
      case IFLA_IFALIAS:
        link.alias = text_of(payload);
        break;
      case IFLA_ADDRESS:
        link.mac = mac_of(payload);
        break;
      case IFLA_MASTER:
        link.master = number(payload);
        break;
      case IFLA_LINK:
        link.below = number(payload);
        break;
      case IFLA_LINK_NETNSID:
        link.below_is_foreign = true;
        break;
      case IFLA_CARRIER_CHANGES:
        link.carrier_changes = number(payload);
        break;
      case IFLA_STATS64:
        if (const auto counters = counters_of(payload)) {
          link.counters = *counters;
          parsed.counted = true;
        }
        break;
      case IFLA_LINKINFO:
        nested_ok = attributes(payload, [&](unsigned inner, View value) {
          if (inner == IFLA_INFO_KIND) link.kind = text_of(value);
        });
        break;
      default:
        break;
    }
  });
  if (!ok || !nested_ok) return std::nullopt;
  return parsed;
}

/// One RTM_NEWLINK or RTM_DELLINK; what is wrong with it, or nothing.
std::optional<Fault> add_link(const nlmsghdr& head, View body, bool dump, Datagram& out) {
  const auto info = take<ifinfomsg>(body);
  if (!info) return Fault{"an interface message is cut short"};
  if (info->ifi_family != AF_UNSPEC) return std::nullopt;
  if (info->ifi_index <= 0) return Fault{"an interface has no index"};
  auto parsed = link_of(*info, after(body, aligned(sizeof(ifinfomsg))));
  if (!parsed) return Fault{"an interface message's attributes do not fit it"};
  if (!parsed->counted) {
    if (!dump) return std::nullopt;
    return Fault{"interface " + parsed->link.name + " has no 64-bit counters"};
  }
  out.links.push_back({head.nlmsg_type == RTM_DELLINK, std::move(parsed->link)});
  return std::nullopt;
}

/// NLMSG_ERROR and NLMSG_DONE begin with a negative errno, or 0.
int error_of(View body) {
  const int value = take<int>(body).value_or(0);
  return value < 0 && value >= -4095 ? -value : (value == 0 ? 0 : EPROTO);
}

}  // namespace

std::variant<Datagram, Fault> parse_datagram(View bytes, std::optional<std::uint32_t> sequence) {
  Datagram out;
  while (!bytes.empty()) {
    const auto head = take<nlmsghdr>(bytes);
    if (!head || head->nlmsg_len < sizeof(nlmsghdr) || head->nlmsg_len > bytes.size()) {
      return Fault{"a netlink message does not fit its datagram"};
    }
    const View body = bytes.subspan(sizeof(nlmsghdr), head->nlmsg_len - sizeof(nlmsghdr));
    bytes = after(bytes, aligned(head->nlmsg_len));
    if (sequence && head->nlmsg_seq != *sequence) continue;
    if (sequence && (head->nlmsg_flags & NLM_F_DUMP_INTR) != 0) out.interrupted = true;
    switch (head->nlmsg_type) {
      case NLMSG_DONE:
        out.done = true;
        [[fallthrough]];
      case NLMSG_ERROR:
        if (const int error = error_of(body); error != 0) out.error = error;
        break;
      case RTM_NEWLINK:
      case RTM_DELLINK:
        if (auto fault = add_link(*head, body, sequence.has_value(), out)) return *fault;
        break;
      default:
        break;
    }
  }
  return out;
}

std::string clean_text(View bytes) {
  // Shortest forms only, no surrogates, nothing above U+10FFFF.
  const auto sequence_length = [](View s) -> std::size_t {
    const std::uint8_t lead = s[0];
    if (lead >= 0x20 && lead < 0x7f) return 1;
    const std::size_t length = lead < 0xc2   ? 0
                               : lead < 0xe0 ? 2
                               : lead < 0xf0 ? 3
                               : lead < 0xf5 ? 4
                                             : 0;
    if (length == 0 || s.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
      if ((s[i] & 0xc0U) != 0x80) return 0;
    }
    const bool control = lead == 0xc2 && s[1] < 0xa0;
    const bool overlong = (lead == 0xe0 && s[1] < 0xa0) || (lead == 0xf0 && s[1] < 0x90);
    const bool outside = (lead == 0xed && s[1] >= 0xa0) || (lead == 0xf4 && s[1] >= 0x90);
    return control || overlong || outside ? 0 : length;
  };
  std::string text;
  while (!bytes.empty()) {
    const std::size_t length = sequence_length(bytes);
    if (length == 0)
      text += '?';
    else
      text.append(reinterpret_cast<const char*>(bytes.data()), length);
    bytes = bytes.subspan(std::max<std::size_t>(length, 1));
  }
  return text;
}

}  // namespace netif
