#include "agent/host/options.hpp"

#include <algorithm>

namespace tallyman::host {

Result<OptionValues> resolve_options(const std::vector<OptionDef>& declared,
                                     const std::vector<HostOption>& given) {
  OptionValues values;
  std::string faults;
  const auto fault = [&](const std::string& what) {
    faults += (faults.empty() ? "" : "; ") + what;
  };
  for (const HostOption& option : given) {
    const bool known = std::any_of(declared.begin(), declared.end(),
                                   [&](const OptionDef& d) { return d.key == option.key; });
    if (!known) {
      fault("unknown option \"" + option.key + "\"");
    } else if (!values.emplace(option.key, option.values).second) {
      fault("option \"" + option.key + "\" is given twice");
    }
  }
  std::string keys;
  for (const OptionDef& option : declared) {
    keys += (keys.empty() ? "" : ", ") + option.key;
    if (values.contains(option.key)) continue;
    if (!option.fallback) {
      fault("missing option \"" + option.key + "\" (" + option.help + ")");
    } else if (option.fallback->empty()) {
      values.emplace(option.key, std::vector<std::string>());
    } else {
      values.emplace(option.key, std::vector<std::string>{*option.fallback});
    }
  }
  if (faults.empty()) return values;
  return Error{faults, {}, keys.empty() ? "this plugin has no options" : "known are: " + keys};
}

}  // namespace tallyman::host
