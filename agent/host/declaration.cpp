#include "agent/host/declaration.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <set>
#include <string_view>

#include "agent/utf8.hpp"

namespace tallyman::host {
namespace {

// The least a struct must cover. What is behind may be absent in a plugin of an older minor.
constexpr std::size_t kTableLeast = offsetof(tm_plugin_v1, extension);
constexpr std::size_t kMetricLeast = offsetof(tm_metric, resolution_ns);
constexpr std::size_t kOptionLeast = sizeof(tm_option);
constexpr std::size_t kNeedsLeast = offsetof(tm_needs, paths) + sizeof(tm_needs::paths);
// No struct is ever this large: a size beyond it is garbage.
constexpr std::size_t kSizeMost = 1U << 16U;

constexpr std::size_t kMaxPluginName = 64;
constexpr std::size_t kMaxList = 64;  ///< capabilities, paths

/// A struct of another size as ours: what it covers, zero beyond.
template <typename T>
T sized_copy(const void* from, std::size_t size) {
  T out{};
  std::memcpy(&out, from, std::min(size, sizeof(T)));
  return out;
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

bool is_name(std::string_view s) {
  return !s.empty() && is_letter(s[0]) &&
         std::all_of(s.begin(), s.end(), [](char c) { return is_letter(c) || is_digit(c); });
}
bool is_slug(std::string_view s, std::string_view also) {
  return !s.empty() && is_lower(s[0]) && std::all_of(s.begin(), s.end(), [&](char c) {
    return is_lower(c) || is_digit(c) || also.find(c) != std::string_view::npos;
  });
}

/// Reads one table. After the first fault everything is skipped.
class Reader {
 public:
  Result<Declaration> read(const tm_plugin_v1& table) {
    if (table.size < kTableLeast || table.size > kSizeMost) {
      fault("its table has size " + std::to_string(table.size) + ", expected at least " +
            std::to_string(kTableLeast));
      return failure();
    }
    Declaration out;
    out.calls = sized_copy<tm_plugin_v1>(&table, table.size);
    const tm_plugin_v1& t = out.calls;
    Described& d = out.described;
    d.name = text(t.name, kMaxPluginName, "the plugin's name");
    if (!is_slug(d.name, "_-")) fault("its name is \"" + d.name + "\", expected [a-z][a-z0-9_-]*");
    d.version = text(t.version, kMaxPluginName, "the plugin's version");
    if (d.version.empty()) fault("its version is empty");
    d.abi_minor = t.minor;
    d.state_version = t.state_version;
    functions(t);
    metrics(t, d);
    options(t, d);
    if (t.needs != nullptr) needs(*t.needs, d);
    if (fault_) return failure();
    if (encode_frame(FromHost(d)).size() > kMaxFrame) {
      fault("its declaration is over " + std::to_string(kMaxFrame) + " bytes");
      return failure();
    }
    return out;
  }

 private:
  void fault(const std::string& what) {
    if (!fault_) fault_ = what;
  }
  Error failure() const {
    return Error{"is no usable plugin: " + plain_text(*fault_, wire::kMaxTextBytes),
                 {},
                 "see <tallyman/plugin.h>"};
  }

  std::string text(const char* s, std::size_t max, const std::string& what) {
    if (s == nullptr) {
      fault(what + " is NULL");
      return {};
    }
    const std::size_t n = ::strnlen(s, max + 1);
    std::string out(s, std::min(n, max));
    if (n > max) fault(what + " is over " + std::to_string(max) + " bytes");
    if (!is_plain_text(out)) fault(what + " is not UTF-8 without control characters");
    return out;
  }

  void functions(const tm_plugin_v1& t) {
    if (t.create == nullptr) fault("create is NULL");
    if (t.poll == nullptr) fault("poll is NULL");
    if (t.destroy == nullptr) fault("destroy is NULL");
    if (t.state_version != 0 && (t.save == nullptr || t.restore == nullptr)) {
      fault("it has a state_version, but save or restore is NULL");
    }
  }

  /// A NULL-terminated array, or NULL.
  std::vector<std::string> list(const char* const* items, std::size_t max_items,
                                std::size_t max_bytes, const std::string& what) {
    std::vector<std::string> out;
    for (std::size_t i = 0; !fault_ && items != nullptr && items[i] != nullptr; ++i) {
      if (i == max_items) fault("more than " + std::to_string(max_items) + " " + what);
      out.push_back(text(items[i], max_bytes, what));
    }
    return out;
  }

  std::vector<std::string> labels(const char* const* items, const std::string& what,
                                  std::set<std::string>& seen) {
    std::vector<std::string> out = list(items, wire::kMaxLabels, wire::kMaxNameBytes, what);
    for (const std::string& label : out) {
      const bool fresh = seen.insert(label).second;
      if (is_name(label) && fresh) continue;
      std::string words = what;
      words += ": \"" + label + "\" ";
      words += fresh ? "is no name [a-zA-Z_][a-zA-Z0-9_]*" : "stands there twice";
      fault(words);
    }
    return out;
  }

  /// Checks an array of structs with a stride.
  bool array(const void* items, std::uint32_t n, std::uint32_t stride, std::size_t least,
             const std::string& what) {
    if (n == 0) return false;
    if (items == nullptr) fault("it has " + std::to_string(n) + " " + what + " at NULL");
    if (n > kMaxMetrics) {
      fault("it has " + std::to_string(n) + " " + what + ", at most " +
            std::to_string(kMaxMetrics) + " are taken");
    }
    if (stride < least || stride > kSizeMost || stride % alignof(void*) != 0) {
      fault("the size of one of its " + what + " is given as " + std::to_string(stride) +
            ", expected at least " + std::to_string(least));
    }
    return !fault_;
  }

  void metrics(const tm_plugin_v1& t, Described& d) {
    if (t.n_metrics == 0) fault("it declares no metric");
    if (!array(t.metrics, t.n_metrics, t.metric_size, kMetricLeast, "metrics")) return;
    std::set<std::string> names;
    for (std::uint32_t i = 0; i < t.n_metrics; ++i) {
      const auto* at = reinterpret_cast<const char*>(t.metrics) + std::size_t{i} * t.metric_size;
      d.metrics.push_back(metric(sized_copy<tm_metric>(at, t.metric_size), i));
      if (!names.insert(d.metrics.back().name).second) {
        fault("the metric " + d.metrics.back().name + " is declared twice");
      }
    }
  }

  wire::MetricDef metric(const tm_metric& m, std::uint32_t index) {
    wire::MetricDef out;
    out.name = text(m.name, wire::kMaxNameBytes, "the name of metric " + std::to_string(index));
    if (!is_name(out.name)) {
      fault("metric " + std::to_string(index) + " is named \"" + out.name +
            "\", expected [a-zA-Z_][a-zA-Z0-9_]*");
    }
    out.unit = text(m.unit, wire::kMaxNameBytes, "the unit of " + out.name);
    if (out.unit.empty()) fault("the unit of " + out.name + " is empty");
    out.help = text(m.help, wire::kMaxTextBytes, "the help of " + out.name);
    if (m.kind != TM_COUNTER && m.kind != TM_GAUGE) {
      fault("the kind of " + out.name + " is " + std::to_string(m.kind) +
            ", expected TM_COUNTER or TM_GAUGE");
    }
    out.kind = m.kind == TM_GAUGE ? wire::Kind::gauge : wire::Kind::counter;
    if (m.resolution_ns > static_cast<std::uint64_t>(366 * kDay)) {
      fault("the resolution of " + out.name + " is over a year");
    }
    out.resolution = static_cast<Ns>(m.resolution_ns);
    std::set<std::string> seen;
    out.identity = labels(m.identity, "identity labels of " + out.name, seen);
    out.info = labels(m.info, "info labels of " + out.name, seen);
    return out;
  }

  void options(const tm_plugin_v1& t, Described& d) {
    if (!array(t.options, t.n_options, t.option_size, kOptionLeast, "options")) return;
    std::set<std::string> keys;
    for (std::uint32_t i = 0; i < t.n_options; ++i) {
      const auto* at = reinterpret_cast<const char*>(t.options) + std::size_t{i} * t.option_size;
      const auto o = sized_copy<tm_option>(at, t.option_size);
      OptionDef out;
      out.key = text(o.key, wire::kMaxNameBytes, "the key of option " + std::to_string(i));
      if (!is_slug(out.key, "_.-")) {
        fault("option " + std::to_string(i) + " has the key \"" + out.key +
              "\", expected [a-z][a-z0-9_.-]*");
      }
      if (!keys.insert(out.key).second) fault("the option " + out.key + " is declared twice");
      if (o.fallback != nullptr) {
        out.fallback = text(o.fallback, kMaxOptionBytes, "the fallback of option " + out.key);
      }
      out.help = text(o.help, wire::kMaxTextBytes, "the help of option " + out.key);
      d.options.push_back(std::move(out));
    }
  }

  void needs(const tm_needs& raw, Described& d) {
    if (raw.size < kNeedsLeast || raw.size > kSizeMost) {
      fault("its needs have size " + std::to_string(raw.size) + ", expected at least " +
            std::to_string(kNeedsLeast));
      return;
    }
    const auto n = sized_copy<tm_needs>(&raw, raw.size);
    if (n.network > 1) fault("needs.network is " + std::to_string(n.network) + ", expected 0 or 1");
    d.needs.network = n.network == 1;
    if (n.user != nullptr) d.needs.user = text(n.user, wire::kMaxNameBytes, "needs.user");
    d.needs.capabilities = list(n.capabilities, kMaxList, wire::kMaxNameBytes, "capabilities");
    d.needs.paths = list(n.paths, kMaxList, kMaxOptionBytes, "paths");
    for (std::string_view path : d.needs.paths) {
      if (path.starts_with('+')) path.remove_prefix(1);
      const bool known = path.starts_with('@') &&
                         std::any_of(d.options.begin(), d.options.end(),
                                     [&](const OptionDef& o) { return o.key == path.substr(1); });
      if (!known && !path.starts_with('/')) {
        fault("needs.paths has \"" + std::string(path) +
              "\", expected an absolute path or @ and the key of an option");
      }
    }
  }

  std::optional<std::string> fault_;
};

}  // namespace

Result<Declaration> read_declaration(const tm_plugin_v1& table) { return Reader().read(table); }

}  // namespace tallyman::host
