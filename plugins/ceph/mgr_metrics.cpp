#include "mgr_metrics.hpp"

#include <charconv>
#include <cmath>
#include <utility>

namespace ceph {
namespace {

constexpr double kLastExact = 9007199254740992.0;  // 2^53

using Labels = std::map<std::string, std::string, std::less<>>;

struct Sample {
  std::string_view name;
  Labels labels;
  std::string_view value;
};

bool in_a_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == ':';
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

std::string_view take_name(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && in_a_name(text[n])) ++n;
  const std::string_view name = text.substr(0, n);
  text.remove_prefix(n);
  return name;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/// A quoted value, its escapes resolved.
std::optional<std::string> take_quoted(std::string_view& text) {
  if (!take(text, '"')) return std::nullopt;
  std::string out;
  while (!text.empty() && text.front() != '"') {
    char c = text.front();
    text.remove_prefix(1);
    if (c == '\\') {
      if (text.empty()) return std::nullopt;
      c = text.front() == 'n' ? '\n' : text.front();
      text.remove_prefix(1);
    }
    out += c;
  }
  if (!take(text, '"')) return std::nullopt;
  return out;
}

bool take_labels(std::string_view& text, Labels& labels) {
  if (!take(text, '{')) return true;
  while (!take(text, '}')) {
    skip_blanks(text);
    const std::string_view name = take_name(text);
    if (name.empty() || !take(text, '=')) return false;
    std::optional<std::string> value = take_quoted(text);
    if (!value) return false;
    labels.insert_or_assign(std::string(name), std::move(*value));
    skip_blanks(text);
    if (!take(text, ',') && (text.empty() || text.front() != '}')) return false;
  }
  return true;
}

std::optional<Sample> sample_of(std::string_view line) {
  Sample sample;
  sample.name = take_name(line);
  if (sample.name.empty() || !take_labels(line, sample.labels)) return std::nullopt;
  skip_blanks(line);
  sample.value = line.substr(0, line.find(' '));
  if (sample.value.empty()) return std::nullopt;
  return sample;
}

Amount amount_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  if (!(value >= 0) || value > kLastExact || std::floor(value) != value) return {};
  return {static_cast<std::uint64_t>(value), true};
}

const std::pair<std::string_view, std::optional<Amount> PoolFigures::*> kOfPools[] = {
    {"ceph_pool_stored", &PoolFigures::stored},
    {"ceph_pool_bytes_used", &PoolFigures::used},
    {"ceph_pool_objects", &PoolFigures::objects},
    {"ceph_pool_rd_bytes", &PoolFigures::read},
    {"ceph_pool_wr_bytes", &PoolFigures::written},
    {"ceph_pool_quota_bytes", &PoolFigures::quota_bytes},
    {"ceph_pool_quota_objects", &PoolFigures::quota_objects},
    {"ceph_pg_total", &PoolFigures::groups},
    {"ceph_pg_unknown", &PoolFigures::unknown_groups}};

const std::pair<std::string_view, std::optional<Amount> ImageFigures::*> kOfImages[] = {
    {"ceph_rbd_read_bytes", &ImageFigures::read}, {"ceph_rbd_write_bytes", &ImageFigures::written}};

constexpr std::string_view kCollections = "ceph_prometheus_collect_duration_seconds_count";

bool metered(std::string_view line) {
  for (const std::string_view start :
       {"ceph_pool_", "ceph_pg_", "ceph_rbd_", "ceph_mgr_status", "ceph_cluster_total_bytes"}) {
    if (line.starts_with(start)) return true;
  }
  return line.starts_with(kCollections);
}

/// The lines one by one into what they are about.
class Collector {
 public:
  explicit Collector(MgrMetrics& out) : out_(out) {}

  /// False when a label is missing or the same figure stands there twice.
  bool add(const Sample& sample) {
    if (sample.name == "ceph_pool_metadata") return metadata(sample);
    for (const auto& [name, field] : kOfPools) {
      if (sample.name == name) return pool(sample, field);
    }
    for (const auto& [name, field] : kOfImages) {
      if (sample.name == name) return image(sample, field);
    }
    if (sample.name == "ceph_cluster_total_bytes") out_.total = amount_of(sample.value);
    if (sample.name == kCollections && label(sample, "method") == "get_health") {
      out_.collections = amount_of(sample.value);
    }
    const Amount one = amount_of(sample.value);
    if (sample.name == "ceph_mgr_status" && one.exact && one.value == 1) {
      out_.active = label(sample, "ceph_daemon");
    }
    return true;
  }

 private:
  static std::string label(const Sample& sample, std::string_view name) {
    const auto it = sample.labels.find(name);
    return it == sample.labels.end() ? std::string() : it->second;
  }
  template <typename Figures>
  static bool set(Figures& figures, std::optional<Amount> Figures::*field, const Sample& sample) {
    if ((figures.*field).has_value()) return false;
    figures.*field = amount_of(sample.value);
    return true;
  }
  bool metadata(const Sample& sample) {
    const std::string id = label(sample, "pool_id");
    if (id.empty() || label(sample, "name").empty()) return false;
    out_.pools[id].name = label(sample, "name");
    out_.pools[id].type = label(sample, "type");
    return true;
  }
  bool pool(const Sample& sample, std::optional<Amount> PoolFigures::*field) {
    const std::string id = label(sample, "pool_id");
    return !id.empty() && set(out_.pools[id], field, sample);
  }
  bool image(const Sample& sample, std::optional<Amount> ImageFigures::*field) {
    const ImageName name{label(sample, "pool"), label(sample, "namespace"), label(sample, "image")};
    if (name.pool.empty() || name.image.empty()) return false;
    return set(out_.images[name], field, sample);
  }

  MgrMetrics& out_;
};

}  // namespace

std::variant<MgrMetrics, Fault> parse_mgr_metrics(std::string_view text) {
  MgrMetrics out;
  Collector collector(out);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t n = text.find('\n');
    const std::string_view line = text.substr(0, n);
    if (n == std::string_view::npos && metered(line)) {
      return Fault{"the answer of the mgr ends in mid-line"};
    }
    text.remove_prefix(n == std::string_view::npos ? text.size() : n + 1);
    if (!metered(line)) continue;
    const std::optional<Sample> sample = sample_of(line);
    if (!sample || !collector.add(*sample)) {
      return Fault{"line " + std::to_string(number) + " of the mgr's answer cannot be read"};
    }
  }
  // A pool that is told of but not named is not whole; one that is only named has its gap later.
  for (const auto& [id, pool] : out.pools) {
    if (pool.name.empty()) return Fault{"the mgr does not name pool " + id};
  }
  return out;
}

}  // namespace ceph
