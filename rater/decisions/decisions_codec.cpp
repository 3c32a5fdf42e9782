// Decisions as the audit log's canonical JSON, and back. nlohmann::json sorts keys; instants are
// decimal texts of nanoseconds, quantities decimal texts.

#include <charconv>
#include <nlohmann/json.hpp>

#include "rater/decisions/decisions.hpp"
#include "rater/decisions/import_entry.hpp"

namespace tallyman::rater {

namespace {

using Json = nlohmann::json;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Error unreadable(const AuditEntry& entry) {
  return {"decision " + std::to_string(entry.mark.n) + " does not read as a `" + entry.kind + "`",
          "audit", "check the ledger: tallyman-rater verify"};
}

/// Reads members; the first that is not there, or of another kind, makes it fail for good.
class Members {
 public:
  explicit Members(const Json& json) : json_(json), ok_(json.is_object()) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool has(const char* key) const { return find(key) != nullptr; }

  std::string text(const char* key) {
    const Json* member = find(key);
    if (member != nullptr && member->is_string()) return member->get<std::string>();
    ok_ = false;
    return {};
  }
  bool flag(const char* key) {
    const Json* member = find(key);
    if (member != nullptr && member->is_boolean()) return member->get<bool>();
    ok_ = false;
    return false;
  }
  Ns instant(const char* key) {
    const std::string digits = text(key);
    Ns value = 0;
    const char* end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, value);
    if (digits.empty() || read.ec != std::errc() || read.ptr != end) ok_ = false;
    return value;
  }
  u128 quantity(const char* key) {
    const auto value = u128_from_decimal(text(key));
    if (!value) ok_ = false;
    return value.value_or(0);
  }
  std::map<std::string, std::string> texts(const char* key) {
    std::map<std::string, std::string> out;
    const Json* member = find(key);
    if (member == nullptr || !member->is_object()) {
      ok_ = false;
      return out;
    }
    for (const auto& [name, value] : member->items()) {
      if (value.is_string()) {
        out.emplace(name, value.get<std::string>());
      } else {
        ok_ = false;
      }
    }
    return out;
  }

 private:
  const Json* find(const char* key) const {
    if (!json_.is_object()) return nullptr;
    const auto at = json_.find(key);
    return at == json_.end() ? nullptr : &*at;
  }
  const Json& json_;
  bool ok_;
};

Status take_anomaly(const AuditEntry& entry, Members in, Decisions& decisions) {
  AnomalyContent anomaly;
  SeriesKey& series = anomaly.view.series;
  series.source = in.text("source");
  series.scope = in.text("scope") == "shared" ? wire::Scope::shared : wire::Scope::host;
  series.metric = in.text("metric");
  series.unit = in.text("unit");
  series.kind = in.text("kind") == "gauge" ? wire::Kind::gauge : wire::Kind::counter;
  series.labels = in.texts("labels");
  anomaly.view.agent = in.text("agent");
  anomaly.view.instance = in.text("instance");
  anomaly.from = in.instant("from");
  anomaly.to = in.instant("to");
  anomaly.value = in.quantity("value");
  anomaly.why = in.text("why");
  anomaly.ordinal = static_cast<std::uint64_t>(in.quantity("ordinal"));
  // Decisions of older raters tell the cause by its words alone.
  const auto cause = in.has("cause") ? cause_named(in.text("cause")) : cause_of_words(anomaly.why);
  if (!in.ok() || !cause || in.text("id") != to_hex(anomaly.id())) return unreadable(entry);
  anomaly.cause = *cause;
  if (entry.kind == kAnomalyAccept) {
    decisions.accept(anomaly);
  } else {
    decisions.reject(anomaly);
  }
  return {};
}

}  // namespace

std::string what_of(const AnomalyContent& anomaly) {
  const SeriesKey& series = anomaly.view.series;
  return text_of({{"id", to_hex(anomaly.id())},
                  {"source", series.source},
                  {"scope", series.scope == wire::Scope::shared ? "shared" : "host"},
                  {"metric", series.metric},
                  {"unit", series.unit},
                  {"kind", wire::kind_name(series.kind)},
                  {"labels", Json(series.labels)},
                  {"agent", anomaly.view.agent},
                  {"instance", anomaly.view.instance},
                  {"from", std::to_string(anomaly.from)},
                  {"to", std::to_string(anomaly.to)},
                  {"value", to_decimal(anomaly.value)},
                  {"ordinal", std::to_string(anomaly.ordinal)},
                  {"cause", name_of(anomaly.cause)},
                  {"why", anomaly.why}});
}

std::string what_of(const ImportContent& content) {
  return text_of({{"agent", content.agent},
                  {"agents", content.agents},
                  {"file", content.file},
                  {"gaps", content.gaps},
                  {"kind", content.kind},
                  {"lines", content.lines},
                  {"readings", content.readings},
                  {"repeated", content.repeated},
                  {"sha256", to_hex(content.sha256)},
                  {"stream", content.stream}});
}

std::string what_of(const Waiver& waiver, bool withdraw) {
  return text_of({{"customer", waiver.customer},
                  {"match", Json(waiver.match.globs)},
                  {"from", std::to_string(waiver.from)},
                  {"to", std::to_string(waiver.to)},
                  {"withdraw", withdraw}});
}

std::string what_of(const Correction& correction, const std::string& record) {
  return text_of({{"customer", correction.customer},
                  {"meter", correction.meter},
                  {"period", correction.period},
                  {"quantity", correction.quantity},
                  {"record", record}});
}

Status take_in(const AuditEntry& entry, Decisions& decisions) {
  const bool anomaly = entry.kind == kAnomalyAccept || entry.kind == kAnomalyReject;
  if (!anomaly && entry.kind != kWaive && entry.kind != kCorrect) return {};
  const Json json = Json::parse(entry.what, nullptr, false);
  Members in(json);
  if (anomaly) {
    if (const Status taken = take_anomaly(entry, in, decisions); !taken) return taken;
  } else if (entry.kind == kWaive) {
    const Waiver waiver{
        in.text("customer"), {in.texts("match")}, in.instant("from"), in.instant("to")};
    const bool withdraw = in.flag("withdraw");
    if (!in.ok()) return unreadable(entry);
    decisions.waive(waiver, withdraw);
  } else {
    const Correction correction{in.text("customer"), in.text("meter"), in.text("period"),
                                in.text("quantity"), entry.mark.hash};
    if (!in.ok()) return unreadable(entry);
    decisions.correct(correction);
  }
  decisions.last = entry.mark;
  return {};
}

}  // namespace tallyman::rater
