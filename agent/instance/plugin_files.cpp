#include "agent/instance/plugin_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/fd.hpp"

namespace tallyman::agent {
namespace {

constexpr std::size_t kMaxPluginFile = 64U << 20U;

void list(std::string& text, const std::string& item) { text += (text.empty() ? "" : ", ") + item; }

}  // namespace

std::string plugin_name(const std::string& plugin) {
  return plugin.find('/') == std::string::npos ? plugin
                                               : std::filesystem::path(plugin).stem().string();
}

Result<Hash> file_digest(const std::string& path) {
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return errno_error("cannot open the plugin", path, errno);
  Bytes bytes;
  while (bytes.size() <= kMaxPluginFile) {
    constexpr std::size_t kStep = 256U << 10U;
    std::size_t size = bytes.size();
    bytes.resize(size + kStep);
    ssize_t n = read(file.get(), bytes.data() + size, kStep);
    bool again = n < 0 && errno == EINTR;
    if (n < 0 && !again) return errno_error("cannot read the plugin", path, errno);
    bytes.resize(size + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n == 0) return hash_of(bytes);
  }
  return Error{"the plugin's file is larger than 64 MiB", path, ""};
}

Status check_options(const std::vector<OptionDef>& declared, const InstanceConfig& config) {
  std::string known;
  std::string missing;
  for (const OptionDef& option : declared) {
    list(known, option.key);
    auto same = [&](const HostOption& given) { return given.key == option.key; };
    if (!option.fallback && std::none_of(config.options.begin(), config.options.end(), same)) {
      list(missing, option.key);
    }
  }
  std::string unknown;
  for (const HostOption& given : config.options) {
    auto same = [&](const OptionDef& option) { return given.key == option.key; };
    if (std::none_of(declared.begin(), declared.end(), same)) list(unknown, given.key);
  }
  if (unknown.empty() && missing.empty()) return {};
  std::string what;
  if (!unknown.empty()) what = "unknown option " + unknown;
  if (!missing.empty()) what += (what.empty() ? "" : "; ") + ("missing option " + missing);
  return Error{what, config.file, "it takes " + (known.empty() ? "no options" : known)};
}

}  // namespace tallyman::agent
