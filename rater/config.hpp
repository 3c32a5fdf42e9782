#pragma once
// rater.toml: where the ledger is, who may reach the rater, and how periods close and go out. The
// keys are explained in conf/rater.toml.

#include <string>
#include <string_view>

#include "app/config.hpp"
#include "app/key.hpp"
#include "app/log.hpp"
#include "rater/billing.hpp"

namespace tallyman::rater {

struct RaterConfig {
  std::string ledger = "/var/lib/tallyman/ledger.db";
  std::string listen = "tcp://127.0.0.1:5580";
  std::string key_file;  ///< of the own key pair; empty = agents speak plain
  app::KeyPair key;      ///< as load_secrets() found it
  std::string socket = "/run/tallyman/rater.sock";
  log::Level log_level = log::Level::info;
  BillingOptions billing;
};

/// Relative paths in the file count from its folder; the catalogue is catalogue.toml beside it when
/// it names none. What comes back is of use only when `errors` stays empty.
[[nodiscard]] RaterConfig load_config(const std::string& path, app::ConfigErrors& errors);
[[nodiscard]] RaterConfig parse_config(std::string_view toml, const std::string& name,
                                       app::ConfigErrors& errors);

/// Reads the key pair if one is configured, and looks whether the bus's secrets can be read: for
/// the daemon and its `--check`. Who asks the daemon need not be allowed to read them.
void load_secrets(RaterConfig& config, app::ConfigErrors& errors);

}  // namespace tallyman::rater
