#include "agent/spool/spool_dump.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "agent/control/readings_view.hpp"
#include "agent/spool/dictionary.hpp"

namespace tallyman::agent {
namespace {

std::string range_text(std::uint64_t first, std::uint64_t last) {
  if (first == last) return "batch " + std::to_string(first);
  return "batches " + std::to_string(first) + " to " + std::to_string(last);
}

/// What damage and stand-ins leave out of a dump.
void tell_left_out(const wire::Batch& batch, DumpDone& done) {
  const wire::BatchHead& head = batch.head;
  const bool damaged = head.kind == wire::BatchKind::thinned && head.why.starts_with("damaged");
  if (head.kind == wire::BatchKind::stand_in || damaged)
    done.left_out.push_back(range_text(head.sequence, head.last) + ": " + head.why);
}

/// Turns entries, in order, into lines. Used once.
class Dumper {
 public:
  Dumper(std::string agent, const DumpLine& line, DumpDone& done)
      : agent_(std::move(agent)), line_(line), done_(done) {
    definitions_.find = [this](wire::DefNo number) { return dictionary_.find(number); };
    definitions_.info_of = [this](wire::DefNo) { return info_; };
  }

  void define(const wire::Definition& definition);
  void definitions(const std::vector<wire::Entry>& entries);
  /// Of a batch or of what is saved of one; `tell` is not set for batches out of the range.
  void entries(const std::vector<wire::Entry>& entries, bool tell);
  /// After the last one.
  void finish();

 private:
  /// The last reading of a counter or gauge.
  struct Held {
    wire::DefNo instance = 0;
    wire::DefNo info = 0;  ///< the labels in force; 0 = none
    std::uint64_t value = 0;
    Ns time = 0;
  };

  void poll(const wire::Poll& poll, bool tell);
  void gap(const wire::Gap& gap);
  void hold(const wire::Poll& poll, const wire::Value& value, Ns position);
  void tell(wire::DefNo epoch, const Held& held);
  [[nodiscard]] wire::DefNo info_at(wire::DefNo epoch, Ns at) const;
  [[nodiscard]] bool is_counter(wire::DefNo epoch) const;
  template <typename T>
  [[nodiscard]] const T* find(wire::DefNo number) const {
    const wire::DefBody* body = dictionary_.find(number);
    return body == nullptr ? nullptr : std::get_if<T>(body);
  }

  std::string agent_;
  const DumpLine& line_;
  DumpDone& done_;
  DefinitionMap dictionary_;
  std::map<wire::DefNo, std::map<wire::DefNo, Ns>> infos_;  ///< series → its InfoDefs, from when
  Definitions definitions_;
  const wire::LabelValues* info_ = nullptr;  ///< of the reading that is being told
  std::map<std::string, Ns> positions_;      ///< last one of each instance
  std::unordered_map<wire::DefNo, Held> held_;
};

void Dumper::define(const wire::Definition& definition) {
  dictionary_.load(definition);
  if (const auto* info = std::get_if<wire::InfoDef>(&definition.body))
    infos_[info->series].emplace(definition.number, info->from);
}

void Dumper::definitions(const std::vector<wire::Entry>& entries) {
  for (const auto& entry : entries) {
    if (const auto* definition = std::get_if<wire::Definition>(&entry)) define(*definition);
  }
}

void Dumper::entries(const std::vector<wire::Entry>& entries, bool tell) {
  definitions(entries);
  for (const auto& entry : entries) {
    if (const auto* one = std::get_if<wire::Poll>(&entry)) poll(*one, tell);
    if (const auto* one = std::get_if<wire::Gap>(&entry); one != nullptr && tell) gap(*one);
  }
}

void Dumper::poll(const wire::Poll& poll, bool tell) {
  const auto* instance = find<wire::InstanceDef>(poll.instance);
  if (instance == nullptr) {
    if (tell) done_.unknown += poll.values.size();
    return;
  }
  Ns& last = positions_[instance->instance];
  last = std::max<Ns>(wire::position_of(poll, last).at, 1);
  if (!tell) return;
  for (const auto& value : poll.values) hold(poll, value, last);
  for (const wire::DefNo ended : poll.ended) {
    const auto held = held_.find(ended);
    if (held == held_.end()) continue;
    this->tell(ended, held->second);
    held_.erase(held);
  }
}

void Dumper::hold(const wire::Poll& poll, const wire::Value& value, Ns position) {
  Held next{poll.instance, info_at(value.epoch, position), value.value,
            value.time != 0 ? value.time : position};
  const auto [at, fresh] = held_.try_emplace(value.epoch, next);
  if (fresh) return;
  Held& held = at->second;
  const bool stands = next.time == held.time || (value.time == 0 && next.time < held.time);
  if (stands && (next.value >= held.value || !is_counter(value.epoch))) {
    next.time = held.time;
  } else {
    tell(value.epoch, held);
    if (stands) next.time = held.time + 1;
  }
  held = next;
}

wire::DefNo Dumper::info_at(wire::DefNo epoch, Ns at) const {
  const auto* definition = find<wire::EpochDef>(epoch);
  const auto infos = definition == nullptr ? infos_.end() : infos_.find(definition->series);
  if (infos == infos_.end()) return 0;
  for (auto info = infos->second.rbegin(); info != infos->second.rend(); ++info) {
    if (info->second <= at) return info->first;
  }
  return 0;
}

bool Dumper::is_counter(wire::DefNo epoch) const {
  const auto* definition = find<wire::EpochDef>(epoch);
  const auto* series = definition == nullptr ? nullptr : find<wire::SeriesDef>(definition->series);
  const auto* metric = series == nullptr ? nullptr : find<wire::MetricDef>(series->metric);
  return metric != nullptr && metric->kind == wire::Kind::counter;
}

void Dumper::tell(wire::DefNo epoch, const Held& held) {
  const auto* instance = find<wire::InstanceDef>(held.instance);
  const auto* info = find<wire::InfoDef>(held.info);
  info_ = info == nullptr ? nullptr : &info->values;
  const auto line =
      reading_of({epoch, held.value, held.time}, held.time, *instance, agent_, definitions_);
  if (!line) {
    ++done_.unknown;
    return;
  }
  ++done_.readings;
  line_(wire::to_json_line(*line));
}

void Dumper::gap(const wire::Gap& gap) {
  const auto* instance = find<wire::InstanceDef>(gap.instance);
  if (instance == nullptr) {
    ++done_.unknown;
    return;
  }
  wire::GapLine line = gap_of(gap, *instance, agent_, definitions_);
  line.from = std::max<Ns>(line.from, 1);
  line.to = std::max(line.from, line.to);
  ++done_.gaps;
  line_(wire::to_json_line(line));
}

void Dumper::finish() {
  const std::map<wire::DefNo, Held> rest(held_.begin(), held_.end());
  for (const auto& [epoch, held] : rest) tell(epoch, held);
  held_.clear();
}

bool meets(const DumpRange& range, std::uint64_t first, std::uint64_t last) {
  return first <= range.to && last >= range.from;
}

bool meets(const DumpRange& range, const SegmentFile& segment) {
  return meets(range, segment.first, segment.last == 0 ? ~std::uint64_t{0} : segment.last);
}

/// Told what stands in the spool's segments, in order.
struct Walk {
  std::function<void(const wire::Definition&)> definition;
  std::function<void(const DumpedBatch&)> batch;
  std::function<void(const Damage&)> damage;
};

Result<DumpedBatch> batch_at(const SegmentLook& look, const SegmentFile& segment,
                             const BatchPlace& place) {
  const ByteView bytes =
      ByteView(look.bytes)
          .subspan(static_cast<std::size_t>(place.offset), static_cast<std::size_t>(place.size));
  auto batch = wire::decode_batch(batch_bytes(bytes));
  if (!batch) return batch.error();
  return DumpedBatch{segment.path, place, std::move(*batch), false};
}

Status walk_segment(const SegmentFile& segment, const SegmentLook& look, const Walk& walk) {
  auto damage = look.scan.damages.begin();
  for (const auto& place : look.scan.batches) {
    for (; damage != look.scan.damages.end() && damage->first < place.first; ++damage)
      walk.damage(*damage);
    const auto batch = batch_at(look, segment, place);
    if (!batch) return batch.error();
    walk.batch(*batch);
  }
  for (; damage != look.scan.damages.end(); ++damage) walk.damage(*damage);
  if (auto open = open_batch(look)) {
    const OpenPlace& at = *look.scan.open;
    const BatchPlace place{at.head.sequence, at.head.last,     at.offset, at.end - at.offset,
                           at.head.opened,   at.head.previous, kNoHash};
    walk.batch({segment.path, place, std::move(*open), true});
  }
  return {};
}

Status walk_spool(Files& files, const SpoolFolder& folder, const DumpRange& range,
                  const Walk& walk) {
  for (const auto& segment : folder.segments) {
    if (!meets(range, segment)) continue;
    const auto look = look_at_segment(files, folder, segment, {walk.definition, {}});
    if (!look) return look.error();
    if (!*look) continue;
    Status done = walk_segment(segment, **look, walk);
    if (!done) return done;
  }
  return {};
}

/// The newest segment begins with all definitions; if that is damaged, one before it does with
/// most, and those behind it hold the rest.
Status learn_definitions(Files& files, const SpoolFolder& folder, Dumper& dumper) {
  const auto define = [&](const wire::Definition& one) { dumper.define(one); };
  const auto batch = [&](const wire::Batch& one) { dumper.definitions(one.entries); };
  for (auto segment = folder.segments.rbegin(); segment != folder.segments.rend(); ++segment) {
    const auto look = look_at_segment(files, folder, *segment, {define, batch});
    if (!look) return look.error();
    if (!*look) continue;
    const SegmentScan& scan = (*look)->scan;
    for (const auto& definition : scan.definitions) dumper.define(definition);
    for (const auto& damage : scan.damages) dumper.definitions(damage.entries);
    if (scan.start.state == HeaderState::whole && scan.preamble_whole) return {};
  }
  return {};
}

void tell_damage(const Damage& damage, DumpDone& done) {
  done.left_out.push_back(range_text(damage.first, damage.last) +
                          (damage.size == 0 ? ": missing" : ": damaged") +
                          (damage.pages > 0 ? ", but for its whole pages" : ""));
}

}  // namespace

Result<DumpDone> dump_readings(Files& files, const std::string& directory, const DumpRange& range,
                               const DumpLine& line) {
  const auto folder = look_at_spool(files, directory);
  if (!folder) return folder.error();
  DumpDone done;
  Dumper dumper(folder->agent, line, done);
  Walk walk;
  walk.definition = [&](const wire::Definition& one) { dumper.define(one); };
  walk.batch = [&](const DumpedBatch& one) {
    const bool tell = meets(range, one.place.first, one.place.last);
    dumper.entries(one.batch.entries, tell);
    if (!tell) return;
    ++done.batches;
    tell_left_out(one.batch, done);
  };
  walk.damage = [&](const Damage& damage) {
    const bool tell = meets(range, damage.first, damage.last);
    dumper.entries(damage.entries, tell);
    if (tell) tell_damage(damage, done);
  };
  Status learnt = learn_definitions(files, *folder, dumper);
  if (!learnt) return learnt.error();
  Status walked = walk_spool(files, *folder, range, walk);
  if (!walked) return walked.error();
  dumper.finish();
  return done;
}

Result<DumpDone> dump_batches(Files& files, const std::string& directory, const DumpRange& range,
                              const std::function<void(const DumpedBatch&)>& batch) {
  const auto folder = look_at_spool(files, directory);
  if (!folder) return folder.error();
  DumpDone done;
  Walk walk;
  walk.batch = [&](const DumpedBatch& one) {
    if (!meets(range, one.place.first, one.place.last)) return;
    ++done.batches;
    tell_left_out(one.batch, done);
    batch(one);
  };
  walk.damage = [&](const Damage& damage) {
    if (meets(range, damage.first, damage.last)) tell_damage(damage, done);
  };
  Status walked = walk_spool(files, *folder, range, walk);
  if (!walked) return walked.error();
  return done;
}

}  // namespace tallyman::agent
