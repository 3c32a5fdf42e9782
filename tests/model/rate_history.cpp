// The product's side of the comparison with the model (tests/model/model.py). Standard input: a
// history a line, as tests/model/history.py writes them. Standard output: for each a line,
//   {"periods": {ID: {"records": [data …], "unattributed": […], "anomalies": […]} or {"error"}},
//    "decisions": the audit log, "differs": null or what another order of the same batches came to}
// What it runs is the rater's own: real batches through the intake, the usage store and a close.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

#include "app/log.hpp"
#include "base/time_text.hpp"
#include "batch_maker.hpp"
#include "rater/billing.hpp"

namespace tallyman::testing {
namespace {

using Json = nlohmann::json;

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return std::move(*result);
}

/// A rater of its own, on a ledger in memory.
class Rater {
 public:
  Rater(const Json& history, const std::string& folder)
      : clock_(history.at("begin").get<Ns>(), kHour),
        ledger_(must(rater::Ledger::open(":memory:", clock_))),
        intake_(must(rater::Intake::open(*ledger_, clock_))) {
    rater::BillingOptions options;
    options.slot = history.at("slot");
    options.batches_per_tick = history.at("batches_per_tick");
    options.catalogue_path = folder + "/catalogue.toml";
    options.bus_file = folder + "/bus";
    billing_ = must(rater::Billing::open(*ledger_, *intake_, options, clock_));
  }

  void take(const Delivery& delivery, bool again) {
    clock_.step_wall(delivery.received - clock_.wall());
    const auto kind = delivery.imported ? rater::StreamKind::import : rater::StreamKind::agent;
    const auto accepted =
        must(intake_->commit_batch(delivery.agent, delivery.incarnation, delivery.bytes, kind));
    using Outcome = rater::Accepted::Outcome;
    if (accepted.outcome != (again ? Outcome::repeat : Outcome::applied)) {
      throw std::runtime_error("a batch was not taken as it ought to be: " + accepted.text);
    }
  }
  void derive() { billing_->tick(); }

  /// What is not there to be decided on is left out.
  void decide(Json wanted) {
    const std::string command = wanted.at("command");
    if (wanted.contains("which")) {
      const Json all = ask({{"command", "anomaly ls"}}).at("anomalies");
      if (all.empty()) return;
      wanted["id"] = all.at(wanted.at("which").get<std::size_t>() % all.size()).at("id");
    } else if (command == "correct") {
      const std::string period = wanted.at("period");
      const auto records = billing_->records_json(period);
      if (!records) return;
      const Json document = Json::parse(*records);
      for (const Json& event : document.at("records")) {
        const Json& key = event.at("data").at("key");
        if (key.value("customer", "") == wanted.at("customer") &&
            key.value("meter", "") == wanted.at("meter")) {
          wanted["record"] = event.at("id");
        }
      }
      if (!wanted.contains("record")) return;
    } else {
      for (const char* end : {"from", "to"}) wanted[end] = to_rfc3339(wanted.at(end).get<Ns>());
    }
    static_cast<void>(ask(wanted));
  }
  Json decisions() { return ask({{"command", "audit log"}}).at("decisions"); }
  void set_clock(Ns now) { clock_.step_wall(now - clock_.wall()); }

  Json decide_and_close(const Json& history) {
    const auto decide_all = [&](bool corrections) {
      bool any = false;
      for (const Json& decision : history.value("decisions", Json::array())) {
        if ((decision.at("command") == "correct") != corrections) continue;
        decide(decision);
        any = true;
      }
      return any;
    };
    do derive();
    while (billing_->more_to_do());
    decide_all(false);
    Json periods = close_all(history);
    // What is corrected is a record: it is made by a close, and again by another one.
    return decide_all(true) ? close_all(history) : periods;
  }

  Json close_all(const Json& history) {
    bodies_.clear();
    Json periods = Json::object();
    for (const std::string period : history.at("periods")) periods[period] = close(period);
    return periods;
  }

  Json close(const std::string& period) {
    const auto closed = billing_->close(period);
    if (!closed) return {{"error", closed.error().text()}};
    const Json review = Json::parse(*closed);
    // Every ledger has a name of its own.
    std::string text = must(billing_->records_json(period));
    const std::string id = ledger_->id_text();
    for (std::size_t at = 0; (at = text.find(id, at)) != std::string::npos;) {
      text.replace(at, id.size(), "ledger");
    }
    bodies_ += text + "\n";
    Json records = Json::array();
    const Json document = Json::parse(text);
    for (const Json& event : document.at("records")) records.push_back(event.at("data"));
    return {{"records", records},
            {"unattributed", review.at("unattributed")},
            {"anomalies", review.at("anomalies")}};
  }
  /// Of all records, as they would go out.
  [[nodiscard]] const std::string& bodies() const { return bodies_; }

 private:
  /// Of decisions, that they are taken already is no error.
  Json ask(const Json& wanted) {
    rater::DecisionRequest request;
    request.decision = {"ann", "a try", 1000};
    for (const auto& [name, value] : wanted.items()) {
      if (value.is_string()) request.fields[name] = value;
    }
    request.command = request.field("command");
    const auto answer = billing_->decide(request);
    if (answer) return Json::parse(*answer);
    if (answer.error().text().find("already") == std::string::npos) {
      throw std::runtime_error("not decided: " + answer.error().text());
    }
    return {};
  }

  FakeClock clock_;
  std::unique_ptr<rater::Ledger> ledger_;
  std::unique_ptr<rater::Intake> intake_;
  std::unique_ptr<rater::Billing> billing_;
  std::string bodies_;
};

/// The first line that is another one.
std::string difference(const std::string& want, const std::string& got) {
  std::size_t at = 0;
  while (at < want.size() && at < got.size() && want[at] == got[at]) ++at;
  const std::size_t from = at < 200 ? 0 : at - 200;
  return "…" + want.substr(from, 400) + "\nis in another order\n…" + got.substr(from, 400);
}

Json run(const Json& history, const std::string& folder) {
  std::ofstream(folder + "/catalogue.toml") << history.at("catalogue").get<std::string>();
  const std::vector<Delivery> deliveries = make_deliveries(history);
  Json out{{"differs", nullptr}};
  std::string first;
  for (const Json& order : history.at("orders")) {
    Rater rater(history, folder);
    std::vector<bool> held(deliveries.size(), false);
    for (const Json& step : order) {
      if (step == "derive") {
        rater.derive();
        continue;
      }
      const auto i = step.get<std::size_t>();
      rater.take(deliveries.at(i), held[i]);
      held[i] = true;
    }
    rater.set_clock(history.at("close_at"));
    Json periods = rater.decide_and_close(history);
    if (!out.contains("periods")) {
      out["periods"] = std::move(periods);
      out["decisions"] = rater.decisions();
      first = rater.bodies();
    } else if (rater.bodies() != first) {
      out["differs"] = difference(first, rater.bodies());
      break;
    }
  }
  return out;
}

int main_loop() {
  log::start(log::Level::error);
  std::string folder = (std::filesystem::temp_directory_path() / "rate-history-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 2;
  for (std::string line; std::getline(std::cin, line);) {
    Json out;
    try {
      out = run(Json::parse(line), folder);
    } catch (const std::exception& e) {
      out = {{"error", e.what()}};
    }
    std::cout << out.dump() << std::endl;
  }
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace tallyman::testing

int main() { return tallyman::testing::main_loop(); }
