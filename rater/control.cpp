#include "rater/control.hpp"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/log.hpp"
#include "rater/control_rights.hpp"

namespace tallyman::rater {
namespace {

using Json = nlohmann::json;

constexpr unsigned kSocketMode = 0660;
constexpr std::size_t kMaxFollowers = 64;
constexpr std::size_t kMaxFiles = 1000;  ///< of one catalogue
constexpr std::size_t kLongestRequest = std::size_t{32}
                                        << 20U;                ///< a catalogue of 50,000 customers
constexpr std::size_t kLongestPlain = std::size_t{64} << 10U;  ///< of one without files
constexpr const char* kDecisions[] = {
    "close",           "release",        "import",         "agent approve",
    "agent revoke",    "agent replace",  "agent move",     "agent retire",
    "catalogue apply", "anomaly accept", "anomaly reject", "waive",
    "correct",         "outbox retry",   "outbox skip",    "outbox resend"};
/// What request.hpp names.
constexpr const char* kFields[] = {"period",   "against", "unattributed", "from",
                                   "to",       "open",    "id",           "resource",
                                   "withdraw", "record",  "quantity"};
/// What Billing::decide() answers, decisions or not.
constexpr const char* kDesk[] = {"catalogue apply", "catalogue diff", "catalogue log",
                                 "audit log",       "anomaly ls",     "anomaly accept",
                                 "anomaly reject",  "waive",          "correct",
                                 "review",          "outbox skip",    "outbox resend"};

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text_of(const Json& request, const char* key) {
  const auto it = request.find(key);
  return it != request.end() && it->is_string() ? it->get<std::string>() : std::string();
}

template <typename Names>
bool is_among(const Names& names, const std::string& command) {
  return std::find(std::begin(names), std::end(names), command) != std::end(names);
}

bool decides(const std::string& command) { return is_among(kDecisions, command); }

bool flag_of(const Json& request, const char* key) {
  const auto it = request.find(key);
  return it != request.end() && *it == true;
}

/// The life of agents: who may send, and under which key.
Result<std::string> decide_agent(KeyTable& keys, const std::string& verb, const Json& request,
                                 const Decision& decision) {
  const std::string agent = text_of(request, "agent");
  if (verb == "agent move") {
    if (Status status = keys.move(agent, decision); !status.ok()) return status.error();
    return line_of({{"agent", agent},
                    {"move",
                     "its next hello is taken, and what no ledger has acknowledged comes "
                     "here under a new incarnation"}});
  }
  if (verb == "agent retire") {
    if (Status status = keys.retire(agent, decision); !status.ok()) return status.error();
    return line_of({{"agent", agent}, {"retire", "no close waits for it any more"}});
  }
  if (verb == "agent replace") {
    const auto done = keys.replace(agent, text_of(request, "key"), decision);
    if (!done.ok()) return done.error();
    if (done->has_value()) return agent_json(**done);
    return line_of({{"agent", agent}, {"replace", "its next hello is taken"}});
  }
  const std::string whom = text_of(request, "whom");
  const auto done = verb == "agent approve" ? keys.approve(whom, text_of(request, "as"), decision)
                                            : keys.revoke(whom, decision);
  if (!done.ok()) return done.error();
  return agent_json(*done);
}

DecisionRequest desk_request(const Json& request, const Decision& decision) {
  DecisionRequest out;
  out.command = text_of(request, "command");
  out.adjust = flag_of(request, "adjust");
  out.decision = decision;
  for (const char* key : kFields) {
    const std::string value = text_of(request, key);
    if (!value.empty()) out.fields[key] = value;
  }
  const auto files = request.find("files");
  if (files == request.end() || !files->is_array()) return out;
  for (const Json& file : *files) {
    if (!file.is_object() || out.files.size() >= kMaxFiles) break;
    out.files.push_back({text_of(file, "name"), text_of(file, "text")});
  }
  return out;
}

Result<std::string> dispatch(const StatusParts& parts, const Clock& clock, const Json& request,
                             const Decision& decision) {
  const std::string command = text_of(request, "command");
  const std::string period = text_of(request, "period");
  Billing& billing = parts.billing;
  if (command == "status") return status_json(parts, clock);
  if (command == "periods") return billing.periods_json();
  if (command == "records") return billing.records_json(period);
  if (command == "outbox") return billing.outbox_json();
  if (command == "outbox retry") return billing.retry_outbox();
  if (command == "agent ls") return agents_json(parts.keys, false);
  if (command == "agent ls pending") return agents_json(parts.keys, true);
  if (command.starts_with("agent ") && decides(command)) {
    return decide_agent(parts.keys, command, request, decision);
  }
  return Error{"unknown command '" + command.substr(0, 64) + "'", "",
               "use the tallyman-rater that belongs to this daemon"};
}

/// What a decision was about, for the log.
std::string subject_of(const Json& request) {
  std::string out;
  for (const char* key :
       {"file", "period", "whom", "agent", "key", "as", "id", "resource", "record", "quantity"}) {
    const std::string part = text_of(request, key);
    if (!part.empty()) out += (out.empty() ? "" : " ") + part;
  }
  return out;
}

std::string import_line(const std::string& file, const Imported& done) {
  return line_of({{"file", file},
                  {"lines", done.lines},
                  {"readings", done.readings},
                  {"gaps", done.gaps},
                  {"repeated", done.repeated},
                  {"agents", done.agents},
                  {"batches", done.batches},
                  {"held", done.held}});
}

/// Each mistake as a line of its own as it is found; then what was imported, or the error.
ImportListener import_listener(const std::shared_ptr<app::ControlSession>& session,
                               const std::string& file, bool progress) {
  ImportListener to;
  to.waits = [session] { return session->open(); };
  to.mistake = [session](const Error& error) {
    session->send(line_of({{"mistake", error.text()}}));
  };
  to.progress = [session, progress](const ImportAt& at) {
    if (!progress) return;
    const char* what = at.committing ? "readings taken" : "bytes read";
    session->send(
        line_of({{"progress", {{"what", what}, {"done", at.done}, {"total", at.total}}}}));
  };
  to.answer = [session, file](const Result<Imported>& done) {
    if (!done.ok()) return session->fail(done.error());
    if (done->errors != 0) {
      return session->fail({std::to_string(done->errors) + " lines are wrong; nothing was imported",
                            file, "mend them and import again"});
    }
    session->send(import_line(file, *done));
    session->close();
  };
  return to;
}

}  // namespace

Result<std::unique_ptr<Control>> Control::open(app::EventLoop& loop, const std::string& path,
                                               StatusParts parts) {
  std::unique_ptr<Control> control(new Control(loop, std::move(parts)));
  auto server = app::ControlServer::listen(
      loop, path, kSocketMode,
      [raw = control.get()](const std::shared_ptr<app::ControlSession>& session,
                            std::string_view request) { raw->answer(session, request); },
      kLongestRequest);
  if (!server.ok()) return server.error();
  share_with_readers(path);
  control->server_ = std::move(*server);
  control->parts_.billing.while_importing(
      [raw = control.get()]() -> std::optional<Billing::Importing> {
        const auto to = raw->import_ ? raw->import_->commits_to() : std::nullopt;
        if (!to) return std::nullopt;
        return Billing::Importing{raw->import_->file(), *to};
      });
  return control;
}

Control::~Control() {
  parts_.billing.while_importing({});
  loop_.cancel(timer_);
  for (const auto& follower : followers_) follower->close();
}

void Control::answer(const std::shared_ptr<app::ControlSession>& session,
                     std::string_view request) {
  const Json json = Json::parse(request, nullptr, false);
  if (!json.is_object()) {
    session->fail({"the request is not a JSON object", "", ""});
    return;
  }
  const std::string command = text_of(json, "command");
  if (request.size() > kLongestPlain && command != "catalogue apply" &&
      command != "catalogue diff") {
    return session->fail({"a request without a catalogue has at most 64 KiB", command.substr(0, 64),
                          "say it in fewer words"});
  }
  if (decides(command)) {
    const app::Peer& peer = session->peer();
    const Status allowed = Deciders::of_system().check(peer, command);
    const std::string what = command + " " + subject_of(json).substr(0, 256);
    if (!allowed.ok()) {
      log::warning("refused to user {}: {}", peer.user, what);
      session->fail(allowed.error());
      return;
    }
    log::info("by user {}: {}", peer.user, what);
  }
  const Decision decision{session->peer().user, text_of(json, "why"), session->peer().uid};
  if (command == "import") {
    begin_import(
        session,
        {text_of(json, "file"), text_of(json, "agent"),
         text_of(json, "kind") == "slots" ? ImportKind::slots : ImportKind::readings, decision},
        !text_of(json, "progress").empty());
    return;
  }
  Billing& billing = parts_.billing;
  const std::string period = text_of(json, "period");
  const auto tell = [session](const Result<std::string>& answer) {
    if (!answer.ok()) return session->fail(answer.error());
    session->send(*answer);
    session->close();
  };
  if (command == "close") return billing.close(period, decision, tell);
  if (command == "release") return billing.release(period, decision, tell);
  const auto waits = [session] { return session->open(); };
  const std::string customer = text_of(json, "customer");
  if (command == "usage") return billing.usage_json(customer, period, tell, waits);
  if (command == "statement") return billing.statement_json(customer, period, tell, waits);
  if (is_among(kDesk, command)) {
    return billing.decide(
        desk_request(json, decision),
        [session, tell](const DecisionRequest& asked, const Result<std::string>& answer) {
          const std::vector<std::string>& wrong = asked.mistakes;
          for (std::size_t i = 0; i < std::min(wrong.size(), kMaxMistakes); ++i) {
            session->send(line_of({{"mistake", wrong[i]}}));
          }
          tell(answer);
        },
        waits);
  }
  const auto answer = dispatch(parts_, loop_.clock(), json, decision);
  if (!answer.ok()) {
    session->fail(answer.error());
    return;
  }
  session->send(*answer);
  if (command == "status" && flag_of(json, "follow")) {
    if (followers_.size() >= kMaxFollowers) {
      session->fail({"too many clients follow already", "", "end one of them"});
      return;
    }
    followers_.push_back(session);
    if (timer_ == 0) timer_ = loop_.after(kSecond, [this] { follow(); });
    return;
  }
  session->close();
}

void Control::begin_import(const std::shared_ptr<app::ControlSession>& session,
                           const ImportRequest& request, bool progress) {
  if (import_ && !import_->over()) {
    return session->fail({"another import is running", import_->file(), "let it end first"});
  }
  auto job = ImportJob::start(loop_, parts_.ledger, parts_.intake, request,
                              import_listener(session, request.file, progress));
  if (!job.ok()) return session->fail(job.error());
  import_ = std::move(*job);
}

void Control::follow() {
  timer_ = 0;
  std::erase_if(followers_, [](const auto& follower) { return !follower->open(); });
  if (followers_.empty()) return;
  const auto status = status_json(parts_, loop_.clock());
  for (const auto& follower : followers_) {
    if (status.ok()) follower->send(*status);
    if (!status.ok()) follower->fail(status.error());
  }
  timer_ = loop_.after(kSecond, [this] { follow(); });
}

}  // namespace tallyman::rater
