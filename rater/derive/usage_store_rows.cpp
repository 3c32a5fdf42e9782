#include "rater/derive/usage_store_rows.hpp"

#include <map>
#include <utility>

namespace tallyman::rater {
namespace {

constexpr std::size_t kMaxText = 8 * wire::kMaxNameBytes;

void put_labels(ByteWriter& out, const std::map<std::string, std::string>& labels) {
  out.varint(labels.size());
  for (const auto& [name, value] : labels) {
    out.text(name);
    out.text(value);
  }
}

std::map<std::string, std::string> take_labels(ByteReader& in) {
  std::map<std::string, std::string> labels;
  for (std::size_t n = in.count(2); n > 0; --n) {
    std::string name = in.text(kMaxText);
    labels[std::move(name)] = in.text(kMaxText);
  }
  return labels;
}

Error damaged(const char* what) {
  return {std::string("a row of derived usage is damaged: ") + what, "ledger",
          "restore the ledger from a backup"};
}

}  // namespace

const char* const kUsageTables =
    "CREATE TABLE usage_slot_length(slot INTEGER NOT NULL);"
    "CREATE TABLE usage_view(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE,"
    " agent TEXT NOT NULL, metric TEXT NOT NULL, resolution INTEGER NOT NULL,"
    " first_ns INTEGER NOT NULL DEFAULT 0, last_ns INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX usage_view_metric ON usage_view(metric);"
    "CREATE TABLE usage_info(view INTEGER NOT NULL, from_ns INTEGER NOT NULL,"
    " labels BLOB NOT NULL, PRIMARY KEY(view, from_ns)) WITHOUT ROWID;"
    "CREATE TABLE usage_anomaly(id INTEGER PRIMARY KEY, view INTEGER NOT NULL,"
    " from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, value BLOB NOT NULL, cause INTEGER NOT "
    "NULL);"
    "CREATE TABLE usage_absent(view INTEGER NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER,"
    " PRIMARY KEY(view, from_ns)) WITHOUT ROWID;"
    "CREATE TABLE usage_part_gap(agent TEXT NOT NULL, instance TEXT NOT NULL,"
    " subject BLOB NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,"
    " PRIMARY KEY(agent, instance, subject, from_ns)) WITHOUT ROWID;"
    "CREATE TABLE usage_run(agent TEXT NOT NULL, instance TEXT NOT NULL,"
    " from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, PRIMARY KEY(agent, instance, from_ns))"
    " WITHOUT ROWID;"
    "CREATE TABLE usage_agent(agent TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE usage_stream(stream INTEGER PRIMARY KEY, sequence INTEGER NOT NULL,"
    " hash BLOB NOT NULL, watermark INTEGER NOT NULL)";

Bytes encode_series_key(const SeriesKey& series) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.text(series.source);
  out.u8(static_cast<std::uint8_t>(series.scope));
  out.text(series.metric);
  out.text(series.unit);
  out.u8(static_cast<std::uint8_t>(series.kind));
  put_labels(out, series.labels);
  return bytes;
}

Bytes encode_view_key(const ViewKey& key) {
  Bytes bytes = encode_series_key(key.series);
  ByteWriter out(bytes);
  out.text(key.agent);
  out.text(key.instance);
  return bytes;
}

Result<ViewKey> decode_view_key(ByteView bytes) {
  ByteReader in(bytes);
  ViewKey key;
  key.series.source = in.text(kMaxText);
  const std::uint8_t scope = in.u8();
  key.series.metric = in.text(kMaxText);
  key.series.unit = in.text(kMaxText);
  const std::uint8_t kind = in.u8();
  key.series.labels = take_labels(in);
  key.agent = in.text(kMaxText);
  key.instance = in.text(kMaxText);
  if (!in.ok() || !in.at_end() || scope < 1 || scope > 2 || kind < 1 || kind > 2) {
    return damaged("the key of a view");
  }
  key.series.scope = static_cast<wire::Scope>(scope);
  key.series.kind = static_cast<wire::Kind>(kind);
  return key;
}

Bytes encode_labels(const std::map<std::string, std::string>& labels) {
  Bytes bytes;
  ByteWriter out(bytes);
  put_labels(out, labels);
  return bytes;
}

Result<std::map<std::string, std::string>> decode_labels(ByteView bytes) {
  ByteReader in(bytes);
  auto labels = take_labels(in);
  if (!in.ok() || !in.at_end()) return damaged("labels");
  return labels;
}

}  // namespace tallyman::rater
