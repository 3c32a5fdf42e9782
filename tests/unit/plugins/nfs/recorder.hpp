#pragma once
// A host that remembers what a poll told.

#include <string>
#include <tallyman/plugin.hpp>
#include <vector>

#include "nfs/outlet.hpp"

namespace nfs::test {

struct Told {
  std::uint32_t metric = 0, source = 0;
  std::uint64_t value = 0, epoch = 0;
  std::int64_t start = 0;
  std::vector<std::string> identity, info;
};
struct ToldGap {
  std::uint32_t metric = 0, source = 0;
  std::vector<std::string> identity;
  std::string why;
};

class RecordingHost {
 public:
  RecordingHost() {
    table_.size = sizeof table_;
    table_.ctx = this;
    table_.emit = [](void* ctx, const tm_reading* r) -> tm_status {
      static_cast<RecordingHost*>(ctx)->readings.push_back(
          {r->metric,
           r->source,
           r->value,
           r->epoch,
           r->start_ns,
           {r->identity, r->identity + r->n_identity},
           {r->info, r->info + r->n_info}});
      return TM_OK;
    };
    table_.gap = [](void* ctx, const tm_gap* g) -> tm_status {
      static_cast<RecordingHost*>(ctx)->gaps.push_back(
          {g->metric, g->source, {g->identity, g->identity + g->n_identity}, g->why});
      return TM_OK;
    };
    table_.source = [](void* ctx, const char* id, std::uint32_t) -> std::uint32_t {
      auto& known = static_cast<RecordingHost*>(ctx)->sources;
      known.emplace_back(id);
      return static_cast<std::uint32_t>(known.size());
    };
  }

  /// Runs one poll at an instant in seconds.
  template <typename Take>
  void poll(std::int64_t now, Take take) {
    readings.clear(), gaps.clear();
    const tm_poll request{sizeof(tm_poll), 0, now * 1'000'000'000, 0};
    tallyman::plugin::Poll poll(&table_, &request);
    Outlet out(poll);
    take(out);
  }
  [[nodiscard]] tallyman::plugin::Host host() const { return tallyman::plugin::Host(&table_); }

  std::vector<Told> readings;
  std::vector<ToldGap> gaps;
  std::vector<std::string> sources;

 private:
  tm_host_v1 table_{};
};

}  // namespace nfs::test
