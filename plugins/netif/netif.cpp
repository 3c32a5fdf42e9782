// netif: the 64-bit counters of this host's network interfaces, from rtnetlink.
//
// The pure parts decide: link_dump.hpp (bytes → interfaces) and tracker.hpp (what is the same
// counter, and since when it counts). What is left here is options, labels and the order of things.

#include <fnmatch.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <tallyman/plugin.hpp>

#include "rtnetlink.hpp"

namespace {

using netif::Link;
using netif::Sample;
using namespace tallyman::plugin;

constexpr auto kIdentity = labels<"netns", "ifindex">;
constexpr auto kInfo = labels<"interface", "alias", "kind", "master", "link", "mac", "speed">;

constexpr tm_metric metric(const char* name, const char* unit, const char* help) {
  return counter(name, unit, help, kIdentity, kInfo);
}

bool matches(const std::vector<std::string>& globs, const std::string& name) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
    return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
  });
}

/// Names of this poll's interfaces by index, to tell of master and link.
using Names = std::map<std::uint32_t, std::string>;

std::string name_of(const Names& names, std::uint32_t ifindex) {
  if (ifindex == 0) return {};
  const auto it = names.find(ifindex);
  return it == names.end() ? std::to_string(ifindex) : it->second;
}

class Netif {
 public:
  static constexpr const char* name = "netif";
  static constexpr const char* version = TALLYMAN_VERSION;
  // In the order of kCounterFields.
  static constexpr tm_metric metrics[] = {
      metric("netif_receive_bytes_total", "bytes", "Bytes received, without the frame check"),
      metric("netif_transmit_bytes_total", "bytes", "Bytes sent, without the frame check"),
      metric("netif_receive_packets_total", "packets", "Packets received"),
      metric("netif_transmit_packets_total", "packets", "Packets sent"),
      metric("netif_receive_errors_total", "packets", "Packets received with errors"),
      metric("netif_transmit_errors_total", "packets", "Packets that could not be sent"),
      metric("netif_receive_drops_total", "packets", "Packets received and dropped"),
      metric("netif_transmit_drops_total", "packets", "Packets dropped instead of sent")};
  static_assert(std::size(metrics) == netif::kCounterFields.size());

  static constexpr tm_option options[] = {
      option("include", "*", "Globs: interfaces whose name matches one of them are metered"),
      option("exclude", "lo", "Globs: of those, interfaces that match one of these are not")};
  static constexpr tm_needs needs =
      needing({.network = true, .paths = list<"/proc/sys/kernel/random/boot_id">});
  static constexpr std::uint32_t state_version = netif::kStateVersion;

  explicit Netif(Host host)
      : include_(host.options("include")),
        exclude_(host.options("exclude")),
        netns_(std::to_string(kernel_.netns_inode())),
        state_(netif::first_state(std::nullopt, kernel_.place(), netif::boot_wall())) {}

  void poll(Poll& poll) {
    netif::Observation seen = kernel_.observe(poll.scheduled(), poll.deadline());
    for (Link& link : seen.links) link.wanted = wanted(link.name);
    for (netif::LinkEvent& event : seen.events) event.link.wanted = wanted(event.link.name);
    netif::Step step = netif::advance(state_, seen);
    Names names;
    for (const Link& link : seen.links) names.emplace(link.ifindex, link.name);
    for (const Sample& sample : step.samples) emit(poll, sample, names);
    std::erase_if(speeds_, [&](const auto& entry) { return !names.contains(entry.first); });
    state_ = std::move(step.next);
    kernel_.accept();
  }

  void save(StateWriter& out) const {
    const auto bytes = netif::encode_state(state_);
    if (const auto* fault = std::get_if<netif::Fault>(&bytes)) throw Broken(fault->what);
    out.write(std::as_bytes(std::span(std::get<0>(bytes))));
  }

  void restore(std::uint32_t from_version, std::span<const std::byte> bytes) {
    const auto state = netif::decode_state(
        from_version, {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    if (const auto* fault = std::get_if<netif::Fault>(&state)) throw BadState(fault->what);
    state_ = netif::first_state(std::get<netif::State>(state), kernel_.place(), netif::boot_wall());
  }

 private:
  /// An interface's speed, asked anew when its carrier came or went, or it has another name.
  struct Speed {
    std::uint32_t carrier_changes = 0;
    std::string name, text;
  };

  [[nodiscard]] bool wanted(const std::string& interface) const {
    return matches(include_, interface) && !matches(exclude_, interface);
  }

  void emit(Poll& poll, const Sample& sample, const Names& names) {
    const Link& link = sample.link;
    const std::string ifindex = std::to_string(link.ifindex);
    const std::string master = name_of(names, link.master);
    const std::string below = link.below_is_foreign ? "" : name_of(names, link.below);
    const std::uint64_t life =
        epoch(std::string_view(reinterpret_cast<const char*>(state_.place.boot.data()),
                               state_.place.boot.size()),
              state_.place.netns, link.ifindex, sample.life.creation);
    const std::string& link_speed = speed(link, !names.contains(link.ifindex));
    for (std::uint32_t i = 0; i < std::size(metrics); ++i) {
      if (!sample.told[i]) continue;
      poll.emit({.metric = i,
                 .value = link.counters.*netif::kCounterFields[i],
                 .epoch = life,
                 .start = sample.life.start(),
                 .time = sample.time,
                 .identity = {netns_, ifindex},
                 .info = {link.name, link.alias, link.kind, master, below, link.mac, link_speed}});
    }
  }

  /// Of an interface that is gone: as it was last known.
  const std::string& speed(const Link& link, bool gone) {
    Speed& known = speeds_[link.ifindex];
    if (!gone && (known.name != link.name || known.carrier_changes != link.carrier_changes)) {
      known = {link.carrier_changes, link.name, kernel_.speed(link.name)};
    }
    return known.text;
  }

  netif::Rtnetlink kernel_;
  std::vector<std::string> include_, exclude_;
  std::string netns_;
  netif::State state_;
  std::map<std::uint32_t, Speed> speeds_;
};

}  // namespace

TALLYMAN_PLUGIN(Netif);
