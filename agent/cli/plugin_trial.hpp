#pragma once
// What a plugin does when it is loaded, created, polled, saved and restored as an agent would, and
// no agent is there.

#include <string>
#include <vector>

#include "agent/config.hpp"
#include "agent/host_protocol.hpp"
#include "agent/instance/limits.hpp"
#include "app/loop.hpp"
#include "wire/model.hpp"
#include "wire/reading_json.hpp"

namespace tallyman::cli {

struct TrialPlan {
  std::string plugin_host;  ///< the program
  std::string file;
  agent::InstanceConfig config;  ///< options, limits and the deadline of a poll
  unsigned polls = 3;
  Ns between = 200 * kMillisecond;
};

struct TrialPoll {
  std::string why;  ///< why it gave nothing; empty = it is good
  Ns took = 0;
  Ns wall = 0;         ///< when it had ended
  agent::Usage usage;  ///< after it
  std::vector<wire::ReadingLine> readings;
  std::vector<wire::GapLine> gaps;  ///< the parts it named
  std::size_t state_bytes = 0;
};

struct Trial {
  agent::Described declared;  ///< empty when it was not even loaded
  bool loaded = false;
  std::string ended;              ///< why it went no further than it did; empty = all went its way
  std::vector<TrialPoll> polls;   ///< in order; the last one is of the restored, if there is one
  bool restored = false;          ///< the state of the last poll was taken by another process
  std::string not_restored;       ///< why not
  std::string not_stopped;        ///< why it did not end when it was told to; empty = it did
  std::vector<std::string> said;  ///< log lines and what it printed; the first of them
};

constexpr std::size_t kMostSaid = 50;

/// Blocks, at most for the deadlines of a start and of each poll; the loop is run meanwhile, and
/// nothing of the plugin is left behind.
[[nodiscard]] Trial try_plugin(app::EventLoop& loop, const TrialPlan& plan);

}  // namespace tallyman::cli
