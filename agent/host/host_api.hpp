#pragma once
// What the plugin calls: the host table, and the checks on everything that comes through it.

#include <tallyman/plugin.h>

#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/host/channel.hpp"
#include "agent/host/options.hpp"
#include "agent/host/series_table.hpp"
#include "base/clock.hpp"

namespace tallyman::host {

/// Which plugin call is under way: what the plugin may ask for depends on it.
enum class Call : std::uint8_t { none, create, restore, poll, save, destroy };

constexpr std::size_t kMaxSources = 10'000;

/// One plugin instance's host. Used on the thread that made it, which is the only one that may call
/// through the table: calls of others are refused and held against the plugin. Owned by Instance.
class HostApi {
 public:
  HostApi(const Described& plugin, Channel& channel, const Clock& clock);
  HostApi(const HostApi&) = delete;
  HostApi& operator=(const HostApi&) = delete;

  [[nodiscard]] const tm_host_v1* table() const { return &table_; }
  void configure(OptionValues options) { options_ = std::move(options); }

  /// Around each call into the plugin. end() gives what the plugin's status becomes, and why: what
  /// the plugin did wrong during the call outweighs what it returned.
  void begin(Call call);
  struct Outcome {
    CallStatus status = CallStatus::ok;
    std::string why;
  };
  [[nodiscard]] Outcome end(tm_status returned);

  /// After poll and save went well: sends what is buffered, and the handles no longer used.
  std::vector<Handle> finish_poll();
  [[nodiscard]] Bytes take_state() { return std::move(state_); }

 private:
  using Source = std::pair<wire::Scope, std::string>;

  static HostApi& of(void* ctx) { return *static_cast<HostApi*>(ctx); }
  // One of each entry of the table, as member functions: nothing they do throws but bad_alloc.
  void log(std::uint32_t level, const char* text);
  tm_status emit(const tm_reading& reading);
  tm_status gap(const tm_gap& part);
  std::uint32_t source(const char* id, std::uint32_t scope);
  tm_status write(const void* bytes, std::uint64_t n);
  const char* config(const char* key, std::uint32_t i);

  bool allowed(const char* function, bool here);
  /// Records the first fault of the call under way; `status` is what the call becomes.
  tm_status fault(CallStatus status, const std::string& what);
  bool reading_fits(const tm_reading& reading);
  bool labels_fit(const char* const* values, std::uint32_t n, const std::vector<std::string>& names,
                  const std::string& metric, const char* sort);
  bool one_more_gap();
  bool source_known(std::uint32_t source);
  SeriesTable::Entry* define(const SeriesKey& key, const std::string** bad_label);
  std::optional<wire::LabelValues> identity_values(const wire::MetricDef& metric,
                                                   std::span<const char* const> values,
                                                   const std::string** bad_label);
  tm_status give_up(std::uint32_t metric, std::uint32_t source, const std::string& label);
  wire::LabelValues info_values(std::uint32_t metric, std::span<const char* const> values);
  void send_log(std::uint8_t level, std::string_view text);
  void flush_readings();

  const Described& plugin_;
  Channel& channel_;
  const Clock& clock_;
  const std::thread::id thread_ = std::this_thread::get_id();
  tm_host_v1 table_{};
  OptionValues options_;
  std::vector<Source> sources_{{wire::Scope::host, ""}};  ///< by number
  std::map<Source, std::uint32_t> source_numbers_{{sources_[0], TM_THIS_HOST}};
  SeriesTable series_;

  Call call_ = Call::none;
  std::uint64_t poll_number_ = 0;
  std::size_t emitted_ = 0;                                     ///< readings of the poll under way
  std::size_t gaps_ = 0;                                        ///< likewise
  std::set<std::pair<std::uint32_t, std::uint32_t>> given_up_;  ///< metric and source, in the poll
  Readings readings_;
  Bytes state_;
  std::string why_;                   ///< of the plugin, by fail()
  Outcome fault_;                     ///< found by us
  std::atomic<bool> foreign_{false};  ///< a call came on another thread

  std::int64_t log_tokens_;
  Ns log_filled_ = 0;
  std::uint64_t log_dropped_ = 0;
};

}  // namespace tallyman::host
