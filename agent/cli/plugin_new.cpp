#include "agent/cli/plugin_new.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "app/exit.hpp"
#include "base/files.hpp"

namespace tallyman::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxName = 64;

constexpr const char* kSource =
    R"(// @NAME@: a plugin for Tallyman. <tallyman/plugin.h> is the contract, <tallyman/plugin.hpp> what
// makes it C++.
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <tallyman/plugin.hpp>

namespace tp = tallyman::plugin;

class @CLASS@ {
 public:
  static constexpr const char *name = "@NAME@", *version = "0.1";

  // What is metered. A counter only grows and ends in _total; a gauge is a level. Units are base
  // units (bytes, seconds), values whole numbers. Identity labels say which series it is, and never
  // change; info labels may.
  static constexpr tm_metric metrics[] = {
      tp::counter("@METRIC@_polls_total", "polls", "Good polls since it was first run",
                  tp::labels<"meter">)};
  static constexpr tm_option options[] = {
      tp::option("meter", "example", "What the label `meter` says")};
  // Paths, capabilities or the network: whatever it needs stands here, and is granted in plugins.d.
  // static constexpr tm_needs needs = tp::needing({.paths = tp::list<"/proc/stat">});

  // Throws tp::BadConfig when it cannot work as it is configured.
  explicit @CLASS@(tp::Host host) : meter_(host.option("meter")) {}

  // Reads the source and emits what it says. An exception fails this poll alone: it becomes a gap
  // with its text, never a zero.
  void poll(tp::Poll& poll) {
    if (state_.began == 0) {
      state_.began = poll.scheduled();
    } else {
      state_.polls++;
    }
    poll.emit({.metric = 0,
               .value = state_.polls,
               .epoch = tp::epoch(state_.began),  // the same for as long as it is the same counter
               .start = state_.began,             // when it was zero; leave it out if unknown
               .identity = {meter_}});
  }

  // What the next process needs to go on. Leave all three out when the source itself remembers.
  static constexpr std::uint32_t state_version = 1;
  void save(tp::StateWriter& out) const { out.write(std::as_bytes(std::span(&state_, 1))); }
  void restore(std::uint32_t from_version, std::span<const std::byte> bytes) {
    if (from_version != state_version || bytes.size() != sizeof state_) {
      throw tp::BadState("of another version");
    }
    std::memcpy(&state_, bytes.data(), sizeof state_);
  }

 private:
  struct State {
    std::int64_t began = 0;
    std::uint64_t polls = 0;
  };
  std::string meter_;
  State state_;
};
TALLYMAN_PLUGIN(@CLASS@);
)";

constexpr const char* kCmake = R"(cmake_minimum_required(VERSION 3.20)
project(@NAME@ LANGUAGES CXX)

# Headers alone: those of the installed SDK, or of a checkout: -DTALLYMAN_INCLUDE=FOLDER, where
# FOLDER/tallyman/plugin.hpp is.
find_path(TALLYMAN_INCLUDE tallyman/plugin.hpp@HINTS@ REQUIRED)

add_library(@NAME@ MODULE @NAME@.cpp)
target_compile_features(@NAME@ PRIVATE cxx_std_20)
target_compile_options(@NAME@ PRIVATE -Wall -Wextra)
target_include_directories(@NAME@ SYSTEM PRIVATE ${TALLYMAN_INCLUDE})
set_target_properties(@NAME@ PROPERTIES PREFIX "" CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON)
)";

constexpr const char* kReadme = R"(# @NAME@

A plugin for Tallyman. Build it, try it without an agent, and drop it in:

```
cmake -G Ninja -B build && cmake --build build
tallyman plugin check build/@NAME@.so
sudo install -D build/@NAME@.so /usr/local/lib/tallyman/plugins/@NAME@.so
tallyman status
```

It runs within two seconds, polled each minute. To poll it more often or to set options, copy
`plugins.d/@NAME@.toml` to `/etc/tallyman/plugins.d` and send the agent SIGHUP. A new version that is
installed over the old one takes over; removing the file retires it.
)";

constexpr const char* kConfig =
    R"(# How an instance of @NAME@ is run; the file's name is the instance's.
plugin = "@NAME@"
interval = "10s"    # polls stand at multiples of it; 300 s (a slot) should be one, too
deadline = "5s"     # a poll that takes longer is killed and becomes a gap

[options]
meter = "example"
)";

std::string replaced(std::string text, const std::vector<std::pair<std::string, std::string>>& by) {
  for (const auto& [mark, value] : by) {
    for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += value.size()) {
      text.replace(at, mark.size(), value);
    }
  }
  return text;
}

/// "disk-usage" → "DiskUsage".
std::string class_name(const std::string& name) {
  std::string out;
  bool first = true;
  for (const char c : name) {
    if (c == '-' || c == '_') {
      first = true;
    } else {
      out += first && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      first = false;
    }
  }
  return out;
}

Status check_name(const std::string& name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  const bool good = !name.empty() && name.size() <= kMaxName && name[0] >= 'a' && name[0] <= 'z' &&
                    name.back() != '_' && name.back() != '-' &&
                    std::all_of(name.begin(), name.end(), fits) &&
                    name.find("__") == std::string::npos && name.find("--") == std::string::npos;
  if (good && name != "all" && name != "test" && name != "install" && name != "clean") return {};
  return Error{"`" + name + "` is no name for a plugin", "",
               "1 to 64 of a-z, 0-9, `_` and `-`, beginning with a letter, as in disk-usage"};
}

/// Where the SDK's headers are, from where this program is: installed, or in a build of a checkout.
std::string find_include() {
  std::error_code problem;
  const fs::path program = fs::read_symlink("/proc/self/exe", problem);
  const fs::path prefix = program.parent_path().parent_path();
  for (const fs::path& include : {prefix / "include", prefix / "include/sdk_plugin"}) {
    if (fs::exists(include / "tallyman/plugin.hpp", problem)) return include;
  }
  return {};
}

Status write_files(const fs::path& folder, const std::map<std::string, std::string>& files) {
  for (const auto& [name, text] : files) {
    const fs::path path = folder / name;
    std::error_code problem;
    if (fs::symlink_status(path, problem).type() != fs::file_type::not_found) {
      return Error{"is there already", path, "nothing is overwritten: name another --dir"};
    }
  }
  for (const auto& [name, text] : files) {
    const fs::path path = folder / name;
    std::error_code problem;
    fs::create_directories(path.parent_path(), problem);
    if (problem)
      return Error{"cannot make the folder: " + problem.message(), path.parent_path(), ""};
    std::FILE* file = std::fopen(path.c_str(), "wxe");
    if (file == nullptr) return errno_error("cannot make", path, errno);
    const bool whole = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    if (std::fclose(file) != 0 || !whole) return errno_error("cannot write", path, errno);
  }
  return {};
}

}  // namespace

Result<std::map<std::string, std::string>> scaffold(const std::string& name,
                                                    const std::string& include) {
  if (Status fit = check_name(name); !fit.ok()) return fit.error();
  std::string metric = name;
  std::replace(metric.begin(), metric.end(), '-', '_');
  const std::vector<std::pair<std::string, std::string>> by{
      {"@NAME@", name},
      {"@CLASS@", class_name(name)},
      {"@METRIC@", metric},
      {"@HINTS@", include.empty() ? "" : " HINTS \"" + include + "\""}};
  return std::map<std::string, std::string>{{name + ".cpp", replaced(kSource, by)},
                                            {"CMakeLists.txt", replaced(kCmake, by)},
                                            {"README.md", replaced(kReadme, by)},
                                            {"plugins.d/" + name + ".toml", replaced(kConfig, by)}};
}

int plugin_new(const PluginNew& fresh) {
  const std::string include = find_include();
  const auto files = scaffold(fresh.name, include);
  if (!files) {
    app::complain("tallyman", files.error());
    return app::kUsage;
  }
  const std::string folder = fresh.directory.empty() ? fresh.name : fresh.directory;
  if (Status written = write_files(folder, *files); !written.ok()) {
    app::complain("tallyman", written.error());
    return app::kFound;
  }
  std::printf(
      "%s: a plugin that counts its polls. Next:\n"
      "  cmake -G Ninja -S %s -B %s/build%s && cmake --build %s/build\n"
      "  tallyman plugin check %s/build/%s.so\n",
      folder.c_str(), folder.c_str(), folder.c_str(),
      include.empty() ? " -DTALLYMAN_INCLUDE=FOLDER" : "", folder.c_str(), folder.c_str(),
      fresh.name.c_str());
  return app::kDone;
}

}  // namespace tallyman::cli
