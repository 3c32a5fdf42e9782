#include "rater/cli/decide.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/exit.hpp"

namespace tallyman::rater::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxCatalogue = std::size_t{24} << 20U;  ///< bytes of all its files

Result<std::string> text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in && !in.bad()) return text;
  return Error{"cannot read the catalogue", path.string(), "name a file that you may read"};
}

/// The file; or a folder's *.toml and *.json, by name.
Result<std::vector<CatalogueFile>> files_of(const std::string& given) {
  std::vector<fs::path> paths{given};
  std::error_code error;
  if (fs::is_directory(given, error)) {
    paths.clear();
    for (const auto& entry : fs::directory_iterator(given, error)) {
      const std::string kind = entry.path().extension().string();
      if (kind == ".toml" || kind == ".json") paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    if (paths.empty()) return Error{"no *.toml and no *.json is in this folder", given, ""};
  }
  std::vector<CatalogueFile> files;
  std::size_t size = 0;
  for (const fs::path& path : paths) {
    Result<std::string> text = text_of(path);
    if (!text) return text.error();
    size += text->size();
    if (size > kMaxCatalogue) return Error{"a catalogue has at most 24 MiB", given, ""};
    files.push_back({path.string(), std::move(*text)});
  }
  return files;
}

}  // namespace

CLI::Option* want_why(CLI::App& command, std::string& why) {
  const auto not_blank = [](const std::string& text) {
    const bool blank =
        std::all_of(text.begin(), text.end(), [](unsigned char c) { return c <= ' '; });
    return blank ? std::string("say why: it is kept with the decision") : std::string();
  };
  return command.add_option("--why", why, "the reason: kept with the decision")
      ->required()
      ->check(CLI::Validator(not_blank, "TEXT"));
}

void DecisionWords::declare(CLI::App& app, const Client& client) {
  declare_periods(app, client);
  declare_catalogue(app, client);
  declare_usage(app, client);
  CLI::App* audit = client(app, "audit", "what people decided: who, when and why");
  audit->require_subcommand(1);
  CLI::App* log = audit->add_subcommand("log", "every decision, in order");
  log->add_option("--after", from_, "only those after this number")->check(CLI::NonNegativeNumber);
  log->fallthrough();
}

void DecisionWords::declare_periods(CLI::App& app, const Client& client) {
  const auto add = [&](const char* name, const char* does) {
    CLI::App* command = client(app, name, does);
    command->add_option("period", period_, "which period");
    return command;
  };
  want_why(*add("close", "a period that has ended becomes drafts"), why_);
  CLI::App* review = add("review", "a closed period, to look at");
  review->add_option("--against", against_, "compare with this period; else with the one before");
  review->add_flag("--unattributed", series_, "list the series that nobody holds, too");
  want_why(*add("release", "the drafts of a period become immutable and go out"), why_);
}

void DecisionWords::declare_catalogue(CLI::App& app, const Client& client) {
  CLI::App* catalogue = client(app, "catalogue", "who is billed for what: its versions");
  catalogue->require_subcommand(1);
  const auto add = [&](const char* name, const char* does) {
    CLI::App* command = catalogue->add_subcommand(name, does);
    command->fallthrough();
    return command;
  };
  add("diff", "which customers, periods and amounts it would touch; nothing is changed")
      ->add_option("path", path_, "a file, or a folder of *.toml and *.json")
      ->required();
  CLI::App* apply = add("apply", "check a catalogue, keep it, and bring it into force");
  apply->add_option("path", path_, "a file, or a folder of *.toml and *.json")->required();
  apply->add_flag("--adjust", adjust_, "even where released periods come to differ");
  want_why(*apply, why_);
  add("log", "the versions that have been in force");
}

void DecisionWords::declare_usage(CLI::App& app, const Client& client) {
  CLI::App* anomaly = client(app, "anomaly", "counts that cannot be believed, and their fate");
  anomaly->require_subcommand(1);
  const auto add = [&](const char* name, const char* does) {
    CLI::App* command = anomaly->add_subcommand(name, does);
    command->fallthrough();
    return command;
  };
  add("ls", "each with its interval and the value at risk")
      ->add_flag("--open", open_, "only those that nobody has decided on");
  const auto decide = [&](const char* name, const char* does) {
    CLI::App* command = add(name, does);
    command->add_option("id", id_, "its id; the first digits will do")->required();
    want_why(*command, why_);
  };
  decide("accept", "its value counts, over its interval, as an estimate");
  decide("reject", "its value never counts; of its interval nothing is known");
  CLI::App* waive = client(app, "waive", "leave time out of what a customer is measured by");
  waive
      ->add_option("resource", resource_,
                   "CUSTOMER, CUSTOMER:LABEL=GLOB,… or LABEL=GLOB,…: labels as in the catalogue")
      ->required();
  waive->add_option("from", from_, "an instant like 2026-11-22T15:00:00Z")->required();
  waive->add_option("to", to_, "an instant after it")->required();
  waive->add_flag("--withdraw", withdraw_, "take the same waiver back");
  want_why(*waive, why_);
  CLI::App* correct = client(app, "correct", "put a person's figure in a record's place");
  correct->add_option("record", id_, "its id; the first digits will do")->required();
  CLI::Option* quantity =
      correct->add_option("--quantity", quantity_, "in the record's unit, like 12.5");
  CLI::Option* withdraw =
      correct->add_flag("--withdraw", withdraw_, "the computed figure after all");
  quantity->excludes(withdraw);
  want_why(*correct, why_);
}

std::optional<int> DecisionWords::run(const Target& target, const CLI::App& app) const {
  for (const char* command : {"close", "release", "review"}) {
    if (!app.got_subcommand(command)) continue;
    return ask(target, command,
               {{"period", period_},
                {"why", why_},
                {"against", against_},
                {"unattributed", series_ ? "yes" : ""}});
  }
  if (app.got_subcommand("audit")) return ask(target, "audit log", {{"from", from_}});
  if (app.got_subcommand("catalogue"))
    return run_catalogue(target, *app.get_subcommand("catalogue"));
  if (app.got_subcommand("anomaly")) return run_anomaly(target, *app.get_subcommand("anomaly"));
  if (app.got_subcommand("waive")) {
    return ask(target, "waive",
               {{"resource", resource_},
                {"from", from_},
                {"to", to_},
                {"withdraw", withdraw_ ? "yes" : ""},
                {"why", why_}});
  }
  if (app.got_subcommand("correct")) {
    if (quantity_.empty() && !withdraw_) {
      app::complain("tallyman-rater", Error{"correct wants --quantity or --withdraw", "", ""});
      return app::kUsage;
    }
    return ask(target, "correct", {{"record", id_}, {"quantity", quantity_}, {"why", why_}});
  }
  return std::nullopt;
}

int DecisionWords::run_anomaly(const Target& target, const CLI::App& anomaly) const {
  for (const char* verb : {"accept", "reject"}) {
    if (!anomaly.got_subcommand(verb)) continue;
    return ask(target, std::string("anomaly ") + verb, {{"id", id_}, {"why", why_}});
  }
  return ask(target, "anomaly ls", {{"open", open_ ? "yes" : ""}});
}

int DecisionWords::run_catalogue(const Target& target, const CLI::App& catalogue) const {
  if (catalogue.got_subcommand("log")) return ask(target, "catalogue log", {});
  const Result<std::vector<CatalogueFile>> files = files_of(path_);
  if (!files) {
    app::complain("tallyman-rater", files.error());
    return app::kUsage;
  }
  if (catalogue.got_subcommand("diff")) {
    return ask_with(target, "catalogue diff", {}, *files, false);
  }
  return ask_with(target, "catalogue apply", {{"why", why_}}, *files, adjust_);
}

}  // namespace tallyman::rater::cli
