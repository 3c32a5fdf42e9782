#include "nfsd_part.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
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

/// How many NFSv4 clients there are.
void count_clients(const std::string& folder, KernelSnapshot& out) {
  std::error_code error;
  std::size_t count = 0;
  fs::directory_iterator it(folder + "/clients", error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    if (is_number(it->path().filename().string())) ++count;
  }
  if (error) {
    out.no_clients = folder + "/clients: " + error.message() + " (needs CAP_DAC_READ_SEARCH)";
  } else {
    out.clients = count;
  }
}

void read_server(const std::string& path, KernelSnapshot& out) {
  auto text = slurp(path);
  if (const auto* fault = std::get_if<Fault>(&text)) {
    out.no_server = fault->what;
    return;
  }
  const auto parsed = parse_rpc_nfsd(std::get<std::string>(text));
  if (const auto* fault = std::get_if<Fault>(&parsed)) {
    out.no_server = path + ": " + fault->what;
  } else {
    out.server = std::get<KernelServer>(parsed);
  }
}

/// When statistics of so many seconds after the boot began, if that is known and since we have been
/// looking; else 0. The seconds are whole ones: it may be up to one early, when it was not there.
std::int64_t start_of(const KernelWatch& watch, std::uint64_t seconds) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 32U;
  if (seconds >= kMost) return 0;
  const std::int64_t began = watch.booted + static_cast<std::int64_t>(seconds) * kSecond;
  return began + kSecond >= watch.since ? began : 0;
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
  out.exports = each_once(std::get<std::vector<KernelExport>>(std::move(exports)));
  if (!paths.server.empty()) read_server(paths.server, out);
  count_clients(paths.folder, out);
  return out;
}

void note_boot(KernelWatch& watch, const KernelSnapshot& snapshot) {
  const std::uint64_t boot = epoch(snapshot.boot);
  if (watch.boot == boot) return;
  watch.boot = boot;
  watch.booted = std::max<std::int64_t>(snapshot.booted, 1);
}

void tell_kernel(Outlet& out, const KernelSnapshot& snapshot, const KernelWatch& watch,
                 std::uint32_t source) {
  for (const KernelExport& one : snapshot.exports) {
    const std::int64_t start = start_of(watch, one.began);
    const std::uint64_t counter =
        epoch("kernel", watch.boot, one.path, one.client, one.began, start);
    for (const auto& [metric, value] : {std::pair(kKernelReadBytes, one.read_bytes),
                                        std::pair(kKernelWrittenBytes, one.written_bytes)}) {
      out.emit({.metric = metric,
                .value = value,
                .epoch = counter,
                .start = start,
                .identity = {one.path, one.client},
                .source = source});
    }
  }
  if (snapshot.server) {
    const std::int64_t start = start_of(watch, 0);
    const std::uint64_t counter = epoch("server", watch.boot, start);
    for (const auto& [metric, value] :
         {std::pair(kServerReadBytes, snapshot.server->read_bytes),
          std::pair(kServerWrittenBytes, snapshot.server->written_bytes)}) {
      out.emit(
          {.metric = metric, .value = value, .epoch = counter, .start = start, .source = source});
    }
  } else if (!snapshot.no_server.empty()) {
    out.gap(kServerReadBytes, {}, snapshot.no_server, source);
    out.gap(kServerWrittenBytes, {}, snapshot.no_server, source);
  }
  if (snapshot.clients) {
    out.emit({.metric = kKernelClients, .value = *snapshot.clients, .source = source});
  } else {
    out.gap(kKernelClients, {}, snapshot.no_clients, source);
  }
}

}  // namespace nfs
