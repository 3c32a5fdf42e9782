#include "mgr_part.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "printable.hpp"

namespace ceph {
namespace {

using tallyman::plugin::epoch;
using tallyman::plugin::Labels;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr const char* kNoRoom = "more figures than fit into a poll";

struct PoolMetric {
  Metric metric;
  std::optional<Amount> PoolFigures::*figure;
  bool counter, quota;
};

constexpr PoolMetric kPoolMetrics[] = {
    {kPoolStored, &PoolFigures::stored, false, false},
    {kPoolUsed, &PoolFigures::used, false, false},
    {kPoolObjects, &PoolFigures::objects, false, false},
    {kPoolRead, &PoolFigures::read, true, false},
    {kPoolWritten, &PoolFigures::written, true, false},
    {kPoolQuotaBytes, &PoolFigures::quota_bytes, false, true},
    {kPoolQuotaObjects, &PoolFigures::quota_objects, false, true}};

std::string refuse_standby(const std::string& body) {
  return body.find("ceph_pool_metadata{") == std::string::npos ? "it stands by, or knows no pool"
                                                               : "";
}

}  // namespace

MgrPart::MgrPart(MgrOptions options) : options_(std::move(options)) {}

HttpRequest MgrPart::request() const {
  return {options_.endpoints, "/metrics", nullptr, refuse_standby};
}

void MgrPart::all_unknown(Outlet& out, const std::string& why) const {
  if (options_.pools) out.gap(why, *options_.pools);
  if (options_.images) out.gap(why, *options_.images);
}

std::string MgrPart::stale(const MgrMetrics& metrics, const std::string& endpoint,
                           std::int64_t now) {
  if (!metrics.collections || !metrics.collections->exact) return {};
  const std::uint64_t collections = metrics.collections->value;
  const auto [known, fresh] = looks_.try_emplace(endpoint, Looks{collections, now});
  Looks& looks = known->second;
  if (fresh || collections != looks.collections) {
    looks = {collections, now};
    return {};
  }
  if (now - looks.changed <= stale_after(options_.scrape)) return {};
  return endpoint + " has answered the same for " +
         std::to_string((now - looks.changed) / kSecond) + " s: its cache is stale";
}

void MgrPart::prefer(const std::string& endpoint) {
  auto& order = options_.endpoints;
  const auto first = std::find(order.begin(), order.end(), endpoint);
  if (first != order.end()) std::rotate(order.begin(), first, first + 1);
}

void MgrPart::leave(const std::string& endpoint, Outlet& out, const std::string& why) {
  all_unknown(out, why);
  auto& order = options_.endpoints;
  const auto it = std::find(order.begin(), order.end(), endpoint);
  if (it != order.end()) std::rotate(it, it + 1, order.end());
}

void MgrPart::learn_capacity(const MgrMetrics& metrics) {
  if (!metrics.total || !metrics.total->exact || metrics.total->value == 0) return;
  capacity_ = std::to_string(std::bit_ceil(metrics.total->value));
}

void MgrPart::take(const HttpAnswer& answer, Outlet& out, MgrState& state) {
  if (!answer.good()) {
    all_unknown(out, answer.status == 0
                         ? answer.why
                         : answer.endpoint + " answered " + std::to_string(answer.status));
    return;
  }
  const std::string endpoint = answer.endpoint;
  const auto parsed = parse_mgr_metrics(answer.body);
  if (const auto* fault = std::get_if<Fault>(&parsed)) {
    return leave(endpoint, out, endpoint + ": " + fault->what);
  }
  const auto& metrics = std::get<MgrMetrics>(parsed);
  const std::string why = stale(metrics, endpoint, out.scheduled());
  if (!why.empty()) return leave(endpoint, out, why);
  const bool had_images = !state.images.empty() && metrics.active == state.active &&
                          metrics.collections && metrics.collections->value >= state.collections;
  MgrStep step = advance(std::move(state), metrics, out.scheduled(), options_.scrape);
  state = std::move(step.next);
  if (!step.why.empty()) return leave(endpoint, out, endpoint + ": " + step.why);
  learn_capacity(metrics);
  prefer(endpoint);  // a mgr that hangs is not asked first again and again
  if (options_.pools) {
    for (const PoolTold& pool : step.pools) tell(out, pool);
  }
  if (options_.images && !step.images_why.empty()) {
    out.gap(endpoint + ": " + step.images_why, *options_.images);
  } else if (options_.images && metrics.images.empty() && !had_images) {
    out.gap("the mgr tells of no images; ceph config set mgr mgr/prometheus/rbd_stats_pools POOLS",
            *options_.images);
  } else if (options_.images) {
    for (const ImageTold& image : step.images) tell(out, image);
  }
}

void MgrPart::tell(Outlet& out, const PoolTold& pool) const {
  const std::uint64_t life = epoch("pool", pool.id, pool.life.birth, pool.life.from_zero);
  for (const PoolMetric& each : kPoolMetrics) {
    const std::optional<Amount>& figure = pool.figures->*each.figure;
    std::string why = pool.why;
    if (why.empty() && each.counter) why = pool.counters_why;
    if (why.empty() && !figure) why = "the mgr does not tell it";
    if (why.empty() && !figure->exact) why = "the mgr's figure is no exact whole number";
    if (!why.empty()) {
      out.gap(each.metric, {pool.id}, "pool " + pool.figures->name + ": " + why, *options_.pools);
      continue;
    }
    if (each.quota && figure->value == 0) continue;  // there is none
    const std::string name = printable(pool.figures->name), type = printable(pool.figures->type);
    const bool told = out.emit(
        {.metric = each.metric,
         .value = figure->value,
         .epoch = each.counter ? life : 0,
         .start = each.counter ? pool.life.start() : 0,
         .identity = {pool.id},
         .info = each.metric == kPoolUsed ? Labels{name, type, capacity_} : Labels{name, type},
         .source = *options_.pools});
    if (!told) out.gap(each.metric, {pool.id}, kNoRoom, *options_.pools);
  }
}

void MgrPart::tell(Outlet& out, const ImageTold& image) const {
  const ImageName& name = *image.name;
  const std::uint64_t life =
      epoch("image", name.pool, name.space, name.image, image.life.birth, image.life.from_zero);
  const std::string pool = printable(name.pool), space = printable(name.space),
                    only = printable(name.image);
  for (const auto& [metric, figure] : {std::pair(kImageRead, &ImageFigures::read),
                                       std::pair(kImageWritten, &ImageFigures::written)}) {
    if (!image.why.empty()) {
      out.gap(metric, {pool, space, only}, image.why, *options_.images);
      continue;
    }
    const bool told = out.emit({.metric = metric,
                                .value = (image.figures->*figure)->value,
                                .epoch = life,
                                .start = image.life.start(),
                                .identity = {pool, space, only},
                                .source = *options_.images});
    if (!told) out.gap(metric, {pool, space, only}, kNoRoom, *options_.images);
    if (!image.lost.empty()) {
      out.gap(metric, {pool, space, only}, image.lost, *options_.images);
    }
  }
}

}  // namespace ceph
