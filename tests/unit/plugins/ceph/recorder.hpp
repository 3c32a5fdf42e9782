#pragma once
// A host that remembers what a poll told.

#include <string>
#include <tallyman/plugin.hpp>
#include <vector>

#include "ceph/metrics.hpp"

namespace ceph {

struct Told {
  std::uint32_t metric = 0, source = 0;
  std::uint64_t value = 0, epoch = 0;
  std::int64_t start = 0, time = 0;
  std::vector<std::string> identity, info;
};

class RecordingHost {
 public:
  RecordingHost() {
    table_.size = sizeof table_;
    table_.ctx = this;
    table_.emit = [](void* ctx, const tm_reading* r) -> tm_status {
      Told told{r->metric, r->source, r->value, r->epoch, r->start_ns, r->time_ns, {}, {}};
      for (std::uint32_t i = 0; i < r->n_identity; ++i) told.identity.emplace_back(r->identity[i]);
      for (std::uint32_t i = 0; i < r->n_info; ++i) told.info.emplace_back(r->info[i]);
      static_cast<RecordingHost*>(ctx)->readings.push_back(std::move(told));
      return TM_OK;
    };
    table_.gap = [](void* ctx, const tm_gap* g) -> tm_status {
      auto& me = *static_cast<RecordingHost*>(ctx);
      (g->metric == TM_ALL_METRICS ? me.source_gaps : me.series_gaps).emplace_back(g->why);
      return TM_OK;
    };
  }

  /// Runs one poll at an instant in seconds.
  template <typename Take>
  void poll(std::int64_t now, Take take) {
    readings.clear(), source_gaps.clear(), series_gaps.clear();
    const tm_poll request{sizeof(tm_poll), 0, now * 1'000'000'000, 0};
    tallyman::plugin::Poll poll(&table_, &request);
    Outlet out(poll);
    take(out);
  }
  [[nodiscard]] std::uint64_t sum(std::uint32_t metric) const {
    std::uint64_t sum = 0;
    for (const Told& told : readings) sum += told.metric == metric ? told.value : 0;
    return sum;
  }

  std::vector<Told> readings;
  std::vector<std::string> source_gaps, series_gaps;

 private:
  tm_host_v1 table_{};
};

}  // namespace ceph
