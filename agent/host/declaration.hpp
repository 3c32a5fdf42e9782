#pragma once
// A plugin's table, checked in full and copied, so that nothing else reads it unchecked.

#include <tallyman/plugin.h>

#include "agent/host_protocol.hpp"
#include "base/result.hpp"

namespace tallyman::host {

/// What a plugin says it is, and the functions to call. Plain data, any thread.
struct Declaration {
  Described described;
  tm_plugin_v1 calls{};  ///< what the plugin's own size covers; zero beyond
};

/// Total for a table that lies: sizes, counts, NULL pointers, names, duplicates. It trusts that
/// pointers that are not NULL point to what their type says. The error names the first fault.
[[nodiscard]] Result<Declaration> read_declaration(const tm_plugin_v1& table);

/// The declaration for people.
[[nodiscard]] std::string describe(const Described& plugin);

}  // namespace tallyman::host
