#include "rater/import_blocks.hpp"

#include <algorithm>
#include <utility>

namespace tallyman::rater {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20U;  ///< of definitions in one block
constexpr std::size_t kPollValues = 10'000;                 ///< a larger poll is written as several

}  // namespace

/// Turns one agent's readings into batches and commits them.
class ImportBlocks::Stream {
 public:
  Stream(Intake& intake, const std::string& agent, const wire::Incarnation& incarnation,
         const ImportStream& stream, std::function<Status()>& note, Imported& done)
      : intake_(intake), stream_(stream), note_(note), done_(done) {
    batch_.head.agent = agent;
    batch_.head.incarnation = incarnation;
    instances_.resize(stream.instances.size());
    sources_.resize(stream.sources.size());
    metrics_.resize(stream.metrics.size());
    series_.resize(stream.series.size());
    epochs_.resize(stream.epochs.size());
    told_.resize(stream.series.size());
  }

  /// Polls and gaps until a block was committed; false when all are.
  Result<bool> step() {
    const std::uint64_t before = done_.batches;
    while (done_.batches == before) {
      if (gap_comes_next()) {
        if (Status status = add(stream_.gaps[gap_++]); !status.ok()) return status.error();
        continue;
      }
      const std::size_t from = reading_;
      if (from == stream_.readings.size()) {
        if (Status status = flush(last_); !status.ok()) return status.error();
        return false;
      }
      reading_ = end_of_poll(from);
      if (Status status = add(from, reading_); !status.ok()) return status.error();
    }
    return true;
  }

  /// Readings that are in blocks.
  [[nodiscard]] std::uint64_t taken() const { return reading_; }

 private:
  [[nodiscard]] bool gap_comes_next() const {
    if (gap_ == stream_.gaps.size()) return false;
    const auto& readings = stream_.readings;
    return reading_ == readings.size() || stream_.gaps[gap_].from <= readings[reading_].time;
  }

  [[nodiscard]] std::size_t end_of_poll(std::size_t from) const {
    const auto& readings = stream_.readings;
    std::size_t end = from;
    while (end < readings.size() && end - from < kPollValues &&
           readings[end].time == readings[from].time &&
           readings[end].instance == readings[from].instance) {
      ++end;
    }
    return end;
  }

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
    const auto accepted = intake_.commit_batch(batch_.head.agent, batch_.head.incarnation, bytes,
                                               StreamKind::import, note_);
    if (!accepted.ok()) return accepted.error();
    if (accepted->outcome == Accepted::Outcome::applied) note_ = {};
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
  std::function<Status()>& note_;
  Imported& done_;
  wire::Batch batch_;
  std::size_t gap_ = 0, reading_ = 0;  ///< the next ones
  std::size_t values_ = 0, bytes_ = 0;
  Ns last_ = 0, watermark_ = 0;
  wire::DefNo next_ = 1;
  std::vector<wire::DefNo> instances_, sources_, metrics_, series_, epochs_;
  std::vector<std::uint32_t> told_;  ///< info labels of each series
};

ImportBlocks::ImportBlocks(Intake& intake, LookedThrough looked, ImportContent content,
                           ImportNote note)
    : intake_(intake),
      looked_(std::move(looked)),
      content_(std::move(content)),
      next_(looked_.readings.streams().begin()) {
  std::copy_n(looked_.digest.begin(), incarnation_.size(), incarnation_.begin());
  for (const auto& [name, stream] : looked_.readings.streams()) {
    ++looked_.done.agents;
    looked_.done.readings += stream.readings.size();
    looked_.done.gaps += stream.gaps.size();
    for (const auto& reading : stream.readings) last_ = std::max(last_, reading.time);
    for (const auto& gap : stream.gaps) last_ = std::max(last_, gap.to);
  }
  const Imported& done = looked_.done;
  content_.stream = to_hex(incarnation_);
  content_.sha256 = looked_.sha256;
  content_.lines = done.lines;
  content_.readings = done.readings;
  content_.gaps = done.gaps;
  content_.repeated = done.repeated;
  content_.agents = done.agents;
  if (note) note_ = [this, note = std::move(note)] { return note(content_); };
}
ImportBlocks::~ImportBlocks() = default;

Result<bool> ImportBlocks::step() {
  if (!stream_) {
    if (next_ == looked_.readings.streams().end()) return false;
    stream_ = std::make_unique<Stream>(intake_, next_->first, incarnation_, next_->second, note_,
                                       looked_.done);
    ++next_;
  }
  const Result<bool> more = stream_->step();
  if (!more.ok()) return more.error();
  if (*more) return true;
  committed_ += stream_->taken();
  stream_.reset();
  return next_ != looked_.readings.streams().end();
}

std::uint64_t ImportBlocks::committed() const {
  return committed_ + (stream_ ? stream_->taken() : 0);
}

}  // namespace tallyman::rater
