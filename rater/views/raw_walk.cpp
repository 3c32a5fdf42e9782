#include "rater/views/raw_walk.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <variant>

#include "rater/views/raw_counter.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kFetch = 16;        ///< batches of one stream held at a time
constexpr Ns kClocksDiffer = kSecond;     ///< by this much an agent's clock may lead
constexpr std::uint64_t kTellEvery = 64;  ///< batches

template <typename T>
const T* find(const std::unordered_map<wire::DefNo, wire::DefBody>& all, wire::DefNo number) {
  const auto it = all.find(number);
  return it == all.end() ? nullptr : std::get_if<T>(&it->second);
}

/// One stream's definitions, and how far it has been read.
struct Source {
  std::uint32_t index = 0;  ///< in RawWalk::streams
  std::int64_t id = 0;
  std::uint64_t until = 0, fetched_to = 0;
  std::deque<StoredBatch> fetched;
  std::unordered_map<wire::DefNo, wire::DefBody> definitions;
  std::map<std::string, Ns> beats;  ///< position of the last poll, by instance
};

class Walker {
 public:
  Walker(Snapshot& snapshot, const RawQuestion& question, RawWalk& walk)
      : snapshot_(snapshot),
        rule_{question.span, snapshot.slot(), question.intervals_at},
        kept_out_(question.kept_out),
        walk_(walk) {
    for (const ViewKey& view : question.views) walk_.views[view];
  }

  Status agent(const std::string& name, const Cut& cut, const std::function<void()>& batch_done) {
    agent_ = name;
    counters_.clear();
    std::vector<Source> sources;
    for (const StreamMark& mark : cut.marks) {
      if (mark.agent != name || mark.sequence == 0) continue;
      if (Status opened = open(mark, sources); !opened.ok()) return opened;
    }
    for (;;) {
      Source* next = nullptr;
      for (Source& source : sources) {
        if (Status status = fetch(source); !status.ok()) return status;
        if (source.fetched.empty()) continue;
        if (next == nullptr || source.fetched.front().arrival < next->fetched.front().arrival) {
          next = &source;
        }
      }
      if (next == nullptr) break;
      if (Status status = take(*next); !status.ok()) return status;
      ++walk_.batches;
      batch_done();
    }
    for (auto& [key, counter] : counters_) counter->finish();
    for (auto& [key, view] : walk_.views) {
      std::sort(view.segments.begin(), view.segments.end(),
                [](const RawSegment& a, const RawSegment& b) {
                  return std::tie(a.first.at, a.epoch) < std::tie(b.first.at, b.epoch);
                });
      std::stable_sort(
          view.intervals.begin(), view.intervals.end(),
          [](const RawInterval& a, const RawInterval& b) { return a.from.at < b.from.at; });
    }
    return {};
  }

 private:
  Status open(const StreamMark& mark, std::vector<Source>& sources) {
    const auto stream = snapshot_.intake().stream(mark.agent, mark.incarnation);
    if (!stream.ok()) return stream.error();
    if (!stream->has_value()) return Error{"the ledger lacks a stream", mark.agent, ""};
    const auto definitions = snapshot_.intake().definitions((*stream)->id);
    if (!definitions.ok()) return definitions.error();
    Source source;
    source.index = static_cast<std::uint32_t>(walk_.streams.size());
    source.id = (*stream)->id;
    source.until = mark.sequence;
    for (const auto& each : *definitions) source.definitions.emplace(each.number, each.body);
    walk_.streams.push_back(mark);
    sources.push_back(std::move(source));
    return {};
  }

  Status fetch(Source& source) {
    if (!source.fetched.empty() || source.fetched_to >= source.until) return {};
    auto batches = snapshot_.intake().batches_after(source.id, source.fetched_to, kFetch);
    if (!batches.ok()) return batches.error();
    if (batches->empty()) source.fetched_to = source.until;
    for (StoredBatch& batch : *batches) {
      source.fetched_to = std::max(source.fetched_to, batch.last);
      if (batch.last <= source.until) source.fetched.push_back(std::move(batch));
    }
    return {};
  }

  Status take(Source& source) {
    const StoredBatch stored = std::move(source.fetched.front());
    source.fetched.pop_front();
    const auto batch = wire::decode_batch(stored.bytes);
    if (!batch.ok()) {
      Error error = batch.error();
      error.where = agent_ + ", batch " + std::to_string(stored.sequence) + ": " + error.where;
      return error;
    }
    if (batch->head.kind != wire::BatchKind::normal) {
      lost(source, *batch, stored);
    }
    const Ns latest = stored.received + kClocksDiffer;
    for (const wire::Entry& entry : batch->entries) {
      if (const auto* poll = std::get_if<wire::Poll>(&entry)) {
        this->poll(source, *poll, stored.sequence, latest);
      } else if (const auto* gap = std::get_if<wire::Gap>(&entry)) {
        this->gap(source, *gap, stored.sequence);
      }
    }
    if (batch->seal.watermark != 0) {
      const Ns at = std::min(batch->seal.watermark, latest);
      for (auto& [key, counter] : counters_) counter->sealed(source.index, at);
    }
    return {};
  }

  void lost(const Source& source, const wire::Batch& batch, const StoredBatch& stored) {
    const bool thinned = batch.head.kind == wire::BatchKind::thinned;
    for (auto& [key, view] : walk_.views) {
      if (key.agent != agent_ || view.gaps.size() >= kMaxRawGaps) continue;
      if (thinned) continue;
      view.gaps.push_back(
          {0, 0, "lost batches: " + batch.head.why, source.index, stored.sequence, stored.last});
    }
  }

  void poll(Source& source, const wire::Poll& poll, std::uint64_t batch, Ns latest) {
    const auto* instance = find<wire::InstanceDef>(source.definitions, poll.instance);
    if (instance == nullptr) return;
    Ns& last = source.beats[instance->instance];
    const Ns at =
        std::max<Ns>(std::min(wire::position_of(poll, last).at, std::max(latest, last)), 1);
    last = at;
    const Ns beat = instance->interval > 0 ? instance->interval : rule_.slot;
    for (const wire::Value& value : poll.values) {
      RawCounter* counter = counter_of(source, value.epoch, *instance);
      if (counter == nullptr) continue;
      const bool own = value.time != 0;
      const Ns stands = own ? std::clamp<Ns>(std::min(value.time, latest), 1, at) : at;
      counter->read({stands, value.value, source.index, batch}, own, beat);
    }
    for (const wire::DefNo epoch : poll.ended) {
      if (RawCounter* counter = counter_of(source, epoch, *instance)) counter->end(at);
    }
  }

  void gap(const Source& source, const wire::Gap& gap, std::uint64_t batch) {
    const auto* instance = find<wire::InstanceDef>(source.definitions, gap.instance);
    if (instance == nullptr || gap.to <= rule_.span.from || gap.from >= rule_.span.to) return;
    for (auto& [key, view] : walk_.views) {
      if (key.agent != agent_ || key.instance != instance->instance) continue;
      if (!touches(source, gap.subject, key.series) || view.gaps.size() >= kMaxRawGaps) continue;
      std::string why = wire::cause_name(gap.cause);
      if (!gap.why.empty()) why += ": " + gap.why;
      view.gaps.push_back({gap.from, gap.to, std::move(why), source.index, batch, batch});
    }
  }

  /// Whether the subject of a gap holds the series.
  static bool touches(const Source& source, wire::DefNo subject, const SeriesKey& series) {
    if (subject == 0) return true;
    if (const auto* whole = find<wire::SourceDef>(source.definitions, subject)) {
      return whole->id == series.source;
    }
    if (const auto* metric = find<wire::MetricDef>(source.definitions, subject)) {
      return metric->name == series.metric;
    }
    const auto* one = find<wire::SeriesDef>(source.definitions, subject);
    return one != nullptr && key_of(source, *one) == series;
  }

  static SeriesKey key_of(const Source& source, const wire::SeriesDef& series) {
    const auto* metric = find<wire::MetricDef>(source.definitions, series.metric);
    const auto* of = find<wire::SourceDef>(source.definitions, series.source);
    SeriesKey key;
    if (metric == nullptr || of == nullptr) return key;
    key = {of->id, of->scope, metric->name, metric->unit, metric->kind, {}};
    const std::size_t labels = std::min(metric->identity.size(), series.identity.size());
    for (std::size_t i = 0; i < labels; ++i) key.labels[metric->identity[i]] = series.identity[i];
    return key;
  }

  RawCounter* counter_of(const Source& source, wire::DefNo number,
                         const wire::InstanceDef& instance) {
    const auto* epoch = find<wire::EpochDef>(source.definitions, number);
    if (epoch == nullptr) return nullptr;
    const auto* series = find<wire::SeriesDef>(source.definitions, epoch->series);
    if (series == nullptr) return nullptr;
    auto& known = series_[{source.index, epoch->series, instance.instance}];
    if (!known.looked) {
      known.looked = true;
      const auto it = walk_.views.find({key_of(source, *series), agent_, instance.instance});
      if (it != walk_.views.end()) known.view = &*it;
    }
    if (known.view == nullptr) return nullptr;
    auto& counter = counters_[{known.view, epoch->epoch}];
    if (counter == nullptr) {
      const auto out = kept_out_.find(known.view->first);
      counter = std::make_unique<RawCounter>(
          known.view->second, rule_, out == kept_out_.end() ? nullptr : &out->second, epoch->epoch,
          epoch->start, known.view->first.series.kind == wire::Kind::gauge);
    }
    return counter.get();
  }

  using View = std::pair<const ViewKey, RawView>;
  struct Known {
    bool looked = false;
    View* view = nullptr;
  };

  Snapshot& snapshot_;
  RawCounter::Rule rule_;
  const std::map<ViewKey, std::set<RawAmount>>& kept_out_;
  RawWalk& walk_;
  std::string agent_;
  std::map<std::tuple<std::uint32_t, wire::DefNo, std::string>, Known> series_;
  std::map<std::pair<View*, std::uint64_t>, std::unique_ptr<RawCounter>> counters_;
};

}  // namespace

Result<RawWalk> walk_raw(Snapshot& snapshot, const Cut& cut, const RawQuestion& question,
                         const RerateProgress& progress) {
  RawWalk walk;
  Walker walker(snapshot, question, walk);
  std::set<std::string> agents;
  for (const ViewKey& view : question.views) agents.insert(view.agent);
  std::uint64_t total = 0;
  for (const StreamMark& mark : cut.marks) total += agents.contains(mark.agent) ? mark.sequence : 0;
  const auto batch_done = [&] {
    if (progress && walk.batches % kTellEvery == 0) progress(walk.batches, total);
  };
  for (const std::string& agent : agents) {
    if (Status done = walker.agent(agent, cut, batch_done); !done.ok()) return done.error();
  }
  if (progress) progress(total, total);
  return walk;
}

}  // namespace tallyman::rater
