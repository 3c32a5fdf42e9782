#pragma once
// What waits to be written into the spool's next page, and what is owed to it while it is full.
// Pure.

#include <functional>
#include <vector>

#include "agent/instance/recorder.hpp"
#include "agent/spool/spool.hpp"
#include "wire/model.hpp"

namespace tallyman::agent {

/// Owned by the Journal; not thread-safe.
class Pending {
 public:
  /// Told once whether the poll's page is in the spool.
  using Outcome = std::function<void(bool committed)>;

  void add(RecordedPoll poll, Outcome outcome);
  /// A gap that continues the instance's last one, for the same reason, extends it; so does any gap
  /// of an instance that already waits with many (the cause is then the first one's).
  void add(const wire::Gap& gap);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t values() const { return values_; }
  [[nodiscard]] const std::vector<wire::Entry>& entries() const { return entries_; }
  [[nodiscard]] const std::vector<PluginState>& states() const { return states_; }
  /// The earliest instant that anything here stands for; `fallback` when nothing is here.
  [[nodiscard]] Ns earliest(Ns fallback) const;

  /// All of it is in the spool.
  void committed();
  /// None of it is: gaps stay, each poll becomes a gap of cause disk_full saying `why`. Returns the
  /// number of polls.
  std::size_t lost(const std::string& why);

 private:
  static constexpr std::size_t kManyGaps = 256;
  void settle(bool committed);

  std::vector<wire::Entry> entries_;
  std::vector<PluginState> states_;
  std::vector<Outcome> outcomes_;
  std::size_t values_ = 0;
};

}  // namespace tallyman::agent
