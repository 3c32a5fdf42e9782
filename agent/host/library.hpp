#pragma once
// Loading the one shared object of this process.

#include <tallyman/plugin.h>

#include <string>

#include "base/result.hpp"

namespace tallyman::host {

/// Loads `file` (with `opened` what stands open on kHostPlugin, which is closed then: `file` is but
/// its name) for the rest of the process's life and gives its table, unchecked but for the symbol's
/// presence. Static constructors of the plugin run here. Main thread, once.
[[nodiscard]] Result<const tm_plugin_v1*> load_plugin(const std::string& file, bool opened);

}  // namespace tallyman::host
