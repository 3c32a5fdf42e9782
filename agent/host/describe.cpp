#include <algorithm>

#include "agent/host/declaration.hpp"
#include "base/time_text.hpp"

namespace tallyman::host {
namespace {

std::string joined(const std::vector<std::string>& items, const char* between = ", ") {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : between) + item;
  return out;
}

std::string describe_metric(const wire::MetricDef& m) {
  std::string out = "  " + m.name + "\n      " +
                    (m.kind == wire::Kind::counter ? "counter" : "gauge") + ", " + m.unit;
  if (m.resolution > 0) out += ", resolution " + to_duration_text(m.resolution);
  out += ": " + m.help + "\n";
  if (!m.identity.empty()) out += "      identity: " + joined(m.identity) + "\n";
  if (!m.info.empty()) out += "      info: " + joined(m.info) + "\n";
  return out;
}

std::string describe_option(const OptionDef& o) {
  const std::string fallback = !o.fallback           ? " (required)"
                               : o.fallback->empty() ? std::string()
                                                     : " = \"" + *o.fallback + "\"";
  return "  " + o.key + fallback + "\n      " + o.help + "\n";
}

std::string describe_needs(const Needs& n) {
  std::string out;
  if (!n.user.empty()) out += "  user: " + n.user + "\n";
  if (!n.capabilities.empty()) out += "  capabilities: " + joined(n.capabilities) + "\n";
  if (!n.paths.empty()) out += "  paths: " + joined(n.paths) + "\n";
  if (n.network) out += "  network\n";
  return out.empty() ? "  nothing\n" : out;
}

}  // namespace

std::string describe(const Described& plugin) {
  std::string out =
      plugin.name + " " + plugin.version + " (ABI 1." + std::to_string(plugin.abi_minor) + ", " +
      (plugin.state_version == 0 ? std::string("no state")
                                 : "state version " + std::to_string(plugin.state_version)) +
      ")\nmetrics\n";
  for (const wire::MetricDef& metric : plugin.metrics) out += describe_metric(metric);
  if (!plugin.options.empty()) out += "options\n";
  for (const OptionDef& option : plugin.options) out += describe_option(option);
  return out + "needs\n" + describe_needs(plugin.needs);
}

}  // namespace tallyman::host
