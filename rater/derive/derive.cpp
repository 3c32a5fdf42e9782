#include "rater/derive/derive.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "rater/derive/derive_fold.hpp"

namespace tallyman::rater {

Deriver::Deriver(std::string agent, Ns slot)
    : state_(std::make_unique<State>(std::move(agent), slot)) {}
Deriver::Deriver(std::unique_ptr<State> state) : state_(std::move(state)) {}
Deriver::~Deriver() = default;
Deriver::Deriver(Deriver&&) noexcept = default;
Deriver& Deriver::operator=(Deriver&&) noexcept = default;

const std::string& Deriver::agent() const { return state_->agent; }
Ns Deriver::slot() const { return state_->spreader.slot(); }

void Deriver::define(std::uint64_t stream, const wire::Definition& definition) {
  state_->define(state_->stream(stream), definition);
}

void Deriver::apply(std::uint64_t stream_id, const wire::Batch& batch, Ns latest) {
  fold::Stream& stream = state_->stream(stream_id);
  state_->latest = std::max<Ns>(latest, 1);
  if (batch.head.kind == wire::BatchKind::stand_in) state_->lost(stream);
  for (const wire::Entry& entry : batch.entries) {
    if (const auto* definition = std::get_if<wire::Definition>(&entry)) {
      state_->define(stream, *definition);
    } else if (const auto* poll = std::get_if<wire::Poll>(&entry)) {
      state_->poll(stream, *poll);
    } else {
      state_->gap(stream, std::get<wire::Gap>(entry));
    }
  }
  state_->seal(stream, batch.seal.watermark);
}

Derived Deriver::take() { return state_->take(); }

Ns Deriver::watermark(std::uint64_t stream) const {
  const auto it = state_->streams.find(stream);
  return it == state_->streams.end() ? 0 : it->second.watermark;
}

}  // namespace tallyman::rater
