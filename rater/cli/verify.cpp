#include "rater/cli/verify.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/exit.hpp"
#include "app/table.hpp"
#include "rater/cli/progress.hpp"
#include "rater/ledger/ledger_verify.hpp"

namespace tallyman::rater::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kWorthProgress = 10'000;  ///< batches

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string text_of(const LedgerReport& report, const LedgerFinding& finding) {
  std::string out = report.path + ": ";
  if (!finding.table.empty()) out += "table " + finding.table + ": ";
  if (!finding.agent.empty()) out += finding.agent + "/" + finding.incarnation.substr(0, 8) + ": ";
  const bool batch =
      finding.table != "definition" && finding.table != "audit" && finding.table != "catalogue";
  const char* one = batch ? "batch " : "number ";
  if (finding.first != 0 && finding.first == finding.last)
    out += one + std::to_string(finding.first) + ": ";
  if (finding.first != finding.last)
    out +=
        "batches " + std::to_string(finding.first) + " to " + std::to_string(finding.last) + ": ";
  return "damage: " + out + finding.what + "\n";
}

std::string json_of(const LedgerReport& report) {
  Json out;
  out["ledger"] = report.path;
  out["id"] = report.id;
  out["streams"] = report.streams;
  out["batches"] = report.batches;
  out["bytes"] = report.bytes;
  out["definitions"] = report.definitions;
  out["decisions"] = report.decisions;
  out["decision_hash"] = to_hex(report.decision_hash);
  out["damages"] = report.damages;
  out["findings"] = Json::array();
  for (const auto& finding : report.findings) {
    Json one;
    one["what"] = finding.what;
    one["table"] = finding.table;
    one["agent"] = finding.agent;
    one["incarnation"] = finding.incarnation;
    one["first"] = finding.first == 0 ? Json() : Json(finding.first);
    one["last"] = finding.last == 0 ? Json() : Json(finding.last);
    out["findings"].push_back(one);
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

int verify(const std::string& ledger, bool json) {
  const auto report = verify_ledger(ledger, progress_line("batches", kWorthProgress));
  if (!report.ok()) {
    app::complain("tallyman-rater", report.error());
    return app::kUsage;
  }
  const int exit = report->damages == 0 ? app::kDone : app::kFound;
  if (json) {
    print(json_of(*report));
    return exit;
  }
  for (const auto& finding : report->findings) print(text_of(*report, finding));
  std::string summary = ledger + ": ledger " + report->id + ", " + std::to_string(report->streams) +
                        " streams, " + std::to_string(report->batches) + " batches, " +
                        app::human_bytes(report->bytes) + ", " + std::to_string(report->decisions) +
                        " decisions";
  print(summary +
        (exit == app::kDone ? ": whole\n" : ": " + std::to_string(report->damages) + " damages\n"));
  return exit;
}

}  // namespace tallyman::rater::cli
