#include "options.hpp"

#include <charconv>

namespace nfs {
namespace {

using tallyman::plugin::BadConfig;
using tallyman::plugin::Host;

bool flag(Host host, const char* key) {
  const std::string text = host.option(key);
  if (text != "true" && text != "false") {
    throw BadConfig(std::string(key) + " = \"" + text + "\": expected true or false");
  }
  return text == "true";
}

std::chrono::milliseconds seconds(Host host, const char* key, int most) {
  const std::string text = host.option(key);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > most) {
    throw BadConfig(std::string(key) + " = \"" + text + "\": expected whole seconds from 1 to " +
                    std::to_string(most));
  }
  return std::chrono::seconds(value);
}

void choose_back_ends(Host host, Options& out) {
  bool chosen = false;
  for (const std::string& name : host.options("backends")) {
    if (name.empty()) continue;
    if (!chosen) out.ganesha = out.kernel = Use::never;
    chosen = true;
    if (name == "ganesha") {
      out.ganesha = Use::always;
    } else if (name == "nfsd") {
      out.kernel = Use::always;
    } else {
      throw BadConfig("backends: \"" + name + "\": expected ganesha or nfsd");
    }
  }
  const auto check = [](Use& use, const std::string& path, const char* key) {
    if (!path.empty()) return;
    if (use == Use::always) throw BadConfig(std::string(key) + ": expected a path");
    use = Use::never;
  };
  check(out.ganesha, out.bus, "ganesha.bus");
  check(out.kernel, out.kernel_paths.folder, "nfsd.folder");
  if (out.ganesha == Use::never && out.kernel == Use::never) {
    throw BadConfig("expected ganesha.bus or nfsd.folder, or both");
  }
}

}  // namespace

Options read_options(Host host) {
  Options out;
  out.bus = host.option("ganesha.bus");
  out.name = host.option("ganesha.name");
  out.clients = flag(host, "ganesha.clients");
  out.kernel_paths = {host.option("nfsd.folder"), host.option("nfsd.server"),
                      "/proc/sys/kernel/random/boot_id"};
  choose_back_ends(host, out);
  out.stored = flag(host, "stored.measure");
  out.btrfs = host.option("stored.btrfs");
  out.patience = seconds(host, "stored.patience", 60);
  for (const std::string& place : host.options("stored.places")) {
    if (place.empty()) continue;
    const std::size_t split = place.find('=');
    if (split == 0 || split == std::string::npos || place.substr(split + 1, 1) != "/") {
      throw BadConfig("stored.places: \"" + place + "\": expected EXPORT=/path");
    }
    if (!out.places.emplace(place.substr(0, split), place.substr(split + 1)).second) {
      throw BadConfig("stored.places: \"" + place.substr(0, split) + "\" twice");
    }
  }
  return out;
}

}  // namespace nfs
