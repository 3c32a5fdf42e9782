#include "rater/import_file.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "base/bytes.hpp"
#include "wire/batch.hpp"

namespace tallyman::rater {
namespace {

/// A name for content, fields length-prefixed.
class Key {
 public:
  explicit Key(char kind) { out_.u8(static_cast<std::uint8_t>(kind)); }
  Key& text(std::string_view s) {
    out_.text(s);
    return *this;
  }
  Key& number(std::uint64_t n) {
    out_.u64(n);
    return *this;
  }
  Key& names(const wire::Labels& labels) {
    out_.varint(labels.size());
    for (const auto& [name, value] : labels) out_.text(name);
    return *this;
  }
  Key& values(const wire::Labels& labels) {
    out_.varint(labels.size());
    for (const auto& [name, value] : labels) out_.text(value);
    return *this;
  }
  [[nodiscard]] std::string str() const { return std::string(as_text(bytes_)); }

 private:
  Bytes bytes_;
  ByteWriter out_{bytes_};
};

std::vector<std::string> names_of(const wire::Labels& labels) {
  std::vector<std::string> out;
  for (const auto& [name, value] : labels) out.push_back(name);
  return out;
}
std::vector<std::string> values_of(const wire::Labels& labels) {
  std::vector<std::string> out;
  for (const auto& [name, value] : labels) out.push_back(value);
  return out;
}

wire::InstanceDef instance_def(const std::string& instance, const std::string& plugin) {
  wire::InstanceDef def;
  def.instance = instance;
  def.plugin = plugin;
  def.interval = kMinute;
  return def;
}

wire::MetricDef metric_def(const wire::ReadingLine& line) {
  wire::MetricDef def;
  def.name = line.metric;
  def.unit = line.unit;
  def.kind = line.kind;
  def.identity = names_of(line.labels);
  def.info = names_of(line.info);
  return def;
}

/// Whether what a line defines is within the limits of the wire: asked of the codec itself.
Status within_limits(wire::DefBody body) {
  const auto bytes = wire::encode_definition({1U << 20U, std::move(body)});
  auto decoded = wire::decode_definition(bytes);
  if (decoded.ok()) return {};
  Error error = decoded.error();
  error.where = "1";
  return error;
}

/// The index of what a key names in a list, added when it is new.
template <typename T, typename Make>
std::uint32_t intern(std::unordered_map<std::string, std::uint32_t>& numbers, const Key& key,
                     std::vector<T>& list, Make&& make) {
  const auto [it, fresh] = numbers.try_emplace(key.str(), static_cast<std::uint32_t>(list.size()));
  if (fresh) list.push_back(make());
  return it->second;
}

Result<std::pair<wire::Cause, std::string>> cause_of(const std::string& text) {
  const auto colon = text.find(':');
  const std::string word = text.substr(0, colon);
  std::string why = colon == std::string::npos ? std::string() : text.substr(colon + 1);
  while (!why.empty() && why.front() == ' ') why.erase(0, 1);
  for (unsigned n = 1; n <= static_cast<unsigned>(wire::Cause::clock); ++n) {
    const auto cause = static_cast<wire::Cause>(n);
    if (word == wire::cause_name(cause)) return std::pair{cause, why};
  }
  return Error{"'" + word + "' is not the cause of a gap", "1",
               "begin with a cause such as 'hang: ' or 'agent_down: '"};
}

Error from_the_future() {
  return {"the time lies ahead of the rater's clock", "1",
          "give the time in UTC, and see that both clocks are right"};
}

Ns commonest(const std::vector<Ns>& times) {
  std::map<Ns, std::size_t> count;
  for (std::size_t i = 1; i < times.size(); ++i) {
    if (times[i] > times[i - 1]) ++count[times[i] - times[i - 1]];
  }
  Ns best = kMinute;
  std::size_t most = 0;
  for (const auto& [distance, n] : count) {
    if (n > most) best = distance, most = n;
  }
  return best;
}

}  // namespace

Status ImportFile::take(std::string_view line) {
  ++lines_;
  if (line.size() > kLongestImportLine) {
    return Error{"the line is longer than 1 MiB", "1", "is this a file of JSON lines?"};
  }
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return {};
  if (lines_ > std::numeric_limits<std::uint32_t>::max() - 1) {
    return Error{"more lines than an import takes", "1", "split the file"};
  }
  auto parsed = wire::parse_reading_line(line);
  if (!parsed.ok()) return parsed.error();
  if (auto* one = std::get_if<wire::ReadingLine>(&*parsed)) {
    if (!agent_.empty()) one->agent = agent_;
    return reading(*one);
  }
  auto& one = std::get<wire::GapLine>(*parsed);
  if (!agent_.empty()) one.agent = agent_;
  return gap(one);
}

Status ImportFile::take_slot(std::optional<wire::ReadingLine> line) {
  ++lines_;
  if (!line) return {};
  if (lines_ > std::numeric_limits<std::uint32_t>::max() - 1) {
    return Error{"more lines than an import takes", "1", "split the file"};
  }
  if (!agent_.empty()) line->agent = agent_;
  return reading(*line);
}

Status ImportFile::same_metric(const wire::ReadingLine& line) {
  const auto [it, fresh] = metrics_.try_emplace(line.metric, Seen{line.unit, line.kind, lines_});
  if (fresh || (it->second.unit == line.unit && it->second.kind == line.kind)) return {};
  return Error{"the metric '" + line.metric + "' has another unit or kind than in line " +
                   std::to_string(it->second.line),
               "1", "give one metric one unit and one kind"};
}

Status ImportFile::check_definitions(const wire::ReadingLine& line) {
  for (const wire::DefBody& body :
       {wire::DefBody(instance_def(line.instance, line.plugin)),
        wire::DefBody(wire::SourceDef{line.scope, line.source}), wire::DefBody(metric_def(line)),
        wire::DefBody(wire::SeriesDef{1, 1, values_of(line.labels)}),
        wire::DefBody(wire::InfoDef{1, line.time, values_of(line.info)}),
        wire::DefBody(wire::EpochDef{1, line.epoch, line.start})}) {
    if (Status status = within_limits(body); !status.ok()) return status;
  }
  return {};
}

Status ImportFile::reading(const wire::ReadingLine& line) {
  if (line.time <= 0) return Error{"the time lies before 1970", "1", "give the reading's time"};
  if (line.time > now_) return from_the_future();
  if (line.kind == wire::Kind::gauge && line.epoch != 0) {
    return Error{"a gauge has an epoch", "1", "leave it out: only a counter has epochs"};
  }
  if (Status status = same_metric(line); !status.ok()) return status;
  ImportStream& to = streams_[line.agent];
  if (to.infos.empty()) to.infos.emplace_back();
  auto& numbers = names_[line.agent].numbers;
  const std::size_t known = numbers.size();
  ImportStream::Reading out{
      .time = line.time, .line = static_cast<std::uint32_t>(lines_), .value = line.value};
  out.instance = intern(numbers, Key('i').text(line.instance).text(line.plugin), to.instances,
                        [&] { return instance_def(line.instance, line.plugin); });
  const std::uint32_t source = intern(numbers, Key('s').text(line.source), to.sources, [&] {
    return wire::SourceDef{line.scope, line.source};
  });
  const std::uint32_t metric =
      intern(numbers, Key('m').text(line.metric).names(line.labels).names(line.info), to.metrics,
             [&] { return metric_def(line); });
  const std::uint32_t series =
      intern(numbers, Key('r').number(source).number(metric).values(line.labels), to.series, [&] {
        return ImportStream::Series{source, metric, values_of(line.labels)};
      });
  out.epoch = intern(numbers, Key('e').number(series).number(line.epoch), to.epochs, [&] {
    return ImportStream::Epoch{series, line.epoch, line.start};
  });
  Ns& start = to.epochs[out.epoch].start;
  if (start == 0) start = line.start;
  if (line.start != 0 && line.start != start) {
    return Error{"this epoch has another start in an earlier line", "1",
                 "give one epoch of a series one start"};
  }
  if (!line.info.empty()) {
    out.info = intern(numbers, Key('l').number(metric).values(line.info), to.infos,
                      [&] { return values_of(line.info); });
  }
  to.readings.push_back(out);
  return numbers.size() == known ? Status() : check_definitions(line);
}

Status ImportFile::gap(const wire::GapLine& line) {
  if (line.from <= 0 || line.to < line.from) {
    return Error{"the gap ends before it begins", "1", "give its first and its last instant"};
  }
  if (line.to > now_) return from_the_future();
  const auto cause = cause_of(line.gap);
  if (!cause.ok()) return cause.error();
  if (Status status = within_limits(instance_def(line.instance, line.plugin)); !status.ok()) {
    return status;
  }
  ImportStream& to = streams_[line.agent];
  if (to.infos.empty()) to.infos.emplace_back();
  auto& numbers = names_[line.agent].numbers;
  ImportStream::Gap out{.from = line.from, .to = line.to, .cause = cause->first};
  out.why = cause->second.substr(0, wire::kMaxTextBytes);
  out.instance = intern(numbers, Key('i').text(line.instance).text(line.plugin), to.instances,
                        [&] { return instance_def(line.instance, line.plugin); });
  if (!line.source.empty()) {
    // A dump may begin with a gap: its source needs no reading before it.
    const wire::SourceDef source{wire::scope_of(line.source), line.source};
    if (Status status = within_limits(source); !status.ok()) return status;
    out.source =
        intern(numbers, Key('s').text(line.source), to.sources, [&] { return source; }) + 1;
  }
  to.gaps.push_back(std::move(out));
  return {};
}

void ImportFile::check_epochs(const ImportStream& stream, std::vector<Error>& errors) const {
  std::vector<std::uint32_t> first(stream.epochs.size(), 0);
  for (const ImportStream::Reading& r : stream.readings) {
    std::uint32_t& line = first[r.epoch];
    if (line == 0) {
      line = r.line;
    } else {
      errors.push_back(
          {"the same slot as in line " + std::to_string(line) + ", with another coverage",
           std::to_string(r.line) + ":1", "keep the right one"});
    }
  }
}

std::vector<Error> ImportFile::finish() {
  using Reading = ImportStream::Reading;
  names_.clear();  // the largest part of it, and of no use any more
  std::vector<Error> errors;
  for (auto& [agent, stream] : streams_) {
    auto& readings = stream.readings;
    const auto place = [](const Reading& r) { return std::tuple(r.time, r.instance, r.epoch); };
    std::stable_sort(readings.begin(), readings.end(),
                     [&](const Reading& a, const Reading& b) { return place(a) < place(b); });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < readings.size(); ++i) {
      const bool again = kept > 0 && place(readings[kept - 1]) == place(readings[i]);
      if (!again) {
        readings[kept++] = readings[i];
      } else if (readings[kept - 1].value == readings[i].value) {
        ++repeated_;
      } else {
        errors.push_back({"another value than in line " + std::to_string(readings[kept - 1].line) +
                              " for the same counter and time",
                          std::to_string(readings[i].line) + ":1", "keep the right one"});
      }
    }
    readings.resize(kept);
    if (resolution_ != 0) {
      check_epochs(stream, errors);
      for (wire::MetricDef& metric : stream.metrics) metric.resolution = resolution_;
    }
    std::stable_sort(stream.gaps.begin(), stream.gaps.end(),
                     [](const auto& a, const auto& b) { return a.from < b.from; });
    std::vector<std::vector<Ns>> times(stream.instances.size());
    for (const Reading& r : readings) times[r.instance].push_back(r.time);
    for (std::size_t i = 0; i < times.size(); ++i) {
      stream.instances[i].interval = std::min(commonest(times[i]), 366 * kDay);
    }
  }
  return errors;
}

}  // namespace tallyman::rater
