#include "nfsd_part.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <tallyman/epoch.hpp>
#include <utility>

namespace nfs {
namespace {

using tallyman::plugin::epoch;
namespace fs = std::filesystem;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kMaxFile = 16U << 20U;

/// All of a file of /proc, whose size is not told; a fault when it cannot be read or is too large.
std::variant<std::string, Fault> slurp(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Fault{path + ": " + std::strerror(errno)};
  std::string text;
  std::string part(64U << 10U, '\0');
  ssize_t got = 0;
  while (text.size() <= kMaxFile) {
    got = read(fd, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(part, 0, static_cast<std::size_t>(got));
  }
  const int error = got < 0 ? errno : 0;
  close(fd);
  if (error != 0) return Fault{path + ": " + std::strerror(error)};
  if (text.size() > kMaxFile) return Fault{path + ": too large"};
  return text;
}

bool is_number(const std::string& name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

/// How many NFSv4 clients there are; nothing when this kernel does not tell, or not us.
std::optional<std::size_t> count_clients(const std::string& folder) {
  std::error_code error;
  std::size_t count = 0;
  fs::directory_iterator it(folder + "/clients", error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    if (is_number(it->path().filename().string())) ++count;
  }
  if (error) return {};
  return count;
}

std::uint64_t statistics_of(const KernelSnapshot& snapshot, const KernelExport& one) {
  return epoch(snapshot.boot, one.began);
}

/// Short, as it is kept in the state: the eight bytes of a hash.
std::string key_of(const KernelExport& one) {
  const std::uint64_t hash = epoch(one.path, one.client);
  return {reinterpret_cast<const char*>(&hash), sizeof hash};
}

}  // namespace

bool has_kernel_server(const KernelPaths& paths) {
  return !paths.folder.empty() && access((paths.folder + "/export_stats").c_str(), F_OK) == 0;
}

std::variant<KernelSnapshot, Fault> read_kernel(const KernelPaths& paths, std::int64_t booted) {
  KernelSnapshot out;
  out.booted = booted;
  auto boot = slurp(paths.boot);
  if (auto* fault = std::get_if<Fault>(&boot)) return std::move(*fault);
  out.boot = std::get<std::string>(std::move(boot));
  auto text = slurp(paths.folder + "/export_stats");
  if (auto* fault = std::get_if<Fault>(&text)) return std::move(*fault);
  auto exports = parse_export_stats(std::get<std::string>(text));
  if (auto* fault = std::get_if<Fault>(&exports)) {
    return Fault{paths.folder + "/export_stats: " + fault->what};
  }
  out.exports = newest_of(std::get<std::vector<KernelExport>>(std::move(exports)));
  if (!paths.server.empty()) {
    auto server = slurp(paths.server);
    if (auto* fault = std::get_if<Fault>(&server)) return std::move(*fault);
    auto parsed = parse_rpc_nfsd(std::get<std::string>(server));
    if (auto* fault = std::get_if<Fault>(&parsed)) return Fault{paths.server + ": " + fault->what};
    out.server = std::get<KernelServer>(parsed);
  }
  out.clients = count_clients(paths.folder);
  return out;
}

std::vector<Sighting> export_sightings(const KernelSnapshot& snapshot) {
  std::vector<Sighting> out;
  out.reserve(snapshot.exports.size());
  for (const KernelExport& one : snapshot.exports) {
    Sighting sighting;
    sighting.key = key_of(one);
    sighting.statistics = statistics_of(snapshot, one);
    // Of a clock in whole seconds, so it may be up to a second early: then it was not there yet.
    constexpr std::uint64_t kMost = std::uint64_t{1} << 32U;
    if (one.began < kMost) {
      sighting.began = snapshot.booted + static_cast<std::int64_t>(one.began) * kSecond;
      sighting.own = true;
    }
    sighting.counters[0] = one.read_bytes;
    sighting.counters[1] = one.written_bytes;
    out.push_back(std::move(sighting));
  }
  return out;
}

std::vector<Sighting> server_sightings(const KernelSnapshot& snapshot) {
  if (!snapshot.server) return {};
  Sighting sighting;
  sighting.key = "server";
  sighting.statistics = epoch(snapshot.boot);
  sighting.began = snapshot.booted;
  sighting.counters[0] = snapshot.server->read_bytes;
  sighting.counters[1] = snapshot.server->written_bytes;
  return {std::move(sighting)};
}

void tell_kernel(Outlet& out, const KernelSnapshot& snapshot, const std::vector<Life>& exports,
                 const std::vector<Life>& server, std::uint32_t source) {
  for (std::size_t i = 0; i < snapshot.exports.size(); ++i) {
    const KernelExport& one = snapshot.exports[i];
    const Life& life = exports[i];
    const std::uint64_t counter = epoch("kernel", one.path, one.client,
                                        statistics_of(snapshot, one), life.birth, life.from_zero);
    for (const auto& [metric, value] : {std::pair(kKernelReadBytes, one.read_bytes),
                                        std::pair(kKernelWrittenBytes, one.written_bytes)}) {
      out.emit({.metric = metric,
                .value = value,
                .epoch = counter,
                .start = life.start(),
                .identity = {one.path, one.client},
                .source = source});
    }
  }
  if (snapshot.server) {
    const Life& life = server.front();
    const std::uint64_t counter = epoch("server", snapshot.boot, life.birth, life.from_zero);
    for (const auto& [metric, value] :
         {std::pair(kServerReadBytes, snapshot.server->read_bytes),
          std::pair(kServerWrittenBytes, snapshot.server->written_bytes)}) {
      out.emit({.metric = metric,
                .value = value,
                .epoch = counter,
                .start = life.start(),
                .source = source});
    }
  }
  if (snapshot.clients) {
    out.emit({.metric = kKernelClients, .value = *snapshot.clients, .source = source});
  }
}

}  // namespace nfs
