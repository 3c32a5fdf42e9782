#include "rater/cli/view_commands.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <tuple>

#include "app/exit.hpp"
#include "rater/cli/compare.hpp"
#include "rater/cli/reconcile.hpp"
#include "rater/cli/replay.hpp"

namespace tallyman::rater::cli {
namespace {

CLI::App* view(CLI::App& app, ViewArguments& arguments, const char* name, const char* does) {
  CLI::App* command = app.add_subcommand(name, does);
  command->add_option("--ledger", arguments.ledger, "the ledger's file, in use or a copy");
  command->add_option("--config", arguments.config, "rater.toml, for its `ledger`");
  command->add_flag("--json", arguments.json, "one JSON document");
  return command;
}

}  // namespace

void declare_views(CLI::App& app, ViewArguments& arguments) {
  view(app, arguments, "replay",
       "rate a closed period and its adjustments again from raw batches; exit 1 and a diff unless "
       "every byte is the same")
      ->add_option("period", arguments.period, "which period; else the latest");
  CLI::App* explain = view(app, arguments, "explain",
                           "the evidence of a usage record, down to the raw readings; exit 1 if it "
                           "is not reproduced or the chain is damaged");
  explain
      ->add_option("record", arguments.explain.record,
                   "its id, or an adjustment's; or CUSTOMER METER PERIOD")
      ->required()
      ->expected(1, 3);
  explain->add_option("--slot", arguments.explain.slot,
                      "all intervals of the slot that holds this instant");
  CLI::App* shadow = view(app, arguments, "shadow",
                          "what another catalogue would have billed for a closed period");
  shadow->add_option("--catalogue", arguments.catalogue, "the other catalogue")->required();
  shadow->add_option("period", arguments.period, "which period")->required();
  CLI::App* compare = view(app, arguments, "compare",
                           "a closed period against an old billing system, differences first; exit "
                           "1 if one is beyond the tolerance");
  compare->add_option("period", arguments.period, "which period")->required();
  compare
      ->add_option("--with", arguments.old,
                   "CSV: customer,meter,quantity and, if you have them, amount and unit")
      ->required();
  compare->add_option("--tolerance", arguments.tolerance, "what may differ, such as 0.5%")
      ->capture_default_str();
  CLI::App* reconcile = view(app, arguments, "reconcile",
                             "what of a period was released, confirmed by the bus and received; "
                             "exit 1 if that is not the same");
  reconcile->add_option("period", arguments.period, "which period")->required();
  reconcile->add_option("--received", arguments.received,
                        "CSV from the invoice system: id and, if you have them, customer, meter, "
                        "period and revision");
  explain->add_flag("--full", arguments.explain.full, "all intervals of all slots");
}

bool run_view(const CLI::App& app, const ViewArguments& arguments, const LedgerOf& ledger_of,
              int& exit) {
  const auto given = [&](const char* name) { return app.got_subcommand(name); };
  constexpr const char* kViews[] = {"replay", "explain", "shadow", "compare", "reconcile"};
  if (std::none_of(std::begin(kViews), std::end(kViews), given)) return false;
  std::string ledger = arguments.ledger;
  exit = ledger.empty() ? ledger_of(arguments, ledger) : app::kDone;
  if (exit != app::kDone) return true;
  const auto& [period, json] = std::tie(arguments.period, arguments.json);
  if (given("replay")) {
    exit = replay(ledger, period, json);
    return true;
  }
  if (given("shadow")) {
    exit = shadow(ledger, arguments.catalogue, period, json);
    return true;
  }
  if (given("compare")) {
    exit = compare(ledger, arguments.old, arguments.tolerance, period, json);
    return true;
  }
  if (given("reconcile")) {
    exit = reconcile(ledger, arguments.received, period, json);
    return true;
  }
  ExplainQuestion question = arguments.explain;
  question.json = arguments.json;
  exit = explain(ledger, question);
  return true;
}

}  // namespace tallyman::rater::cli
