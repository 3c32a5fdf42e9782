#include "ganesha_part.hpp"

#include <tallyman/epoch.hpp>
#include <utility>

namespace nfs {
namespace {

using tallyman::plugin::epoch;

constexpr const char* kExports = "/org/ganesha/nfsd/ExportMgr";
constexpr const char* kExportManager = "org.ganesha.nfsd.exportmgr";
constexpr const char* kExportStatistics = "org.ganesha.nfsd.exportstats";
constexpr const char* kClients = "/org/ganesha/nfsd/ClientMgr";
constexpr const char* kClientManager = "org.ganesha.nfsd.clientmgr";
constexpr const char* kClientStatistics = "org.ganesha.nfsd.clientstats";

constexpr int kTries = 3;

/// One try at a snapshot. Lives only inside read_ganesha(); after a failure it is of no further
/// use.
class Reading {
 public:
  explicit Reading(Caller& caller) : caller_(caller) {}

  bool run(bool clients) {
    const auto before = statistics();
    if (!before) return false;
    out_.since = before->since;
    auto exports = asked({kExports, kExportManager, "ShowExports"}, decode_exports);
    if (!exports) return false;
    for (Listed& listed : *exports) {
      if (!take_export(std::move(listed))) return false;
    }
    if (clients && !take_clients()) {
      if (again_) return false;
      // Exports are told without them.
      out_.clients.clear();
      out_.no_clients = failure_.why;
    }
    const auto after = statistics();
    if (!after) return false;
    if (after->since != out_.since) return began_anew();
    return true;
  }
  [[nodiscard]] bool again() const { return again_; }
  [[nodiscard]] Failure failure() const { return failure_; }
  Snapshot take() { return std::move(out_); }

 private:
  bool fail(Failure failure) {
    failure_ = std::move(failure);
    return false;
  }
  bool began_anew() {
    again_ = true;
    return fail({Failure::failed, "it was restarted again and again while it was asked"});
  }

  /// The decoded answer; nothing when there is none, with the reason noted.
  template <typename T>
  std::optional<T> asked(const Call& call, std::variant<T, Fault> (*decode)(const Values&)) {
    auto answer = caller_.call(call);
    if (auto* failure = std::get_if<Failure>(&answer)) {
      fail(std::move(*failure));
      return {};
    }
    auto decoded = decode(std::get<Values>(answer));
    if (auto* fault = std::get_if<Fault>(&decoded)) {
      fail({Failure::failed, std::string(call.method) + ": " + fault->what});
      return {};
    }
    return std::get<T>(std::move(decoded));
  }

  std::optional<Statistics> statistics() {
    auto state = asked({kExports, kExportStatistics, "StatusStats"}, decode_statistics);
    if (state && !state->on) {
      fail({Failure::failed,
            "it keeps no statistics: Enable_NFS_Stats = true in NFS_CORE_PARAM, or ganesha_stats "
            "enable nfs"});
      return {};
    }
    return state;
  }

  /// False when it failed; an export that has gone meanwhile is left out.
  bool take_export(Listed listed) {
    Seen seen{std::move(listed), {}, {}};
    const std::uint16_t id = seen.listed.id;
    auto paths = caller_.call({kExports, kExportManager, "DisplayExport", id});
    if (const auto* values = std::get_if<Values>(&paths)) {
      auto decoded = decode_paths(*values);
      if (auto* fault = std::get_if<Fault>(&decoded)) return fail({Failure::failed, fault->what});
      seen.paths = std::get<ExportPaths>(std::move(decoded));
    } else if (auto& failure = std::get<Failure>(paths); failure.kind != Failure::unknown) {
      // Customers may be known by the path: one that is not told is no reason to lose them.
      return fail(std::move(failure));
    } else if (says_gone(failure.why)) {
      return true;
    }
    bool there = true;
    const auto ask = [&](const char* method) {
      return Call{kExports, kExportStatistics, method, id};
    };
    if (!take_traffic(seen, ask, there)) return false;
    if (there) out_.exports.push_back(std::move(seen));
    return true;
  }

  bool take_clients() {
    auto clients = asked({kClients, kClientManager, "ShowClients"}, decode_clients);
    if (!clients) return false;
    for (Listed& listed : *clients) {
      Seen seen{std::move(listed), {}, {}};
      bool there = true;
      const auto ask = [&](const char* method) {
        return Call{kClients, kClientStatistics, method, seen.listed.name};
      };
      if (!take_traffic(seen, ask, there)) return false;
      if (there) out_.clients.push_back(std::move(seen));
    }
    return true;
  }

  /// Of each version that has been active; the others are zero, known.
  template <typename Ask>
  bool take_traffic(Seen& seen, Ask ask, bool& there) {
    for (std::size_t v = 0; v < kVersions && there; ++v) {
      if (!seen.listed.active[v]) continue;
      const Call call = ask(kVersionNames[v].method);
      auto answer = caller_.call(call);
      if (auto* failure = std::get_if<Failure>(&answer)) {
        // A server that does not know of this version has never served it.
        if (failure->kind == Failure::unknown && seen.listed.unnamed[v]) continue;
        return fail(std::move(*failure));
      }
      const IoAnswer io = decode_io(std::get<Values>(answer));
      if (const auto* fault = std::get_if<Fault>(&io)) {
        return fail({Failure::failed,
                     std::string(call.method) + " of " + seen.listed.name + ": " + fault->what});
      }
      if (std::holds_alternative<NotThere>(io)) there = false;
      if (const auto* counted = std::get_if<Counted>(&io)) {
        if (counted->since != out_.since) return began_anew();
        seen.traffic[v] = counted->traffic;
      }
    }
    return true;
  }

  Caller& caller_;
  Snapshot out_;
  Failure failure_;
  bool again_ = false;
};

/// The fields of Traffic, in the order of the metrics and of a book's counters.
constexpr std::uint64_t Traffic::*kFields[] = {&Traffic::read_bytes, &Traffic::written_bytes,
                                               &Traffic::read_operations,
                                               &Traffic::write_operations};
constexpr std::size_t kFieldCount = std::size(kFields);
static_assert(kFieldCount * kVersions <= kCounters);

/// As it is kept in the state: the eight bytes of a hash.
std::string short_key(const std::string& name) {
  const std::uint64_t hash = epoch(name);
  return {reinterpret_cast<const char*>(&hash), sizeof hash};
}

}  // namespace

std::variant<Snapshot, Failure> read_ganesha(Caller& caller, bool clients) {
  for (int tries = 1;; ++tries) {
    Reading reading(caller);
    if (reading.run(clients)) return reading.take();
    if (!reading.again() || tries == kTries) return reading.failure();
  }
}

std::vector<Sighting> sightings(const std::vector<Seen>& seen, std::int64_t since, bool exports) {
  std::vector<Sighting> out;
  out.reserve(seen.size());
  for (const Seen& one : seen) {
    Sighting sighting;
    sighting.key = exports ? std::to_string(one.listed.id) : short_key(one.listed.name);
    sighting.thing = one.paths.full.empty() ? 0 : epoch(one.paths.full);
    sighting.statistics = static_cast<std::uint64_t>(since);
    sighting.began = since;
    for (std::size_t v = 0; v < kVersions; ++v) {
      for (std::size_t f = 0; f < kFieldCount; ++f) {
        sighting.counters[v * kFieldCount + f] = one.traffic[v].*kFields[f];
      }
    }
    out.push_back(std::move(sighting));
  }
  return out;
}

void tell_exports(Outlet& out, const Snapshot& snapshot, const std::vector<Life>& lives,
                  std::uint32_t source) {
  for (std::size_t i = 0; i < snapshot.exports.size(); ++i) {
    const Seen& seen = snapshot.exports[i];
    const Life& life = lives[i];
    const std::string id = std::to_string(seen.listed.id);
    const std::string& path = seen.paths.full.empty() ? seen.listed.name : seen.paths.full;
    const std::uint64_t counter = epoch("export", id, snapshot.since, life.birth, life.from_zero);
    for (std::size_t v = 0; v < kVersions; ++v) {
      for (std::size_t f = 0; f < kFieldCount; ++f) {
        out.emit({.metric = kReadBytes + static_cast<std::uint32_t>(f),
                  .value = seen.traffic[v].*kFields[f],
                  .epoch = counter,
                  .start = life.start(),
                  .identity = {id, kVersionNames[v].label},
                  .info = {path, seen.paths.pseudo, seen.paths.tag},
                  .source = source});
      }
    }
  }
}

void tell_clients(Outlet& out, const Snapshot& snapshot, const std::vector<Life>& lives,
                  std::uint32_t source) {
  for (std::size_t i = 0; i < snapshot.clients.size(); ++i) {
    const Seen& seen = snapshot.clients[i];
    const Life& life = lives[i];
    const std::string& address = seen.listed.name;
    const std::uint64_t counter =
        epoch("client", address, snapshot.since, life.birth, life.from_zero);
    for (std::size_t v = 0; v < kVersions; ++v) {
      for (std::size_t f = 0; f < kFieldCount; ++f) {
        out.emit({.metric = kClientReadBytes + static_cast<std::uint32_t>(f),
                  .value = seen.traffic[v].*kFields[f],
                  .epoch = counter,
                  .start = life.start(),
                  .identity = {address, kVersionNames[v].label},
                  .source = source});
      }
    }
  }
}

}  // namespace nfs
