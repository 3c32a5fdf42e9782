// nfs: what an NFS server of this host moves and holds: NFS-Ganesha over D-Bus, the kernel's nfsd
// from its files, and the bytes stored in their exports.
//
// The pure parts decide: ganesha_answers.hpp and nfsd_files.hpp (answers and files → values),
// book.hpp (which counters are still the same). bus.hpp asks Ganesha, helpers.hpp looks at folders.
// What is left here is the order of things.

#include <algorithm>
#include <ctime>
#include <iterator>
#include <set>

#include "bus.hpp"
#include "ganesha_part.hpp"
#include "nfsd_part.hpp"
#include "options.hpp"
#include "outlet.hpp"
#include "stored_part.hpp"

namespace {

using namespace tallyman::plugin;
using namespace nfs;

constexpr std::int64_t kSecond = 1'000'000'000;

constexpr auto kExportIdentity = labels<"export_id", "version">;
constexpr auto kExportInfo = labels<"path", "pseudo", "tag">;
constexpr auto kClientIdentity = labels<"client", "version">;
constexpr auto kKernelIdentity = labels<"path", "client">;
constexpr auto kStoredIdentity = labels<"export">;
constexpr auto kStoredInfo = labels<"path", "method">;

constexpr tm_metric of_export(const char* name, const char* unit, const char* help) {
  return counter(name, unit, help, kExportIdentity, kExportInfo);
}
constexpr tm_metric of_client(const char* name, const char* unit, const char* help) {
  return counter(name, unit, help, kClientIdentity);
}

/// Which back ends were ever found, in State::found.
constexpr std::uint8_t kFoundGanesha = 1, kFoundKernel = 2;
/// The books, in the order of State::books.
enum BookOf : std::size_t { kOfExports, kOfClients };
/// Entries of the kernel's: per export and client.
constexpr std::size_t kMaxEntries = 10'000;

std::int64_t now_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

class Nfs {
 public:
  static constexpr const char* name = "nfs";
  static constexpr const char* version = TALLYMAN_VERSION;
  // In the order of nfs::Metric.
  static constexpr tm_metric metrics[] = {
      of_export("nfs_read_bytes_total", "bytes", "Bytes read from an export of Ganesha"),
      of_export("nfs_written_bytes_total", "bytes", "Bytes written to an export of Ganesha"),
      of_export("nfs_read_operations_total", "operations", "Reads of an export of Ganesha"),
      of_export("nfs_write_operations_total", "operations", "Writes to an export of Ganesha"),
      of_client("nfs_client_read_bytes_total", "bytes", "Bytes that a client read of Ganesha"),
      of_client("nfs_client_written_bytes_total", "bytes", "Bytes that a client wrote to Ganesha"),
      of_client("nfs_client_read_operations_total", "operations", "Reads by a client of Ganesha"),
      of_client("nfs_client_write_operations_total", "operations", "Writes by a client of Ganesha"),
      counter("nfsd_read_bytes_total", "bytes", "Bytes read from an export of the kernel",
              kKernelIdentity),
      counter("nfsd_written_bytes_total", "bytes", "Bytes written to an export of the kernel",
              kKernelIdentity),
      counter("nfsd_server_read_bytes_total", "bytes", "Bytes read from the kernel's server"),
      counter("nfsd_server_written_bytes_total", "bytes", "Bytes written to the kernel's server"),
      gauge("nfsd_clients", "clients", "NFSv4 clients of the kernel's server"),
      gauge("nfs_stored_bytes", "bytes", "Bytes stored in an export", kStoredIdentity,
            kStoredInfo)};
  static_assert(std::size(metrics) == kMetrics);

  static constexpr tm_option options[] = {
      option("backends", "", "Which of ganesha, nfsd; none = what is found"),
      option("ganesha.bus", "/run/dbus/system_bus_socket", "Socket of the bus that Ganesha is on"),
      option("ganesha.name", "org.ganesha.nfsd", "Ganesha's name on it"),
      option("ganesha.clients", "false", "Whether its traffic is told by client, too"),
      option("nfsd.folder", "/proc/fs/nfsd", "Where the kernel's nfsd file system is mounted"),
      option("nfsd.server", "/proc/self/net/rpc/nfsd", "Its figures for the whole server"),
      option("stored.measure", "true", "Whether stored bytes are told"),
      option("stored.roots", "", "Folders that hold exports on btrfs or with project quotas"),
      option("stored.places", "", "Where an export is on this host, each: EXPORT=/path"),
      option("stored.btrfs", "/sys/fs/btrfs", "Where btrfs tells of its qgroups"),
      option("stored.patience", "2", "Seconds that one file system may take to answer")};
  static constexpr tm_needs needs =
      needing({.paths = list<"+@ganesha.bus", "@nfsd.folder", "@nfsd.server",
                             "/proc/sys/kernel/random/boot_id", "@stored.roots", "@stored.btrfs">});
  static constexpr std::uint32_t state_version = kStateVersion;

  explicit Nfs(Host host)
      : host_(host),
        options_(read_options(host)),
        stored_(host, options_.btrfs, options_.patience) {}

  void poll(Poll& poll) {
    const bool ask = options_.ganesha != Use::never;
    look_for(state_, {ask, ask && options_.clients, options_.kernel != Use::never},
             poll.scheduled());
    State next = state_;
    Outlet out(poll);
    std::vector<Place> places;
    const bool ganesha = poll_ganesha(out, next, places, share_of(poll.deadline(), 50));
    const bool kernel = poll_kernel(out, next, places);
    if (!ganesha && !kernel) {
      throw RetryLater("no NFS server here: no " + options_.name + " on the bus at " +
                       options_.bus + ", no " + options_.kernel_paths.folder + "/export_stats");
    }
    if (options_.stored) stored_.tell(out, places, next.shared, share_of(poll.deadline(), 80));
    state_ = std::move(next);
  }

  void save(StateWriter& out) const {
    const auto bytes = encode_state(state_);
    if (const auto* fault = std::get_if<Fault>(&bytes)) throw Broken(fault->what);
    out.write(std::get<std::string>(bytes));
  }

  void restore(std::uint32_t from_version, std::span<const std::byte> bytes) {
    auto state =
        decode_state(from_version, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (const auto* fault = std::get_if<Fault>(&state)) throw BadState(fault->what);
    state_ = std::get<State>(std::move(state));
  }

 private:
  /// So much of what is left until the deadline.
  static std::chrono::steady_clock::time_point share_of(std::int64_t deadline, int percent) {
    const std::int64_t left = std::max<std::int64_t>(deadline - now_of(CLOCK_BOOTTIME), 0);
    return std::chrono::steady_clock::now() + std::chrono::nanoseconds(left / 100 * percent);
  }

  static std::vector<Life> turn(Book& book, const std::vector<Sighting>& seen,
                                std::int64_t scheduled) {
    Step step = advance(std::move(book), seen, scheduled);
    book = std::move(step.next);
    return std::move(step.lives);
  }

  /// False when there is none, and none was ever found nor asked for.
  bool poll_ganesha(Outlet& out, State& next, std::vector<Place>& places,
                    std::chrono::steady_clock::time_point until) {
    if (options_.ganesha == Use::never) return false;
    Bus bus(options_.bus, options_.name, until);
    auto answer = read_ganesha(bus, options_.clients);
    const bool wanted = options_.ganesha == Use::always || (state_.found & kFoundGanesha) != 0;
    const auto* failure = std::get_if<Failure>(&answer);
    if (failure != nullptr && failure->kind == Failure::absent && !wanted) return false;
    const std::uint32_t source = host_.host_source(
        options_.name == "org.ganesha.nfsd" ? "ganesha" : "ganesha:" + options_.name);
    if (failure != nullptr) {
      out.gap("Ganesha: " + failure->why, source);
      return true;
    }
    const auto& snapshot = std::get<Snapshot>(answer);
    if (snapshot.exports.size() > kMaxThings) {
      out.gap("Ganesha has more than " + std::to_string(kMaxThings) + " exports", source);
      return true;
    }
    next.found |= kFoundGanesha;
    tell_exports(out, snapshot,
                 turn(next.books[kOfExports], sightings(snapshot.exports, snapshot.since, true),
                      out.scheduled()),
                 source);
    if (options_.clients) tell_clients_within(out, next, snapshot, source);
    for (const Seen& seen : snapshot.exports) {
      // The export 0 of "/" is Ganesha's own, to hold the others.
      const bool inner = seen.listed.id == 0 && seen.paths.full == "/";
      if (!inner) add_place(places, source, std::to_string(seen.listed.id), seen.paths.full);
    }
    return true;
  }

  static void tell_clients_within(Outlet& out, State& next, const Snapshot& snapshot,
                                  std::uint32_t source) {
    std::string why = snapshot.no_clients;
    if (snapshot.exports.size() + snapshot.clients.size() > kMaxThings) {
      why = "Ganesha has too many clients: ganesha.clients = false";
    }
    if (!why.empty()) {
      for (const Metric metric :
           {kClientReadBytes, kClientWrittenBytes, kClientReadOperations, kClientWriteOperations}) {
        out.gap(metric, {}, why, source);
      }
      return;
    }
    tell_clients(out, snapshot,
                 turn(next.books[kOfClients], sightings(snapshot.clients, snapshot.since, false),
                      out.scheduled()),
                 source);
  }

  bool poll_kernel(Outlet& out, State& next, std::vector<Place>& places) {
    if (options_.kernel == Use::never) return false;
    const bool wanted = options_.kernel == Use::always || (state_.found & kFoundKernel) != 0;
    if (!wanted && !has_kernel_server(options_.kernel_paths)) return false;
    const std::uint32_t source = host_.host_source("nfsd");
    const std::int64_t booted = now_of(CLOCK_REALTIME) - now_of(CLOCK_MONOTONIC);
    const auto read = read_kernel(options_.kernel_paths, booted);
    if (const auto* fault = std::get_if<Fault>(&read)) {
      out.gap("nfsd: " + fault->what, source);
      return true;
    }
    const auto& snapshot = std::get<KernelSnapshot>(read);
    if (snapshot.exports.size() > kMaxEntries) {
      out.gap("nfsd has more than " + std::to_string(kMaxEntries) + " entries of exports", source);
      return true;
    }
    next.found |= kFoundKernel;
    note_boot(next.kernel, snapshot);
    tell_kernel(out, snapshot, next.kernel, source);
    std::set<std::string> told;
    for (const KernelExport& one : snapshot.exports) {
      // "/" is where the kernel's NFSv4 begins, whatever is exported.
      if (one.path != "/" && told.insert(one.path).second) {
        add_place(places, source, one.path, one.path);
      }
    }
    return true;
  }

  void add_place(std::vector<Place>& places, std::uint32_t source, const std::string& export_name,
                 const std::string& path) const {
    const auto elsewhere = options_.places.find(export_name);
    const bool named = elsewhere != options_.places.end();
    const std::string& at = named ? elsewhere->second : path;
    if (at.starts_with('/')) places.push_back({source, export_name, at, named});
  }

  const Host host_;
  const Options options_;
  StoredPart stored_;
  State state_;
};

}  // namespace

TALLYMAN_PLUGIN(Nfs);
