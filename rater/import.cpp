#include "rater/import.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "rater/import_file.hpp"
#include "rater/import_slots.hpp"

namespace tallyman::rater {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20U;  ///< of definitions in one block
constexpr std::size_t kPollValues = 10'000;                 ///< a larger poll is written as several

/// Turns one agent's readings into batches and commits them.
class Blocks {
 public:
  Blocks(Intake& intake, const std::string& agent, const wire::Incarnation& incarnation,
         const ImportStream& stream, Imported& done)
      : intake_(intake), stream_(stream), done_(done) {
    batch_.head.agent = agent;
    batch_.head.incarnation = incarnation;
    instances_.resize(stream.instances.size());
    sources_.resize(stream.sources.size());
    metrics_.resize(stream.metrics.size());
    series_.resize(stream.series.size());
    epochs_.resize(stream.epochs.size());
    told_.resize(stream.series.size());
  }

  Status commit() {
    auto gap = stream_.gaps.begin();
    const auto& readings = stream_.readings;
    for (std::size_t i = 0; i < readings.size();) {
      for (; gap != stream_.gaps.end() && gap->from <= readings[i].time; ++gap) {
        if (Status status = add(*gap); !status.ok()) return status;
      }
      std::size_t end = i;
      while (end < readings.size() && end - i < kPollValues &&
             readings[end].time == readings[i].time &&
             readings[end].instance == readings[i].instance) {
        ++end;
      }
      if (Status status = add(i, end); !status.ok()) return status;
      i = end;
    }
    for (; gap != stream_.gaps.end(); ++gap) {
      if (Status status = add(*gap); !status.ok()) return status;
    }
    return flush(last_);
  }

 private:
  Status add(const ImportStream::Gap& gap) {
    if (Status status = room(gap.from); !status.ok()) return status;
    const wire::DefNo instance = define_instance(gap.instance);
    const wire::DefNo subject = gap.source == 0 ? 0 : define_source(gap.source - 1);
    batch_.entries.emplace_back(wire::Gap{instance, subject, gap.from, gap.to, gap.cause, gap.why});
    ++values_;
    last_ = std::max(last_, gap.to);
    return {};
  }

  Status add(std::size_t from, std::size_t to) {
    const Ns time = stream_.readings[from].time;
    if (Status status = room(time); !status.ok()) return status;
    wire::Poll poll;
    poll.instance = define_instance(stream_.readings[from].instance);
    poll.scheduled = poll.wall = time;
    for (std::size_t i = from; i < to; ++i) {
      const auto& reading = stream_.readings[i];
      poll.values.push_back({define_epoch(reading), reading.value, 0});
      if (bytes_ > kBlockBytes) {  // definitions may stand in an earlier block than their readings
        if (Status status = flush(time); !status.ok()) return status;
      }
    }
    std::sort(poll.values.begin(), poll.values.end(),
              [](const wire::Value& a, const wire::Value& b) { return a.epoch < b.epoch; });
    values_ += poll.values.size();
    batch_.entries.emplace_back(std::move(poll));
    last_ = std::max(last_, time);
    return {};
  }

  /// Ends the block when it is full; what comes next is of `next`.
  Status room(Ns next) { return values_ < kBlockReadings ? Status() : flush(next); }

  /// Everything before `watermark` is in this block or an earlier one.
  Status flush(Ns watermark) {
    if (batch_.entries.empty()) return {};
    batch_.head.last = ++batch_.head.sequence;
    batch_.seal.watermark = std::max(watermark_, watermark);
    watermark_ = batch_.seal.watermark;
    const Bytes bytes = wire::encode_batch(batch_);
    const auto accepted =
        intake_.commit_batch(batch_.head.agent, batch_.head.incarnation, bytes, StreamKind::import);
    if (!accepted.ok()) return accepted.error();
    if (accepted->outcome == Accepted::Outcome::refused) {
      return Error{"the ledger refuses a block of the import: " + accepted->text, batch_.head.agent,
                   "report this: a block is made to be accepted"};
    }
    if (accepted->outcome == Accepted::Outcome::repeat) ++done_.held;
    ++done_.batches;
    batch_.head.previous = wire::batch_hash(bytes);
    batch_.entries.clear();
    values_ = bytes_ = 0;
    return {};
  }

  wire::DefNo define(wire::DefBody body) {
    const wire::Definition definition{next_++, std::move(body)};
    bytes_ += wire::encode_definition(definition).size();
    batch_.entries.emplace_back(definition);
    return definition.number;
  }
  wire::DefNo define_instance(std::uint32_t i) {
    if (instances_[i] == 0) instances_[i] = define(stream_.instances[i]);
    return instances_[i];
  }
  wire::DefNo define_source(std::uint32_t i) {
    if (sources_[i] == 0) sources_[i] = define(stream_.sources[i]);
    return sources_[i];
  }
  wire::DefNo define_series(std::uint32_t i) {
    if (series_[i] != 0) return series_[i];
    const auto& series = stream_.series[i];
    const wire::DefNo source = define_source(series.source);
    if (metrics_[series.metric] == 0) {
      metrics_[series.metric] = define(stream_.metrics[series.metric]);
    }
    return series_[i] = define(wire::SeriesDef{source, metrics_[series.metric], series.identity});
  }
  wire::DefNo define_epoch(const ImportStream::Reading& reading) {
    const auto& epoch = stream_.epochs[reading.epoch];
    const wire::DefNo series = define_series(epoch.series);
    if (reading.info != 0 && told_[epoch.series] != reading.info) {
      told_[epoch.series] = reading.info;
      define(wire::InfoDef{series, reading.time, stream_.infos[reading.info]});
    }
    wire::DefNo& number = epochs_[reading.epoch];
    if (number == 0) number = define(wire::EpochDef{series, epoch.epoch, epoch.start});
    return number;
  }

  Intake& intake_;
  const ImportStream& stream_;
  Imported& done_;
  wire::Batch batch_;
  std::size_t values_ = 0, bytes_ = 0;
  Ns last_ = 0, watermark_ = 0;
  wire::DefNo next_ = 1;
  std::vector<wire::DefNo> instances_, sources_, metrics_, series_, epochs_;
  std::vector<std::uint32_t> told_;  ///< info labels of each series
};

/// The next line without its end; false at the end of the file. A line longer than an import takes
/// comes cut, one byte too long.
bool next_line(std::istream& in, std::string& line) {
  line.clear();
  std::streambuf& buffer = *in.rdbuf();
  constexpr int kEnd = std::char_traits<char>::eof();
  int c = buffer.sbumpc();
  if (c == kEnd) return false;
  for (; c != kEnd && c != '\n'; c = buffer.sbumpc()) {
    if (line.size() <= kLongestImportLine) line.push_back(static_cast<char>(c));
  }
  return true;
}

/// The column that an error in a line names, the first one when it names none.
std::string column_in(const std::string& where) {
  const std::size_t at = where.find_last_not_of("0123456789") + 1;
  return at < where.size() ? where.substr(at) : "1";
}

/// A file that was looked through.
struct Parsed {
  explicit Parsed(ImportFile file) : readings(std::move(file)) {}
  ImportFile readings;
  Hash digest{};
  Imported done{};
};

Result<Parsed> parse(const std::string& file, const std::string& agent, ImportKind kind, Ns now,
                     const ImportErrors& errors) {
  const bool slots = kind == ImportKind::slots;
  if (slots && agent.empty()) {
    return Error{"slots name no agent", file, "give one with --agent: the old system's name, say"};
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return errno_error("cannot open the file of readings", file, errno,
                       "name a file that the rater may read");
  }
  Parsed parsed{ImportFile(agent, now)};
  Imported& done = parsed.done;
  const auto tell = [&](Error error) {
    ++done.errors;
    error.where = file + ":" + error.where;
    if (errors) errors(error);
  };
  SlotLines slot_lines;
  const auto take = [&](const std::string& line) -> Status {
    if (!slots) return parsed.readings.take(line);
    auto reading = slot_lines.take(line, agent);
    const Status taken =
        parsed.readings.take_slot(reading.ok() ? std::move(*reading) : std::nullopt);
    return reading.ok() ? taken : Status(reading.error());
  };
  FieldHasher hasher;
  hasher.field(slots ? "tallyman import slots 1" : "tallyman import 1");
  for (std::string line; next_line(in, line) && !slot_lines.hopeless();) {
    hasher.field(line);
    const Status status = take(line);
    ++done.lines;
    if (status.ok()) continue;
    Error error = status.error();
    error.where = std::to_string(done.lines) + ":" + column_in(error.where);
    tell(std::move(error));
  }
  if (in.bad()) return errno_error("cannot read the file of readings", file, errno);
  if (slots) parsed.readings.one_reading_an_epoch(std::max<Ns>(slot_lines.length(), 1));
  for (Error& error : parsed.readings.finish()) tell(std::move(error));
  parsed.digest = hasher.finish();
  return parsed;
}

}  // namespace

Result<Imported> check_import(const std::string& file, const std::string& agent, ImportKind kind,
                              Ns now, const ImportErrors& errors) {
  const auto parsed = parse(file, agent, kind, now, errors);
  if (!parsed.ok()) return parsed.error();
  return parsed->done;
}

Result<Imported> import_readings(Intake& intake, const std::string& file, const std::string& agent,
                                 const ImportErrors& errors, ImportKind kind) {
  auto parsed = parse(file, agent, kind, intake.now(), errors);
  if (!parsed.ok()) return parsed.error();
  Imported& done = parsed->done;
  if (done.errors != 0) return done;
  wire::Incarnation incarnation{};
  std::copy_n(parsed->digest.begin(), incarnation.size(), incarnation.begin());
  done.repeated = parsed->readings.repeated();
  for (const auto& [name, stream] : parsed->readings.streams()) {
    ++done.agents;
    done.readings += stream.readings.size();
    done.gaps += stream.gaps.size();
    Blocks blocks(intake, name, incarnation, stream, done);
    if (Status status = blocks.commit(); !status.ok()) return status.error();
  }
  return done;
}

}  // namespace tallyman::rater
