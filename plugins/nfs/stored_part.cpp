#include "stored_part.hpp"

#include <fstream>
#include <iterator>
#include <utility>

namespace nfs {

StoredPart::StoredPart(tallyman::plugin::Host host, std::string btrfs,
                       std::chrono::milliseconds patience)
    : host_(host),
      btrfs_(std::move(btrfs)),
      helpers_({.at_once = 4, .stuck = 8, .each = patience}) {}

StoredPart::Series StoredPart::series_of(const Place& place, const Stored& stored) const {
  if (stored.cluster.empty()) return {place.source, place.name};
  return {host_.shared_source("cephfs:" + stored.cluster), "inode " + stored.inode};
}

void StoredPart::tell(Outlet& out, const std::vector<Place>& places, Helpers::Time until) {
  std::map<std::string, std::size_t> index;
  std::vector<std::string> paths;
  for (const Place& place : places) {
    if (index.emplace(place.path, paths.size()).second) paths.push_back(place.path);
  }
  std::ifstream mounts("/proc/self/mountinfo");
  const Surroundings around{{std::istreambuf_iterator<char>(mounts), {}}, btrfs_};
  const std::vector<Measured> measures = helpers_.run(
      paths, [&](const std::string& path) { return measure(path, around); }, until);
  std::set<Series> told;
  for (const Place& place : places) {
    const Measured& measured = measures[index.at(place.path)];
    if (const auto* stored = std::get_if<Stored>(&measured)) {
      const Series series = series_of(place, *stored);
      if (!stored->cluster.empty()) shared_.insert_or_assign(place.path, series);
      if (!told.insert(series).second) continue;
      out.emit({.metric = kStoredBytes,
                .value = stored->bytes,
                .identity = {series.name},
                .info = {place.path, stored->method},
                .source = series.source});
    } else {
      const auto known = shared_.find(place.path);
      const Series series =
          known != shared_.end() ? known->second : Series{place.source, place.name};
      if (!told.insert(series).second) continue;
      out.gap(kStoredBytes, {series.name}, place.path + ": " + std::get<Fault>(measured).what,
              series.source);
    }
  }
}

}  // namespace nfs
