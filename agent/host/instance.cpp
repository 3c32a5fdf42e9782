#include "agent/host/instance.hpp"

#include <exception>

#include "agent/utf8.hpp"

namespace tallyman::host {

Instance::Instance(const Declaration& plugin, Channel& channel, const Clock& clock)
    : plugin_(plugin), channel_(channel), clock_(clock) {}

Instance::~Instance() { destroy(); }

template <typename Function>
HostApi::Outcome Instance::call(Call which, Function function) {
  api_->begin(which);
  try {
    return api_->end(function());
  } catch (const std::exception& e) {
    (void)api_->end(TM_BROKEN);
    return {CallStatus::broken,
            plain_text(std::string("an exception crossed the plugin's border: ") + e.what(),
                       wire::kMaxTextBytes)};
  } catch (...) {
    (void)api_->end(TM_BROKEN);
    return {CallStatus::broken, "something thrown crossed the plugin's border"};
  }
}

HostApi::Outcome Instance::create(const OptionValues& options) {
  api_ = std::make_unique<HostApi>(plugin_.described, channel_, clock_);
  api_->configure(options);
  self_ = nullptr;
  tm_status returned = TM_BROKEN;
  HostApi::Outcome outcome =
      call(Call::create, [&] { return returned = plugin_.calls.create(api_->table(), &self_); });
  created_ = returned == TM_OK;
  if (outcome.status != CallStatus::ok) destroy();
  return outcome;
}

void Instance::destroy() {
  if (!created_) return;
  created_ = false;
  (void)call(Call::destroy, [&] {
    plugin_.calls.destroy(self_);
    return TM_OK;
  });
  self_ = nullptr;
}

Created Instance::configure(const Configure& request) {
  const Result<OptionValues> options = resolve_options(plugin_.described.options, request.options);
  if (!options) {
    return {CallStatus::bad_config, plain_text(options.error().text(), wire::kMaxTextBytes), false};
  }
  destroy();
  HostApi::Outcome outcome = create(*options);
  if (outcome.status != CallStatus::ok) return {outcome.status, outcome.why, false};
  if (request.state_version == 0) return {};
  if (plugin_.described.state_version == 0) {
    return {CallStatus::ok, "there is a state, but this version keeps none", false};
  }
  outcome = call(Call::restore, [&] {
    return plugin_.calls.restore(self_, request.state_version, request.state.data(),
                                 request.state.size());
  });
  if (outcome.status == CallStatus::ok) return {CallStatus::ok, "", true};
  destroy();
  if (outcome.status != CallStatus::bad_state) return {outcome.status, outcome.why, false};
  const std::string refused = plain_text("state refused: " + outcome.why, wire::kMaxTextBytes);
  outcome = create(*options);
  return {outcome.status, outcome.status == CallStatus::ok ? refused : outcome.why, false};
}

HostApi::Outcome Instance::save() {
  HostApi::Outcome outcome = call(Call::save, [&] { return plugin_.calls.save(self_); });
  if (outcome.status != CallStatus::ok) {
    outcome.why = plain_text("save: " + outcome.why, wire::kMaxTextBytes);
  }
  return outcome;
}

void Instance::poll(const PollRequest& request) {
  polled_ = true;
  const tm_poll poll{sizeof(tm_poll), 0, request.scheduled, request.deadline};
  HostApi::Outcome outcome = call(Call::poll, [&] { return plugin_.calls.poll(self_, &poll); });
  const Ns ended = clock_.boot();
  const bool stateful = plugin_.described.state_version != 0;
  if (outcome.status == CallStatus::ok && stateful) outcome = save();
  PollDone done{request.number, outcome.status, outcome.why, {}, ended};
  if (outcome.status == CallStatus::ok) {
    done.forgotten = api_->finish_poll();
    if (stateful) channel_.send(State{plugin_.described.state_version, api_->take_state()});
  }
  channel_.send(done);
  channel_.flush();
}

}  // namespace tallyman::host
