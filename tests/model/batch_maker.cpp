#include "batch_maker.hpp"

#include <algorithm>
#include <utility>

namespace tallyman::testing {
namespace {

wire::LabelValues values_of(const nlohmann::json& labels, std::vector<std::string>* names) {
  wire::LabelValues values;
  for (const auto& [name, value] : labels.items()) {
    values.push_back(value.get<std::string>());
    if (names != nullptr) names->push_back(name);
  }
  return values;
}

/// The pages of a batch, cut at random.
Bytes encode(const wire::BatchHead& head, const std::vector<wire::Entry>& entries, Ns watermark,
             std::uint64_t seed) {
  wire::BatchWriter writer(head);
  Bytes bytes = writer.head();
  const auto append = [&](const Bytes& more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
  };
  std::mt19937_64 random(seed);
  for (std::size_t at = 0; at < entries.size();) {
    const std::size_t count = std::min<std::size_t>(1 + random() % 20, entries.size() - at);
    append(writer.page(std::span(entries).subspan(at, count)));
    at += count;
  }
  append(writer.seal(watermark));
  return bytes;
}

}  // namespace

wire::BatchHead StreamWriter::head(const Json& delivery) const {
  wire::BatchHead head;
  head.agent = agent_;
  head.incarnation = incarnation_;
  head.sequence = head.last = last_ + 1;
  head.opened = delivery.at("opened");
  const std::string kind = delivery.at("kind");
  if (kind == "stand_in") {
    head.kind = wire::BatchKind::stand_in;
    // It may begin at numbers that the rater holds already.
    head.sequence -= std::min<std::uint64_t>(delivery.value("overlap", std::uint64_t{0}), last_);
    head.last = last_ + delivery.at("count").get<std::uint64_t>();
  } else if (kind == "thinned") {
    head.kind = wire::BatchKind::thinned;
  }
  if (head.kind != wire::BatchKind::normal) {
    head.original.fill(static_cast<std::uint8_t>(1 + head.last % 255));
    head.why = "spool full";
  }
  // Where a range begins within another one, nobody knows the hash before it.
  const auto before = hashes_.find(head.sequence - 1);
  if (before == hashes_.end()) head.sequence = last_ + 1;
  head.previous = hashes_.at(head.sequence - 1);
  return head;
}

Delivery StreamWriter::next(const Json& series, const Json& delivery) {
  const wire::BatchHead made = head(delivery);
  entries_.clear();
  for (const Json& each : delivery.at("entries")) entry(series, each);
  Delivery out;
  out.agent = agent_;
  out.incarnation = incarnation_;
  out.imported = delivery.value("imported", false);
  out.received = delivery.at("received");
  out.bytes = encode(made, entries_, delivery.at("watermark"), delivery.at("cuts"));
  last_ = made.last;
  hashes_[last_] =
      made.kind == wire::BatchKind::normal ? wire::batch_hash(out.bytes) : made.original;
  return out;
}

wire::DefNo StreamWriter::define(const std::string& key, const wire::DefBody& body) {
  const auto [it, fresh] = numbers_.try_emplace(key, numbers_.size() + 1);
  if (fresh) entries_.emplace_back(wire::Definition{it->second, body});
  return it->second;
}

wire::DefNo StreamWriter::instance(const Json& entry) {
  const std::string name = entry.at("instance");
  return define("instance " + name,
                wire::InstanceDef{name, "model", "1", {}, entry.at("interval").get<Ns>()});
}

wire::DefNo StreamWriter::source(const Json& series) {
  const std::string id = series.at("source");
  const auto scope = series.at("shared").get<bool>() ? wire::Scope::shared : wire::Scope::host;
  return define("source " + id, wire::SourceDef{scope, id});
}

wire::DefNo StreamWriter::metric(const Json& series) {
  wire::MetricDef def;
  def.name = series.at("metric");
  def.unit = "bytes";
  def.resolution = series.at("resolution");
  def.kind = series.at("gauge").get<bool>() ? wire::Kind::gauge : wire::Kind::counter;
  static_cast<void>(values_of(series.at("labels"), &def.identity));
  for (const Json& name : series.at("info")) def.info.push_back(name);
  return define("metric " + def.name, def);
}

wire::DefNo StreamWriter::series_of(const Json& series, std::size_t index) {
  const Json& one = series.at(index);
  const wire::DefNo from = source(one), of = metric(one);
  return define("series " + std::to_string(index),
                wire::SeriesDef{from, of, values_of(one.at("labels"), nullptr)});
}

/// [series, epoch, start, …]
wire::DefNo StreamWriter::epoch(const Json& series, const Json& value) {
  const wire::DefNo number = series_of(series, value.at(0));
  const wire::EpochDef def{number, value.at(1), value.at(2)};
  return define("epoch " + std::to_string(number) + " " + std::to_string(def.epoch) + " " +
                    std::to_string(def.start),
                def);
}

void StreamWriter::entry(const Json& series, const Json& entry) {
  const std::string type = entry.at("type");
  if (type == "poll") poll(series, entry);
  if (type == "gap") gap(series, entry);
  if (type == "info") info(series, entry);
}

void StreamWriter::poll(const Json& series, const Json& entry) {
  wire::Poll poll;
  poll.instance = instance(entry);
  poll.scheduled = entry.at("scheduled");
  poll.wall = entry.at("wall");
  poll.boot = entry.at("boot");
  poll.in_time = entry.at("in_time");
  poll.stepped = entry.at("stepped");
  for (const Json& value : entry.at("values")) {
    poll.values.push_back({epoch(series, value), value.at(3), value.at(4)});
  }
  std::sort(poll.values.begin(), poll.values.end(),
            [](const wire::Value& a, const wire::Value& b) { return a.epoch < b.epoch; });
  for (const Json& ended : entry.at("ended")) poll.ended.push_back(epoch(series, ended));
  std::sort(poll.ended.begin(), poll.ended.end());
  entries_.emplace_back(std::move(poll));
}

void StreamWriter::gap(const Json& series, const Json& entry) {
  wire::Gap gap;
  gap.instance = instance(entry);
  const std::string part = entry.at("part");
  if (part != "all") {
    const std::size_t index = entry.at("series");
    const Json& one = series.at(index);
    gap.subject = part == "source"   ? source(one)
                  : part == "metric" ? metric(one)
                                     : series_of(series, index);
  }
  gap.from = entry.at("from");
  gap.to = entry.at("to");
  gap.cause = part == "all" ? wire::Cause::hang : wire::Cause::part;
  gap.why = "model";
  entries_.emplace_back(std::move(gap));
}

void StreamWriter::info(const Json& series, const Json& entry) {
  const wire::DefNo number = series_of(series, entry.at("series"));
  define("info " + std::to_string(++infos_),
         wire::InfoDef{number, entry.at("from"), values_of(entry.at("labels"), nullptr)});
}

std::vector<Delivery> make_deliveries(const nlohmann::json& history) {
  std::map<std::pair<std::string, std::uint8_t>, StreamWriter> streams;
  std::vector<Delivery> out;
  for (const nlohmann::json& each : history.at("deliveries")) {
    const std::pair key{each.at("agent").get<std::string>(), each.at("life").get<std::uint8_t>()};
    const auto stream = streams.try_emplace(key, key.first, key.second).first;
    out.push_back(stream->second.next(history.at("series"), each));
  }
  return out;
}

}  // namespace tallyman::testing
