#include "agent/isolation/grants.hpp"

#include <algorithm>
#include <tuple>

namespace tallyman::agent {
namespace {

void list(std::string& text, const std::string& item, const char* between = ", ") {
  text += (text.empty() ? "" : between) + item;
}

/// Whether all of `path` is at or below `folder`; both plain.
bool covers(const std::string& folder, const std::string& path) {
  if (folder == "/" || folder == path) return true;
  return path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/';
}

/// One entry of a list of paths, with what it stands for.
struct Entry {
  std::string written;
  bool write = false;
  std::vector<std::string> paths;  ///< plain
  std::string wrong;               ///< a value that is no path
};

Entry entry_of(const std::string& written, const OptionValuesOf& options) {
  Entry entry{written, written.starts_with('+'), {}, {}};
  const std::string path = written.substr(entry.write ? 1 : 0);
  std::vector<std::string> values{path};
  if (path.starts_with('@')) {
    values.clear();
    for (const HostOption& option : options) {
      if (option.key == path.substr(1)) values = option.values;
    }
  }
  for (const std::string& value : values) {
    const std::string plain = plain_path(value);
    if (!plain.empty()) entry.paths.push_back(plain);
    if (plain.empty() && !value.empty()) entry.wrong = value;
  }
  return entry;
}

std::vector<Entry> entries_of(const std::vector<std::string>& written,
                              const OptionValuesOf& options) {
  std::vector<Entry> out;
  out.reserve(written.size());
  for (const std::string& path : written) out.push_back(entry_of(path, options));
  return out;
}

bool is_free(const std::string& path, bool write, bool network) {
  if (path == "/dev/null") return true;
  auto below = [&](const std::string& folder) { return covers(folder, path); };
  const auto& free = free_paths();
  if (write) return false;
  if (covers("/proc/self", path) || covers("/proc/thread-self", path)) return true;
  if (std::any_of(free.begin(), free.end(), below)) return true;
  return network && std::any_of(network_paths().begin(), network_paths().end(), below);
}

/// Whether a grant covers a path that is needed.
bool is_granted(const std::vector<Entry>& grants, const std::string& path, bool write) {
  return std::any_of(grants.begin(), grants.end(), [&](const Entry& grant) {
    auto covering = [&](const std::string& folder) { return covers(folder, path); };
    return (grant.write || !write) && std::any_of(grant.paths.begin(), grant.paths.end(), covering);
  });
}

/// The rights to a path that is granted. It is reached from the outermost folder that is granted: a
/// link that the plugin, or another, placed in there must not lead out of it.
PathAccess access_to(const std::vector<Entry>& grants, const std::string& path, bool write) {
  std::string from = path;
  for (const Entry& grant : grants) {
    for (const std::string& folder : grant.paths) {
      if (covers(folder, path) && folder.size() < from.size()) from = folder;
    }
  }
  const std::size_t skip = from == "/" ? 1 : from.size() + 1;
  return {from, path.size() > skip ? path.substr(skip) : std::string(), write};
}

void tidy(std::vector<PathAccess>& paths) {
  auto before = [](const PathAccess& a, const PathAccess& b) {
    return std::tuple(a.path(), a.granted, a.write) < std::tuple(b.path(), b.granted, b.write);
  };
  std::sort(paths.begin(), paths.end(), before);
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
}

std::string quoted_list(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) list(out, "\"" + item + "\"");
  return "[" + out + "]";
}

/// What is needed beyond what is granted, and what of the granted no need made use of.
class Judge {
 public:
  Judge(const Needs& needs, const Grants& grants, const OptionValuesOf& options)
      : needs_(needs), grants_(grants), granted_(entries_of(grants.paths, options)) {
    user();
    capabilities();
    paths(entries_of(needs.paths, options));
    network();
    tidy(out_.access.paths);
  }
  Judgement take() { return std::move(out_); }

 private:
  void missing(const std::string& what, const std::string& todo) {
    list(out_.refusal, what, "; ");
    list(out_.todo, todo);
  }

  void user() {
    if (needs_.user.empty() || needs_.user == grants_.user) return;
    missing("the user " + needs_.user, "user = \"" + needs_.user + "\"");
  }

  void capabilities() {
    std::vector<std::string> lacking;
    for (const std::string& name : needs_.capabilities) {
      const auto number = capability_number(name);
      if (!number) {
        list(out_.refusal, "the capability " + name + ", which no system has", "; ");
      } else if (has(grants_.capabilities, name)) {
        out_.access.capabilities |= capability(*number);
      } else {
        lacking.push_back(name);
      }
    }
    for (const std::string& name : grants_.capabilities) {
      if (!has(needs_.capabilities, name)) list(out_.surplus, name);
    }
    if (lacking.empty()) return;
    std::string words;
    for (const std::string& name : lacking) list(words, name);
    std::vector<std::string> all = grants_.capabilities;
    all.insert(all.end(), lacking.begin(), lacking.end());
    missing(words, "capabilities = " + quoted_list(all));
  }

  void paths(const std::vector<Entry>& needed) {
    std::string words;
    std::vector<std::string> all = grants_.paths;
    for (const Entry& entry : needed) {
      if (!entry.wrong.empty()) {
        list(words, entry.written + " (the option holds `" + entry.wrong + "`: no absolute path)");
      }
      const bool granted = std::all_of(entry.paths.begin(), entry.paths.end(),
                                       [&](const auto& path) { return path_is_had(entry, path); });
      if (granted) continue;
      list(words, (entry.write ? "writing " : "reading ") + entry.written.substr(entry.write));
      all.push_back(entry.written);
    }
    surplus_paths(needed);
    if (words.empty()) return;
    missing(words, "paths = " + quoted_list(all));
  }

  bool path_is_had(const Entry& entry, const std::string& path) {
    if (is_free(path, entry.write, needs_.network && grants_.network)) return true;
    if (!is_granted(granted_, path, entry.write)) return false;
    out_.access.paths.push_back(access_to(granted_, path, entry.write));
    return true;
  }

  void surplus_paths(const std::vector<Entry>& needed) {
    for (const Entry& grant : granted_) {
      const bool used = std::any_of(needed.begin(), needed.end(), [&](const Entry& need) {
        return need.write == grant.write &&
               (need.written == grant.written || any_covered(grant, need));
      });
      if (!used) list(out_.surplus, grant.written);
    }
  }

  static bool any_covered(const Entry& grant, const Entry& need) {
    return std::any_of(grant.paths.begin(), grant.paths.end(), [&](const auto& folder) {
      return std::any_of(need.paths.begin(), need.paths.end(),
                         [&](const auto& path) { return covers(folder, path); });
    });
  }

  void network() {
    out_.access.network = needs_.network && grants_.network;
    if (needs_.network && !grants_.network) missing("the network", "network = true");
    if (!needs_.network && grants_.network) list(out_.surplus, "network");
  }

  static bool has(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  const Needs& needs_;
  const Grants& grants_;
  std::vector<Entry> granted_;
  Judgement out_;
};

}  // namespace

std::string PathAccess::path() const {
  if (rest.empty()) return granted;
  return (granted == "/" ? granted : granted + "/") + rest;
}

const std::vector<std::string>& free_paths() {
  static const std::vector<std::string> kPaths{"/usr",
                                               "/lib",
                                               "/lib32",
                                               "/lib64",
                                               "/bin",
                                               "/sbin",
                                               "/etc/ld.so.cache",
                                               "/etc/ld.so.conf",
                                               "/etc/ld.so.conf.d",
                                               "/etc/localtime",
                                               "/dev/urandom",
                                               "/dev/random",
                                               "/sys/devices/system/cpu"};
  return kPaths;
}

const std::vector<std::string>& network_paths() {
  static const std::vector<std::string> kPaths{
      "/etc/resolv.conf",     "/etc/hosts",    "/etc/host.conf",      "/etc/nsswitch.conf",
      "/etc/gai.conf",        "/etc/services", "/etc/protocols",      "/etc/ssl/certs",
      "/etc/ssl/openssl.cnf", "/etc/pki",      "/run/systemd/resolve"};
  return kPaths;
}

OptionValuesOf option_values(const std::vector<OptionDef>& declared,
                             const std::vector<HostOption>& configured) {
  OptionValuesOf out = configured;
  for (const OptionDef& option : declared) {
    const bool given = std::any_of(configured.begin(), configured.end(),
                                   [&](const HostOption& one) { return one.key == option.key; });
    if (!given && option.fallback) out.push_back({option.key, {*option.fallback}});
  }
  return out;
}

Judgement judge(const Needs& needs, const Grants& grants, const OptionValuesOf& options) {
  return Judge(needs, grants, options).take();
}

Capabilities granted_capabilities(const Grants& grants) {
  Capabilities out = 0;
  for (const std::string& name : grants.capabilities) {
    if (const auto number = capability_number(name)) out |= capability(*number);
  }
  return out;
}

std::string needs_text(const Needs& needs) {
  std::string out;
  if (!needs.user.empty()) list(out, "user " + needs.user, "; ");
  std::string capabilities, paths;
  for (const std::string& name : needs.capabilities) list(capabilities, name);
  for (const std::string& path : needs.paths) list(paths, path);
  if (!capabilities.empty()) list(out, capabilities, "; ");
  if (!paths.empty()) list(out, paths, "; ");
  if (needs.network) list(out, "network", "; ");
  return out.empty() ? "nothing" : out;
}

std::string plain_path(std::string_view path) {
  if (!path.starts_with('/')) return {};
  std::string out;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    if (part == "..") return {};
    if (!part.empty() && part != ".") out += "/" + std::string(part);
  }
  return out.empty() ? "/" : out;
}

}  // namespace tallyman::agent
