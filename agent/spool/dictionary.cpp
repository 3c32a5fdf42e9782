#include "agent/spool/dictionary.hpp"

#include <algorithm>
#include <cstring>

namespace tallyman::agent {
namespace {

std::vector<wire::DefNo> references(const wire::DefBody& body) {
  if (const auto* series = std::get_if<wire::SeriesDef>(&body))
    return {series->source, series->metric};
  if (const auto* epoch = std::get_if<wire::EpochDef>(&body)) return {epoch->series};
  if (const auto* info = std::get_if<wire::InfoDef>(&body)) return {info->series};
  return {};
}

}  // namespace

std::size_t DefinitionMap::KeyHash::operator()(const Key& key) const {
  std::size_t out = 0;
  std::memcpy(&out, key.data(), sizeof out);
  return out;
}

DefinitionMap::Key DefinitionMap::key_of(const wire::DefBody& body) {
  const Hash hash = hash_of(wire::encode_definition({0, body}));
  Key key;
  std::copy_n(hash.begin(), key.size(), key.begin());
  return key;
}

wire::DefNo DefinitionMap::intern(const wire::DefBody& body) {
  const auto found = numbers_.find(key_of(body));
  return found != numbers_.end() ? found->second : add(body);
}

wire::DefNo DefinitionMap::add(const wire::DefBody& body) {
  for (const wire::DefNo reference : references(body)) {
    if (!bodies_.contains(reference)) return 0;
  }
  // Through the codec, so that what is found before a restart and after one is the same.
  const auto definition = wire::decode_definition(wire::encode_definition({highest_ + 1, body}));
  if (!definition) return 0;
  load(*definition);
  return definition->number;
}

void DefinitionMap::info(wire::DefNo series, Ns from, const wire::LabelValues& values) {
  const wire::LabelValues* last = info_of(series);
  if (last == nullptr || *last != values) (void)add(wire::InfoDef{series, from, values});
}

const wire::DefBody* DefinitionMap::find(wire::DefNo number) const {
  const auto found = bodies_.find(number);
  return found == bodies_.end() ? nullptr : &found->second;
}

const wire::LabelValues* DefinitionMap::info_of(wire::DefNo series) const {
  const auto found = infos_.find(series);
  if (found == infos_.end()) return nullptr;
  return &std::get<wire::InfoDef>(bodies_.at(found->second)).values;
}

std::vector<wire::Definition> DefinitionMap::from(wire::DefNo first) const {
  std::vector<wire::Definition> out;
  for (auto at = bodies_.lower_bound(first); at != bodies_.end(); ++at)
    out.push_back({at->first, at->second});
  return out;
}

void DefinitionMap::load(const wire::Definition& definition) {
  highest_ = std::max(highest_, definition.number);
  if (!bodies_.emplace(definition.number, definition.body).second) return;
  if (const auto* info = std::get_if<wire::InfoDef>(&definition.body)) {
    wire::DefNo& last = infos_[info->series];
    last = std::max(last, definition.number);
  } else {
    wire::DefNo& number = numbers_[key_of(definition.body)];
    number = std::max(number, definition.number);
  }
}

DefinitionMap::Saved DefinitionMap::save() const {
  Saved saved;
  saved.definitions.reserve(bodies_.size());
  for (const auto& [number, body] : bodies_)
    saved.definitions.push_back(wire::encode_definition({number, body}));
  saved.numbers.reserve(numbers_.size());
  for (const auto& [key, number] : numbers_) saved.numbers.push_back({key, number});
  saved.highest = highest_;
  saved.committed = committed_;
  return saved;
}

bool DefinitionMap::restore(const Saved& saved) {
  for (const Bytes& bytes : saved.definitions) {
    auto definition = wire::decode_definition(bytes);
    if (!definition) return false;
    const wire::DefNo number = definition->number;
    if (const auto* info = std::get_if<wire::InfoDef>(&definition->body)) {
      wire::DefNo& last = infos_[info->series];
      last = std::max(last, number);
    }
    bodies_.emplace_hint(bodies_.end(), number, std::move(definition->body));
  }
  numbers_.reserve(saved.numbers.size());
  for (const Numbered& each : saved.numbers) {
    if (!bodies_.contains(each.number)) return false;
    numbers_[each.key] = each.number;
  }
  highest_ = saved.highest;
  committed_ = saved.committed;
  return true;
}

void DefinitionMap::prune() {
  for (auto at = bodies_.begin(); at != bodies_.end();) {
    const auto& body = at->second;
    if (resolves(wire::Definition{at->first, body})) {
      ++at;
      continue;
    }
    if (const auto* info = std::get_if<wire::InfoDef>(&body)) {
      infos_.erase(info->series);
    } else {
      numbers_.erase(key_of(body));
    }
    at = bodies_.erase(at);
  }
}

bool DefinitionMap::resolves(const wire::Entry& entry) const {
  const auto known = [&](wire::DefNo number) { return bodies_.contains(number); };
  if (const auto* poll = std::get_if<wire::Poll>(&entry)) {
    return known(poll->instance) && std::all_of(poll->ended.begin(), poll->ended.end(), known) &&
           std::all_of(poll->values.begin(), poll->values.end(),
                       [&](const wire::Value& value) { return known(value.epoch); });
  }
  if (const auto* gap = std::get_if<wire::Gap>(&entry))
    return known(gap->instance) && (gap->subject == 0 || known(gap->subject));
  const auto needed = references(std::get<wire::Definition>(entry).body);
  return std::all_of(needed.begin(), needed.end(), known);
}

std::vector<std::vector<wire::Entry>> cut_definitions(
    const std::vector<wire::Definition>& definitions, std::size_t bytes) {
  std::vector<std::vector<wire::Entry>> runs;
  std::size_t size = 0;
  for (const auto& definition : definitions) {
    const std::size_t more = wire::encode_definition(definition).size();
    if (runs.empty() || size + more > bytes) {
      runs.emplace_back();
      size = 0;
    }
    runs.back().emplace_back(definition);
    size += more;
  }
  return runs;
}

}  // namespace tallyman::agent
