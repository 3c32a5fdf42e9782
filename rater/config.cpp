#include "rater/config.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include "app/socket.hpp"
#include "rater/bus/amqp_config.hpp"

namespace tallyman::rater {
namespace {

constexpr Ns kYear = 366 * kDay;

std::string beside(const std::string& file, const std::string& path) {
  const std::filesystem::path given(path);
  if (path.empty() || given.is_absolute()) return path;
  return (std::filesystem::path(file).parent_path() / given).lexically_normal().string();
}

std::string path_of(app::ConfigTable& table, const std::string& file, std::string_view key,
                    std::string_view fallback) {
  std::string path = table.text(key, fallback);
  if (path.empty()) table.complain(key, "an empty path", "the path of a file");
  return beside(file, path);
}

log::Level level_of(app::ConfigTable& root) {
  constexpr std::array<std::string_view, 4> kLevels{"debug", "info", "warning", "error"};
  const std::string word = root.choice("log_level", kLevels, "info");
  const auto at = std::find(kLevels.begin(), kLevels.end(), word) - kLevels.begin();
  return static_cast<log::Level>(std::min<std::ptrdiff_t>(at, 3));
}

Ns slot_of(app::ConfigTable& root) {
  const Ns slot = root.duration("slot", 5 * kMinute, kSecond, kHour);
  if (slot > 0 && kDay % slot == 0) return slot;
  root.complain("slot", "a slot must divide a day", "1s, 10s, 1m, 5m, 15m, 1h …");
  return 5 * kMinute;
}

std::string endpoint_of(app::ConfigTable& root) {
  std::string listen = root.text("listen", "tcp://127.0.0.1:5580");
  if (!app::is_loopback(listen) && !root.has("key")) {
    root.complain("listen", "agents come over a network here, which needs CURVE",
                  "`key`: a file made by `tallyman-rater key new`");
  }
  return listen;
}

RaterConfig read(const app::ConfigFile& parsed, const std::string& file) {
  RaterConfig out;
  app::ConfigTable root = parsed.root();
  out.ledger = path_of(root, file, "ledger", out.ledger);
  out.socket = path_of(root, file, "socket", out.socket);
  out.listen = endpoint_of(root);
  if (root.has("key")) out.key_file = path_of(root, file, "key", "");
  out.log_level = level_of(root);
  out.billing.slot = slot_of(root);
  out.billing.catalogue_path = path_of(root, file, "catalogue", "catalogue.toml");

  app::ConfigTable close = root.table("close");
  out.billing.close_automatically = close.boolean("automatic", false);
  out.billing.grace = close.duration("grace", kHour, 0, kYear);
  close.finish();
  app::ConfigTable release = root.table("release");
  out.billing.release_automatically = release.boolean("automatic", false);
  if (out.billing.release_automatically && !out.billing.close_automatically) {
    release.complain("automatic", "a period that nobody closes cannot be released automatically",
                     "`automatic = true` under [close] too");
  }
  release.finish();
  app::ConfigTable bus = root.table("bus");
  constexpr std::array<std::string_view, 3> kTypes{"file", "amqp", "none"};
  out.billing.bus_type = bus.choice("type", kTypes, "file");
  out.billing.bus_file = path_of(bus, file, "file", "/var/lib/tallyman/usage.jsonl");
  out.billing.amqp = read_amqp(bus, out.billing.bus_type == "amqp",
                               [&](const std::string& path) { return beside(file, path); });
  bus.finish();
  root.finish();
  return out;
}

}  // namespace

RaterConfig load_config(const std::string& path, app::ConfigErrors& errors) {
  const app::ConfigFile parsed = app::ConfigFile::load(path, errors);
  RaterConfig out = read(parsed, path);
  // A rater without a catalogue keeps and derives everything; it only rates nothing.
  const bool named = parsed.root().has("catalogue");
  if (!named && !std::filesystem::exists(out.billing.catalogue_path)) {
    out.billing.catalogue_path.clear();
  }
  return out;
}

void load_secrets(RaterConfig& config, app::ConfigErrors& errors) {
  config.key = {};
  if (!config.key_file.empty()) config.key = app::load_key_pair(config.key_file, errors);
  if (config.billing.bus_type == "amqp") check_secrets(config.billing.amqp, errors);
}

RaterConfig parse_config(std::string_view toml, const std::string& name,
                         app::ConfigErrors& errors) {
  return read(app::ConfigFile::parse(toml, name, errors), name);
}

}  // namespace tallyman::rater
