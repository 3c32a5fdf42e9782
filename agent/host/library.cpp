#include "agent/host/library.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <boost/dll/shared_library.hpp>
#include <filesystem>

#include "agent/host_protocol.hpp"

namespace tallyman::host {
namespace {

constexpr const char* kEntry = "tm_plugin_v1_entry";

/// What the dynamic linker has to say about its last failure.
std::string linker_words() {
  const char* words = dlerror();
  return words == nullptr ? "the dynamic linker does not say why" : words;
}

}  // namespace

Result<const tm_plugin_v1*> load_plugin(const std::string& file, bool opened) {
  const std::string at = opened ? "/proc/self/fd/" + std::to_string(kHostPlugin) : file;
  std::error_code trouble;
  if (!std::filesystem::is_regular_file(at, trouble)) {
    return Error{"cannot load the plugin: no such file", file, "name a shared object"};
  }
  // Never destroyed: a plugin's threads and exit handlers may outlive anything we know of.
  static auto* const library = new boost::dll::shared_library;
  const std::filesystem::path path = std::filesystem::absolute(at);
  library->load(path, trouble, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  if (opened) close(kHostPlugin);
  if (trouble) {
    return Error{"cannot load the plugin: " + linker_words(), file,
                 "build it as a shared object for this system"};
  }
  if (!library->has(kEntry)) {
    return Error{std::string("is no plugin: it does not export ") + kEntry, file,
                 "define it with TALLYMAN_PLUGIN, or in C as <tallyman/plugin.h> says"};
  }
  return &library->get<const tm_plugin_v1>(kEntry);
}

}  // namespace tallyman::host
