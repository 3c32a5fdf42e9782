#pragma once
// The bytes that exports hold, and how they are told. Owned by the plugin; the host's thread.

#include <cstdint>
#include <string>
#include <vector>

#include "book.hpp"
#include "helpers.hpp"
#include "outlet.hpp"

namespace nfs {

/// An export, and where it lies on this host.
struct Place {
  std::uint32_t source = 0;
  std::string name;  ///< the label `export`: Ganesha's id, the kernel's path
  std::string path;
  bool named = false;  ///< by stored.places
};

class StoredPart {
 public:
  StoredPart(tallyman::plugin::Host host, std::string btrfs, std::chrono::milliseconds patience);

  /// Looks at all of them, each path once, and tells; by `until`. Notes in `shared` which are on a
  /// CephFS.
  void tell(Outlet& out, const std::vector<Place>& places, SharedFolders& shared,
            Helpers::Time until);

 private:
  /// A series: what is shared by hosts is named by what it is, not by who exports it.
  struct Series {
    std::uint32_t source = 0;
    std::string name;
    friend auto operator<=>(const Series&, const Series&) = default;
  };
  [[nodiscard]] std::vector<Measured> look(const std::vector<Place>& places, Helpers::Time until);
  [[nodiscard]] Series series_of(const Place& place, const Measured& measured,
                                 const SharedFolders& shared) const;

  const tallyman::plugin::Host host_;
  const std::string btrfs_;
  Helpers helpers_;
};

}  // namespace nfs
