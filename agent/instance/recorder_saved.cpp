// A recorder as values, and again as a recorder.

#include <algorithm>

#include "agent/instance/recorder.hpp"

namespace tallyman::agent {

Recorder::Saved Recorder::save() const {
  Saved saved;
  saved.definition = definition_;
  saved.handles = handles_.save();
  saved.fresh_info = {fresh_info_.begin(), fresh_info_.end()};
  saved.sources = {sources_.begin(), sources_.end()};
  std::sort(saved.sources.begin(), saved.sources.end());
  saved.values = values_;
  saved.fresh = fresh_;
  saved.parts = parts_;
  saved.state = state_;
  saved.defined = defined_;
  saved.present = present_;
  return saved;
}

// A number that means something else would book one counter's bytes to another.
bool Recorder::resolves(const Saved& saved) const {
  const auto is_epoch = [this](wire::DefNo number) {
    const wire::DefBody* body = dictionary_.find(number);
    return body != nullptr && std::holds_alternative<wire::EpochDef>(*body);
  };
  const auto slot_fits = [&](const HandleTable::Entry& entry) {
    if (!is_epoch(entry.slot.epoch)) return false;
    const auto& epoch = std::get<wire::EpochDef>(*dictionary_.find(entry.slot.epoch));
    return epoch.series == entry.slot.series;
  };
  const auto is_source = [this](wire::DefNo number) {
    const wire::DefBody* body = dictionary_.find(number);
    return body != nullptr && std::holds_alternative<wire::SourceDef>(*body);
  };
  const auto part_fits = [this](const PartGap& part) {
    return (part.all_metrics || part.metric < metrics_.size()) &&
           (part.all_series || !part.all_metrics);
  };
  return std::all_of(saved.handles.entries.begin(), saved.handles.entries.end(), slot_fits) &&
         std::all_of(saved.sources.begin(), saved.sources.end(), is_source) &&
         std::all_of(saved.parts.begin(), saved.parts.end(), part_fits) &&
         std::all_of(saved.present.begin(), saved.present.end(), is_epoch) &&
         std::is_sorted(saved.present.begin(), saved.present.end()) &&
         std::all_of(saved.values.begin(), saved.values.end(),
                     [&](const wire::Value& value) { return is_epoch(value.epoch); });
}

Verdict Recorder::restore(const Saved& saved, const std::optional<Described>& declaration) {
  if (declaration) {
    if (Verdict fault = described(*declaration, saved.definition)) return fault;
  } else {
    adopt(saved.definition);
  }
  if (!resolves(saved) || saved.values.size() > limits_.readings ||
      saved.parts.size() > limits_.parts || saved.present.size() > limits_.present ||
      saved.handles.entries.size() > limits_.handles || !handles_.restore(saved.handles)) {
    handles_.clear();
    return Fault{wire::Cause::starting, "what it had defined is not known any more"};
  }
  fresh_info_ = {saved.fresh_info.begin(), saved.fresh_info.end()};
  sources_ = {saved.sources.begin(), saved.sources.end()};
  values_ = saved.values;
  fresh_ = saved.fresh;
  parts_ = saved.parts;
  state_ = saved.state;
  defined_ = saved.defined;
  present_ = saved.present;
  return {};
}

}  // namespace tallyman::agent
