#pragma once
// Plugins as files, and what their declarations ask of a configuration.

#include <string>
#include <vector>

#include "agent/config.hpp"
#include "agent/host_protocol.hpp"
#include "base/hash.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

/// "netif" of "netif" and of "/usr/lib/tallyman/plugins/netif.so".
[[nodiscard]] std::string plugin_name(const std::string& plugin);

/// BLAKE2b-256 of a plugin's file; a file over 64 MiB is an error.
[[nodiscard]] Result<Hash> file_digest(const std::string& path);

/// Every configured option must be declared, and every required one configured. The error names all
/// that are wrong, and what could be meant.
[[nodiscard]] Status check_options(const std::vector<OptionDef>& declared,
                                   const InstanceConfig& config);

}  // namespace tallyman::agent
