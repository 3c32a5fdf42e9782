#include "agent/instance/plugin_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <utility>

#include "base/fd.hpp"
#include "base/files.hpp"

namespace tallyman::agent {
namespace {

void list(std::string& text, const std::string& item) { text += (text.empty() ? "" : ", ") + item; }

Status check_kind(const std::string& file, const struct stat& look) {
  if (S_ISLNK(look.st_mode)) {
    return Error{"is a symbolic link", file, "place the file itself there"};
  }
  if (!S_ISREG(look.st_mode)) return Error{"is no regular file", file, "place a file there"};
  if (static_cast<std::uint64_t>(look.st_size) <= kMaxPluginFile) return {};
  return Error{"is larger than 64 MiB", file, "strip it"};
}

/// That nobody can write to it but root and this user.
Status check_mode(const std::string& path, const struct stat& look) {
  if (look.st_uid != 0 && look.st_uid != geteuid()) {
    return Error{"belongs to user " + std::to_string(look.st_uid), path,
                 geteuid() == 0 ? "chown root it" : "let root or the agent's user own it"};
  }
  const bool group = (look.st_mode & S_IWGRP) != 0;
  if (!group && (look.st_mode & S_IWOTH) == 0) return {};
  return Error{std::string("can be written to by ") + (group ? "its group" : "everybody"), path,
               "chmod go-w it"};
}

Status check_owner(const std::string& file, const struct stat& look) {
  if (Status fit = check_mode(file, look); !fit.ok()) return fit;
  const std::string folder = directory_of(file);
  struct stat around {};
  if (stat(folder.c_str(), &around) != 0) return errno_error("cannot look at", folder, errno);
  return check_mode(folder, around);
}

bool same(const struct stat& a, const struct stat& b) {
  const auto at = [](const timespec& t) { return std::pair(t.tv_sec, t.tv_nsec); };
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mode == b.st_mode && at(a.st_mtim) == at(b.st_mtim) && at(a.st_ctim) == at(b.st_ctim);
}

Error changed_meanwhile(const std::string& file) {
  return {"changed while it was read", file, "it is looked at again"};
}

Result<Bytes> read_all(const Fd& file, const std::string& path, std::size_t size) {
  Bytes bytes(size + 1);  // one more, to see the end
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot read the plugin", path, errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  if (done != size) return changed_meanwhile(path);
  bytes.resize(size);
  return bytes;
}

}  // namespace

std::string plugin_name(const std::string& plugin) {
  return plugin.find('/') == std::string::npos ? plugin
                                               : std::filesystem::path(plugin).stem().string();
}

Result<Bytes> read_plugin(const std::string& file, Trust trust) {
  const bool strict = trust == Trust::owner;
  struct stat before {};
  if ((strict ? lstat : stat)(file.c_str(), &before) != 0) {
    return errno_error("cannot open the plugin", file, errno);
  }
  if (Status fit = check_kind(file, before); !fit.ok()) return fit.error();
  if (strict) {
    if (Status fit = check_owner(file, before); !fit.ok()) return fit.error();
  }
  // What is no regular file any more is not waited for.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (strict ? O_NOFOLLOW : 0);
  const Fd opened(open(file.c_str(), flags));
  if (!opened.valid()) return errno_error("cannot open the plugin", file, errno);
  struct stat during {
  }, after{};
  if (fstat(opened.get(), &during) != 0) return errno_error("cannot look at", file, errno);
  if (!same(before, during)) return changed_meanwhile(file);
  Result<Bytes> bytes = read_all(opened, file, static_cast<std::size_t>(during.st_size));
  if (!bytes) return bytes;
  if (fstat(opened.get(), &after) != 0 || !same(during, after)) return changed_meanwhile(file);
  return bytes;
}

Writer writer_of(const std::string& file) {
  // A lease is refused while anybody writes, and its break, should one follow at once, is no news.
  static const auto ignored = std::signal(SIGIO, SIG_IGN);
  if (ignored == SIG_ERR) return Writer::unknown;
  struct stat look {};
  if (lstat(file.c_str(), &look) != 0 || !S_ISREG(look.st_mode)) return Writer::unknown;
  const Fd opened(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW));
  if (!opened.valid()) return Writer::unknown;
  if (fcntl(opened.get(), F_SETLEASE, F_RDLCK) != 0) {
    return errno == EAGAIN ? Writer::some : Writer::unknown;
  }
  fcntl(opened.get(), F_SETLEASE, F_UNLCK);
  return Writer::none;
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

Status check_admission(const Described& declared, const InstanceConfig& config) {
  if (Status fit = check_options(declared.options, config); !fit.ok()) return fit;
  const Judgement judged =
      judge(declared.needs, config.grants, option_values(declared.options, config.options));
  if (judged.refusal.empty()) return {};
  if (config.file.empty()) {
    return Error{"it needs " + judged.refusal + ", and nobody grants that to a drop-in",
                 config.plugin,
                 "write plugins.d/" + config.name + ".toml with plugin = \"" + config.name +
                     "\" and, under [grants], " + judged.todo};
  }
  return Error{"it needs " + judged.refusal + ": not granted", config.file + " [grants]",
               judged.todo.empty() ? "" : "write " + judged.todo + " there"};
}

}  // namespace tallyman::agent
