#pragma once
// The kernel's side of netif: one socket for dumps, one that has listened to RTNLGRP_LINK since it
// was opened. Owned by the plugin, used on its one thread. Failures are thrown as RetryLater.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "link_dump.hpp"
#include "tracker.hpp"

namespace netif {

/// A descriptor, closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

class Rtnetlink {
 public:
  Rtnetlink();

  /// Boot id, and the namespace's cookie, which unlike its inode is never used twice in a boot (the
  /// inode where the kernel has no cookies).
  [[nodiscard]] const Place& place() const { return place_; }
  /// Inode number of the network namespace.
  [[nodiscard]] std::uint64_t netns_inode() const { return inode_; }

  /// What happened since the last accepted observation, and all interfaces as they are now.
  /// `deadline`: boot clock, ns. Throws when it cannot be told before it; nothing is lost by that.
  [[nodiscard]] Observation observe(std::int64_t scheduled, std::int64_t deadline);
  /// The observation's poll was good: its events are done with.
  void accept();

  /// Mbit/s, as the driver says; empty when it does not know.
  [[nodiscard]] std::string speed(const std::string& name) const;

 private:
  bool drain(std::int64_t deadline);
  std::vector<Link> dump(std::int64_t deadline);
  std::optional<std::vector<Link>> dump_once(std::int64_t deadline);
  void request_dump();
  std::span<const std::uint8_t> receive_answer(std::int64_t deadline);

  Descriptor dumps_, events_;
  Place place_;
  std::uint64_t inode_ = 0;
  std::uint32_t sequence_ = 0;
  std::unique_ptr<std::uint8_t[]> memory_;  ///< only what datagrams were long is ever touched
  std::span<std::uint8_t> buffer_;          ///< all of it
  std::vector<LinkEvent> pending_;          ///< since the last accepted observation
  bool complete_ = false;                   ///< pending_ lacks nothing
};

/// CLOCK_REALTIME at which this kernel began to run, and CLOCK_BOOTTIME now; nanoseconds.
[[nodiscard]] std::int64_t boot_wall();
[[nodiscard]] std::int64_t boot_now();

}  // namespace netif
