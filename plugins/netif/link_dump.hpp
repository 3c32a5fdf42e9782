#pragma once
// rtnetlink's bytes → interfaces, pure. The bytes are not trusted: parsing reads nothing outside
// them, and gives values or a fault. Any thread.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace netif {

/// IFLA_STATS64, as far as it is metered.
struct Counters {
  std::uint64_t receive_bytes = 0, transmit_bytes = 0;
  std::uint64_t receive_packets = 0, transmit_packets = 0;
  std::uint64_t receive_errors = 0, transmit_errors = 0;
  std::uint64_t receive_drops = 0, transmit_drops = 0;
  friend bool operator==(const Counters&, const Counters&) = default;
};

/// All of them, to go through: bytes and packets first.
inline constexpr std::array<std::uint64_t Counters::*, 8> kCounterFields{
    &Counters::receive_bytes,    &Counters::transmit_bytes, &Counters::receive_packets,
    &Counters::transmit_packets, &Counters::receive_errors, &Counters::transmit_errors,
    &Counters::receive_drops,    &Counters::transmit_drops};

/// One interface as the kernel describes it. Texts are UTF-8 without control characters, whatever
/// bytes the kernel had; empty = unknown or none.
struct Link {
  std::uint32_t ifindex = 0;
  Counters counters;
  std::string name, alias, kind, mac;
  std::uint32_t master = 0;  ///< ifindex of the bridge, bond … it is a member of; 0 = none
  std::uint32_t below = 0;   ///< ifindex it stands on (VLAN) or is paired with; 0 = none
  std::uint32_t carrier_changes = 0;  ///< how often the carrier came or went
  bool below_is_foreign = false;      ///< `below` counts in another network namespace
  bool wanted = true;                 ///< to be metered, as the filters say; nothing of the kernel
  friend bool operator==(const Link&, const Link&) = default;
};

/// RTM_NEWLINK (new or changed) or RTM_DELLINK (with its final counters).
struct LinkEvent {
  bool deleted = false;
  Link link;
  friend bool operator==(const LinkEvent&, const LinkEvent&) = default;
};

/// What one netlink datagram said about interfaces.
struct Datagram {
  std::vector<LinkEvent> links;  ///< in the kernel's order
  bool done = false;             ///< the end of a dump
  bool interrupted = false;      ///< NLM_F_DUMP_INTR: the list changed meanwhile, dump again
  int error = 0;                 ///< errno that the kernel answered; 0 = none
};

struct Fault {
  std::string what;
};

/// One whole datagram. With `sequence`: the answer to the dump request of that number; messages of
/// other numbers are passed over, and an interface without 64-bit counters is a fault. Without: an
/// event; messages without counters (wireless events), and those of other address families
/// (AF_BRIDGE says RTM_DELLINK of a port that merely leaves its bridge), are passed over.
[[nodiscard]] std::variant<Datagram, Fault> parse_datagram(std::span<const std::uint8_t> bytes,
                                                           std::optional<std::uint32_t> sequence);

/// UTF-8 without control characters: every offending byte becomes '?'.
[[nodiscard]] std::string clean_text(std::span<const std::uint8_t> bytes);

}  // namespace netif
