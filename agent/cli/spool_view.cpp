#include "agent/cli/spool_view.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/table.hpp"
#include "base/time_text.hpp"

namespace tallyman::cli {
namespace {

using agent::SegmentSummary;
using agent::SpoolFinding;
using agent::SpoolReport;
using app::Cell;
using app::Colour;
using app::human_bytes;
using Json = nlohmann::ordered_json;

constexpr std::size_t kIncarnationShown = 8;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string hex_number(std::uint64_t number) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(number >> (8 * (bytes.size() - 1 - i)));
  return to_hex(bytes);
}

const char* state_of(const SegmentSummary& segment, std::uint64_t acknowledged) {
  if (segment.last < segment.first) return segment.open != 0 ? "open" : "empty";
  if (segment.last <= acknowledged) return "acknowledged";
  return segment.first <= acknowledged ? "partly" : "waiting";
}

/// What a segment holds beside whole, normal batches.
std::vector<std::string> remarks(const SegmentSummary& segment) {
  std::vector<std::string> out;
  if (segment.stand_ins > 0)
    out.push_back(std::to_string(segment.stand_ins) + " stand-ins for " +
                  std::to_string(segment.stood_in));
  if (segment.thinned > 0) out.push_back(std::to_string(segment.thinned) + " thinned");
  if (segment.damaged > 0) out.push_back(std::to_string(segment.damaged) + " damaged or missing");
  if (segment.open != 0)
    out.push_back("batch " + std::to_string(segment.open) + " open, " +
                  std::to_string(segment.open_pages) + " pages");
  return out;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : "; ") + part;
  return out;
}

std::uint64_t bytes_in(const std::vector<agent::FolderFile>& files) {
  std::uint64_t out = 0;
  for (const auto& file : files) out += file.bytes;
  return out;
}

std::string heading(const SpoolReport& report) {
  const agent::SpoolFolder& folder = report.folder;
  std::string out = folder.directory + ": agent " + (folder.agent.empty() ? "–" : folder.agent) +
                    ", incarnation " + to_hex(folder.incarnation).substr(0, kIncarnationShown);
  if (const auto& identity = folder.identity.content; identity && identity->ledger != 0)
    out += ", ledger " + hex_number(identity->ledger);
  out += folder.mark.trouble.empty()
             ? ", acknowledged up to " + std::to_string(folder.acknowledged())
             : ", mark " + folder.mark.trouble;
  return out + "\n";
}

Json files_json(const std::vector<agent::FolderFile>& files) {
  Json out = Json::array();
  for (const auto& file : files) out.push_back({{"file", file.path}, {"bytes", file.bytes}});
  return out;
}

Json segment_json(const SegmentSummary& segment, std::uint64_t acknowledged) {
  Json out;
  out["file"] = segment.file.path;
  out["bytes"] = segment.file.bytes;
  out["first"] = segment.first;
  out["last"] = segment.last;
  out["batches"] = segment.batches;
  out["state"] = state_of(segment, acknowledged);
  out["opened"] = segment.opened == 0 ? Json() : Json(to_rfc3339(segment.opened));
  out["stand_ins"] = segment.stand_ins;
  out["stood_in"] = segment.stood_in;
  out["thinned"] = segment.thinned;
  out["damaged"] = segment.damaged;
  out["open"] =
      segment.open == 0 ? Json() : Json{{"batch", segment.open}, {"pages", segment.open_pages}};
  return out;
}

Json finding_json(const SpoolFinding& finding) {
  Json out;
  out["damage"] = finding.damage;
  out["what"] = finding.what;
  out["first"] = finding.first == 0 ? Json() : Json(finding.first);
  out["last"] = finding.last == 0 ? Json() : Json(finding.last);
  out["file"] = finding.file;
  out["offset"] = finding.size == 0 ? Json() : Json(finding.offset);
  out["bytes"] = finding.size;
  return out;
}

template <typename T>
Json small_json(const agent::SmallFile<T>& small) {
  return small.trouble.empty() ? Json("well") : Json(small.trouble);
}

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const char* kind_text(wire::BatchKind kind) {
  if (kind == wire::BatchKind::normal) return "normal";
  return kind == wire::BatchKind::thinned ? "thinned" : "stand-in";
}

}  // namespace

std::string spool_table(const SpoolReport& report, Ns now, bool colour) {
  const std::uint64_t acknowledged = report.folder.acknowledged();
  app::Table table(
      {"SEGMENT", ">FIRST", ">LAST", ">BATCHES", ">BYTES", ">AGE", "STATE", "REMARKS"});
  for (const SegmentSummary& segment : report.segments) {
    const std::string state = state_of(segment, acknowledged);
    const bool any = segment.last >= segment.first;
    table.row({{base_name(segment.file.path)},
               {any ? std::to_string(segment.first) : "–"},
               {any ? std::to_string(segment.last) : "–"},
               {std::to_string(segment.batches)},
               {human_bytes(segment.file.bytes)},
               {segment.opened == 0 ? "–" : app::human_seconds((now - segment.opened) / kSecond)},
               {state, state == "acknowledged" ? Colour::faint : Colour::none},
               {joined(remarks(segment)), segment.damaged > 0 ? Colour::bad : Colour::none}});
  }
  const agent::SpoolFolder& folder = report.folder;
  std::string out = heading(report) + (table.empty() ? "no segments\n" : table.text(colour));
  const auto files = [&](const char* what, const std::vector<agent::FolderFile>& list) {
    if (list.empty()) return;
    out += std::string(what) + ": " + std::to_string(list.size()) + " files, " +
           human_bytes(bytes_in(list)) + "\n";
    for (const auto& file : list) out += "  " + file.path + "  " + human_bytes(file.bytes) + "\n";
  };
  files("quarantine", folder.quarantine);
  files("of another agent or incarnation", folder.others);
  files("left over", folder.leftovers);
  if (report.damages > 0)
    out +=
        app::paint(std::to_string(report.damages) + " damages: `tallyman spool verify` names them",
                   Colour::bad, colour) +
        "\n";
  return out;
}

std::string spool_json(const SpoolReport& report) {
  const agent::SpoolFolder& folder = report.folder;
  Json out;
  out["directory"] = folder.directory;
  out["agent"] = folder.agent;
  out["incarnation"] = to_hex(folder.incarnation);
  const auto& identity = folder.identity.content;
  out["ledger"] = identity && identity->ledger != 0 ? Json(hex_number(identity->ledger)) : Json();
  out["identity"] = small_json(folder.identity);
  out["mark"] = small_json(folder.mark);
  out["acknowledged"] = folder.acknowledged();
  out["batches"] = report.batches;
  out["bytes"] = report.bytes;
  out["segments"] = Json::array();
  for (const auto& segment : report.segments)
    out["segments"].push_back(segment_json(segment, folder.acknowledged()));
  out["quarantine"] = files_json(folder.quarantine);
  out["others"] = files_json(folder.others);
  out["leftovers"] = files_json(folder.leftovers);
  out["damages"] = report.damages;
  out["findings"] = Json::array();
  for (const auto& finding : report.findings) out["findings"].push_back(finding_json(finding));
  return line_of(out);
}

std::string finding_text(const SpoolFinding& finding) {
  std::string out = finding.file + ": ";
  if (finding.size > 0)
    out += "bytes " + std::to_string(finding.offset) + " to " +
           std::to_string(finding.offset + finding.size - 1) + ": ";
  if (finding.first != 0 && finding.first == finding.last)
    out += "batch " + std::to_string(finding.first) + ": ";
  if (finding.first != finding.last)
    out +=
        "batches " + std::to_string(finding.first) + " to " + std::to_string(finding.last) + ": ";
  return out + finding.what;
}

std::string batch_json(const agent::DumpedBatch& dumped) {
  const wire::BatchHead& head = dumped.batch.head;
  std::uint64_t definitions = 0, polls = 0, readings = 0, gaps = 0;
  for (const auto& entry : dumped.batch.entries) {
    const auto* poll = std::get_if<wire::Poll>(&entry);
    definitions += std::holds_alternative<wire::Definition>(entry) ? 1 : 0;
    gaps += std::holds_alternative<wire::Gap>(entry) ? 1 : 0;
    polls += poll != nullptr ? 1 : 0;
    readings += poll != nullptr ? poll->values.size() : 0;
  }
  Json out;
  out["batch"] = head.sequence;
  out["last"] = head.last;
  out["kind"] = dumped.open ? "open" : kind_text(head.kind);
  if (!head.why.empty()) out["why"] = head.why;
  out["file"] = dumped.file;
  out["offset"] = dumped.place.offset;
  out["bytes"] = dumped.place.size;
  out["opened"] = to_rfc3339(head.opened);
  out["pages"] = dumped.batch.seal.pages;
  out["watermark"] =
      dumped.batch.seal.watermark == 0 ? Json() : Json(to_rfc3339(dumped.batch.seal.watermark));
  out["previous"] = to_hex(head.previous);
  out["hash"] = dumped.open ? Json() : Json(to_hex(dumped.place.hash));
  out["definitions"] = definitions;
  out["polls"] = polls;
  out["readings"] = readings;
  out["gaps"] = gaps;
  return line_of(out);
}

}  // namespace tallyman::cli
