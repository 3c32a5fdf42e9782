#pragma once
// Pools and images of a cluster, from whichever of its mgrs is active. Owned by the plugin; the
// host's thread.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "http.hpp"
#include "metrics.hpp"
#include "mgr_book.hpp"

namespace ceph {

struct MgrOptions {
  std::vector<std::string> endpoints;
  std::optional<std::uint32_t> pools, images;  ///< their sources, when they are wanted
  std::int64_t scrape = 0;                     ///< nanoseconds
};

class MgrPart {
 public:
  explicit MgrPart(MgrOptions options);

  /// The one request of a poll.
  [[nodiscard]] HttpRequest request() const;
  void take(const HttpAnswer& answer, Outlet& out, MgrState& state);

 private:
  void all_unknown(Outlet& out, const std::string& why) const;
  /// Why an answer is not to be believed: it has been the same for too long; "" when it is.
  std::string stale(const MgrMetrics& metrics, const std::string& endpoint, std::int64_t now);
  /// All is unknown, and another endpoint is asked first at the next poll.
  void leave(const std::string& endpoint, Outlet& out, const std::string& why);
  void prefer(const std::string& endpoint);
  void learn_capacity(const MgrMetrics& metrics);
  void tell(Outlet& out, const PoolTold& pool) const;
  void tell(Outlet& out, const ImageTold& image) const;

  MgrOptions options_;
  struct Looks {
    std::uint64_t collections = 0;  ///< of the last answer
    std::int64_t changed = 0;       ///< when it was first seen, nanoseconds
  };
  std::map<std::string, Looks> looks_;  ///< by endpoint
  /// What no pool can take up more than: the cluster's bytes, rounded up to a power of two, as that
  /// seldom changes; "" = not known yet.
  std::string capacity_;
};

}  // namespace ceph
