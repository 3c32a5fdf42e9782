#include "stored_part.hpp"

#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <tallyman/epoch.hpp>
#include <utility>

namespace nfs {

using tallyman::plugin::epoch;

StoredPart::StoredPart(tallyman::plugin::Host host, std::string btrfs,
                       std::chrono::milliseconds patience)
    : host_(host),
      btrfs_(std::move(btrfs)),
      helpers_({.at_once = 4, .stuck = 8, .each = patience}) {}

/// What is shared by hosts is a series of the cluster's; what the state knows is so also while the
/// folder does not answer.
StoredPart::Series StoredPart::series_of(const Place& place, const Measured& measured,
                                         const SharedFolders& shared) const {
  const auto* stored = std::get_if<Stored>(&measured);
  if (stored != nullptr && !stored->cluster.empty()) {
    return {host_.shared_source("cephfs:" + stored->cluster), stored->folder};
  }
  const auto known = shared.find(epoch(place.path));
  if (known == shared.end()) return {place.source, place.name};
  return {host_.shared_source("cephfs:" + known->second.cluster), known->second.folder};
}

/// One measure a place, each path looked at once.
std::vector<Measured> StoredPart::look(const std::vector<Place>& places, Helpers::Time until) {
  std::map<std::string, std::size_t> index;
  std::vector<std::string> paths;
  std::set<std::string> named;
  for (const Place& place : places) {
    if (index.emplace(place.path, paths.size()).second) paths.push_back(place.path);
    if (place.named) named.insert(place.path);
  }
  std::ifstream mounts("/proc/self/mountinfo");
  Surroundings around{false, {std::istreambuf_iterator<char>(mounts), {}}, btrfs_};
  const auto measures = helpers_.run(
      paths,
      [&](const std::string& path) {
        around.named = named.contains(path);
        return measure(path, around);
      },
      until);
  std::vector<Measured> out;
  for (const Place& place : places) out.push_back(measures[index.at(place.path)]);
  return out;
}

namespace {

void note(SharedFolders& shared, const std::string& path, const Measured& measured) {
  const auto* stored = std::get_if<Stored>(&measured);
  if (stored == nullptr) return;
  const std::uint64_t key = epoch(path);
  if (stored->cluster.empty()) {
    shared.erase(key);
  } else if (shared.size() < kMaxShared && stored->cluster.size() <= kLongestShared &&
             stored->folder.size() <= kLongestShared) {
    shared.insert_or_assign(key, SharedFolder{stored->cluster, stored->folder});
  }
}

/// The same file system at two places would be told twice.
void refuse_doubles(const std::vector<Place>& places, std::vector<Measured>& measures) {
  std::map<std::string, std::set<std::string>> by_device;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto* stored = std::get_if<Stored>(&measures[i]);
    if (stored != nullptr && !stored->device.empty()) {
      by_device[stored->device].insert(places[i].path);
    }
  }
  for (Measured& measured : measures) {
    const auto* stored = std::get_if<Stored>(&measured);
    if (stored == nullptr || stored->device.empty()) continue;
    const auto& paths = by_device.at(stored->device);
    if (paths.size() < 2) continue;
    measured = Fault{"one file system at " + *paths.begin() + " and " + *paths.rbegin() +
                     ": name one of them for both in stored.places"};
  }
}

}  // namespace

void StoredPart::tell(Outlet& out, const std::vector<Place>& places, SharedFolders& shared,
                      Helpers::Time until) {
  std::vector<Measured> measures = look(places, until);
  refuse_doubles(places, measures);
  std::set<Series> told;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Place& place = places[i];
    note(shared, place.path, measures[i]);
    const Series series = series_of(place, measures[i], shared);
    if (!told.insert(series).second) continue;
    if (const auto* stored = std::get_if<Stored>(&measures[i])) {
      out.emit({.metric = kStoredBytes,
                .value = stored->bytes,
                .identity = {series.name},
                .info = {place.path, stored->method},
                .source = series.source});
    } else {
      out.gap(kStoredBytes, {series.name}, place.path + ": " + std::get<Fault>(measures[i]).what,
              series.source);
    }
  }
}

}  // namespace nfs
