#include "rater/cli/reconcile.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/exit.hpp"
#include "app/table.hpp"
#include "rater/views/reconcile.hpp"

namespace tallyman::rater::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShown = 1000;    ///< lines on a terminal
constexpr std::size_t kShortHash = 12;  ///< digits

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

Json json_of(const Unreconciled& finding) {
  Json out{{"what", unreconciled_name(finding.what)}, {"id", finding.id}};
  if (finding.key) {
    out["customer"] = finding.key->customer;
    out["meter"] = finding.key->meter;
    out["revision"] = finding.key->revision;
  }
  if (!finding.other.empty()) out["other"] = finding.other;
  return out;
}

void print_json(const std::string& period, const Reconciliation& done, bool list) {
  Json out{{"period", period},
           {"released", done.released},
           {"confirmed", done.confirmed},
           {"waiting", done.waiting},
           {"skipped", done.skipped}};
  if (list) {
    out["received"] = done.received;
    out["repeated"] = done.repeated;
    out["elsewhere"] = done.elsewhere;
  }
  out["findings"] = Json::array();
  for (const Unreconciled& finding : done.findings) out["findings"].push_back(json_of(finding));
  print(out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void print_table(const Reconciliation& done) {
  app::Table table({"CUSTOMER", "METER", ">REVISION", "ID", "WHAT"});
  for (std::size_t i = 0; i < std::min(done.findings.size(), kShown); ++i) {
    const Unreconciled& finding = done.findings[i];
    const bool mild =
        finding.what == Unreconciled::What::waiting || finding.what == Unreconciled::What::skipped;
    std::string ids = finding.id.substr(0, kShortHash);
    if (!finding.other.empty()) ids += " " + finding.other.substr(0, kShortHash);
    const bool period = finding.key && finding.key->meter.empty();
    table.row(
        {{finding.key ? (finding.key->customer.empty() ? "(all)" : finding.key->customer) : "-"},
         {period        ? "(period)"
          : finding.key ? finding.key->meter
                        : "-"},
         {finding.key ? std::to_string(finding.key->revision) : "-"},
         {ids},
         {unreconciled_text(finding.what), mild ? app::Colour::warn : app::Colour::bad}});
  }
  print(table.text(app::stdout_has_colour()));
  if (done.findings.size() > kShown) {
    print("… and " + std::to_string(done.findings.size() - kShown) + " more: see --json\n");
  }
}

std::string summary_of(const std::string& period, const Reconciliation& done, bool list) {
  std::string out = period + ": " + std::to_string(done.released) + " released, " +
                    std::to_string(done.confirmed) + " confirmed, " + std::to_string(done.waiting) +
                    " waiting, " + std::to_string(done.skipped) + " left out";
  if (list) {
    out += ", " + std::to_string(done.received) + " received";
    if (done.repeated > 0) out += " (" + std::to_string(done.repeated) + " lines again)";
    if (done.elsewhere > 0) out += ", " + std::to_string(done.elsewhere) + " of other periods";
  }
  return out + (done.findings.empty()
                    ? ": all the same\n"
                    : ": " + std::to_string(done.findings.size()) + " differences\n");
}

int fail(const Error& error, int status) {
  app::complain("tallyman-rater", error);
  return status;
}

}  // namespace

int reconcile(const std::string& ledger, const std::string& received, const std::string& period,
              bool json) {
  Received list;
  const bool listed = !received.empty();
  if (listed) {
    std::ifstream in(received, std::ios::binary);
    if (!in) return fail({"cannot read the list", received, "name a CSV file"}, app::kUsage);
    list = read_received(in);
    for (Error error : list.errors) {
      error.where = received + ":" + error.where;
      app::complain("tallyman-rater", error);
    }
    if (!list.errors.empty()) return app::kUsage;
  }
  const RealClock clock{};
  const auto snapshot = Snapshot::open(ledger, clock);
  if (!snapshot) return fail(snapshot.error(), app::kUsage);
  const auto published = published_period(**snapshot, period, list.lines);
  if (!published) return fail(published.error(), app::kUsage);
  if (published->released.empty()) {
    return fail({"nothing of this period is released", period,
                 "see `tallyman-rater periods`, and release it"},
                app::kFound);
  }
  const Reconciliation done = rater::reconcile(*published, listed ? &list.lines : nullptr);
  if (json) {
    print_json(period, done, listed);
  } else {
    if (!done.findings.empty()) print_table(done);
    print(summary_of(period, done, listed));
  }
  return done.findings.empty() ? app::kDone : app::kFound;
}

}  // namespace tallyman::rater::cli
