#pragma once
// The commands that look at a ledger's file and ask no daemon: declared and run here, for main.

#include <functional>
#include <string>

#include "rater/cli/explain.hpp"

namespace CLI {
class App;
}

namespace tallyman::rater::cli {

struct ViewArguments {
  std::string ledger, config, period;
  ExplainQuestion explain;
  std::string catalogue, old, tolerance = "0%";  // of `shadow` and `compare`
  std::string received;                          // of `reconcile`
  bool json = false;
};

/// Adds the commands. The arguments outlive the app.
void declare_views(CLI::App& app, ViewArguments& arguments);

/// Finds the ledger's file: fills in the argument; an exit status other than 0 ends the command.
using LedgerOf = std::function<int(const ViewArguments& arguments, std::string& ledger)>;

/// Whether one of the commands was given; then `exit` is its status.
bool run_view(const CLI::App& app, const ViewArguments& arguments, const LedgerOf& ledger_of,
              int& exit);

}  // namespace tallyman::rater::cli
