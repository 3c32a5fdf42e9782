#pragma once
// The command line's words for people's decisions: catalogue, audit, anomaly, waive, close,
// release, review.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "rater/cli/client.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tallyman::rater::cli {

/// A decision's `--why`: wanted, and not blank.
CLI::Option* want_why(CLI::App& command, std::string& why);

/// Declares the commands, and runs the one that was given. Owned by main(); outlives the parsing.
class DecisionWords {
 public:
  /// Makes a command that asks the daemon, with --socket, --config and --json.
  using Client = std::function<CLI::App*(CLI::App& under, const char* name, const char* does)>;

  void declare(CLI::App& app, const Client& client);
  /// The exit status; nothing when another command was given.
  [[nodiscard]] std::optional<int> run(const Target& target, const CLI::App& app) const;

 private:
  void declare_catalogue(CLI::App& app, const Client& client);
  void declare_usage(CLI::App& app, const Client& client);
  void declare_periods(CLI::App& app, const Client& client);
  [[nodiscard]] int run_anomaly(const Target& target, const CLI::App& anomaly) const;
  [[nodiscard]] int run_catalogue(const Target& target, const CLI::App& catalogue) const;

  std::string why_, path_, period_, from_, to_, id_, resource_, quantity_, against_;
  bool adjust_ = false, open_ = false, withdraw_ = false, series_ = false;
};

}  // namespace tallyman::rater::cli
