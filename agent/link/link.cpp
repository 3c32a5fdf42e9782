#include "agent/link/link.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "app/log.hpp"
#include "base/time_text.hpp"
#include "wire/pack.hpp"

namespace tallyman::agent {
namespace {

constexpr std::size_t kMaxAnswer = 16U << 10U;  // a refusal's words are the longest
constexpr Ns kQueueRetry = 50 * kMillisecond;
constexpr std::size_t kDefinitionBytes = 256U << 10U;  // in one message
// A clock off by more than this is a state; status shows anything above a second.
constexpr Ns kClockOff = 30 * kSecond;

}  // namespace

Link::Link(app::EventLoop& loop, Spool& spool, std::string agent, RaterAddress rater,
           const LinkTimes& times, Handlers handlers)
    : loop_(loop),
      spool_(spool),
      agent_(std::move(agent)),
      rater_(std::move(rater)),
      handlers_(std::move(handlers)),
      state_(rater_.endpoints.size(), times, rater_.compress ? wire::kPackedBatches : 0) {}

Link::~Link() {
  loop_.cancel(timer_);
  loop_.cancel(retry_);
  if (watch_ != 0) loop_.unwatch(watch_);
}

void Link::start() { perform(state_.start(loop_.clock().boot())); }

void Link::offer() {
  if (state_.phase() != LinkPhase::connected || holding_) return;
  send_batches();
  rearm();
}

bool Link::idle() const {
  return state_.phase() != LinkPhase::connected ||
         state_.sent_up_to() <= spool_.stats().acknowledged;
}

LinkStatus Link::status() const {
  LinkStatus status;
  if (!rater_.endpoints.empty()) status.rater = rater_.endpoints[state_.endpoint()];
  status.state = link_phase_name(state_.phase());
  status.why = state_.why();
  if (!status.why.empty() && !heard_ && state_.phase() != LinkPhase::off) {
    // A handshake that fails looks like nobody there: a server does not tell strangers why.
    status.why += rater_.key.empty()
                      ? "; if it runs, it may want keys: `tallyman key new`"
                      : "; if it runs, compare `rater_key` with its `tallyman-rater key show`";
  }
  status.note = told_note_;
  status.noted = noted_;
  status.last_ack = state_.last_ack();
  status.acknowledged = spool_.stats().acknowledged;
  status.ledger = spool_.ledger();
  status.compression = state_.may_pack() ? "zstd" : "none";
  status.clock_offset = state_.clock_offset();
  if (std::abs(status.clock_offset) > kClockOff) {
    status.why += (status.why.empty() ? "" : "; ") + std::string("this clock is ") +
                  to_duration_text(std::abs(status.clock_offset) / kSecond * kSecond) +
                  (status.clock_offset > 0 ? " behind" : " ahead of") + " the rater's";
  }
  return status;
}

void Link::rearm() {
  loop_.cancel(std::exchange(timer_, 0));
  if (state_.timer() != std::numeric_limits<Ns>::max() && !holding_) {
    timer_ = loop_.at(state_.timer(), [this] {
      timer_ = 0;
      perform(state_.on_timer(loop_.clock().boot()));
    });
  }
  if (told_note_ != state_.note()) {
    told_note_ = state_.note();
    noted_ = loop_.clock().wall();
    handlers_.event("link: " + told_note_);
  }
  if (told_ == state_.phase() && told_why_ == state_.why()) return;
  told_ = state_.phase();
  told_why_ = state_.why();
  std::string what = std::string("link ") + link_phase_name(told_);
  if (!told_why_.empty()) what += ": " + told_why_;
  handlers_.event(what);
}

void Link::perform(const LinkEffects& effects) {
  for (auto effect = effects.begin(); effect != effects.end(); ++effect) {
    if (effect->what == LinkEffect::What::hold && hold(*effect, {effect + 1, effects.end()})) break;
    if (Status status = perform(*effect); !status.ok()) {
      trouble(status.error());
      break;
    }
  }
  rearm();
}

void Link::trouble(const Error& error) {
  log::error("link: {}", error.text());
  (void)state_.on_trouble(error.text(), loop_.clock().boot());
}

// The rest waits for the disk, as do messages; the loop does not. False: it is held already.
bool Link::hold(const LinkEffect& effect, LinkEffects rest) {
  auto job = spool_.hold_job(effect.number, effect.token, effect.slot);
  if (!job) return false;
  holding_ = true;
  loop_.unwatch(std::exchange(watch_, 0));
  const auto done = [this, rest = std::move(rest),
                     alive = std::weak_ptr<bool>(alive_)](const Status& result) {
    if (alive.expired()) return;
    holding_ = false;
    listen();
    if (!result.ok()) trouble(result.error());
    perform(result.ok() ? rest : LinkEffects{});
  };
  handlers_.hold(std::move(*job), done);
  return true;
}

void Link::listen() {
  if (socket_) watch_ = loop_.watch(*socket_, [this] { receive(); });
}

Status Link::perform(const LinkEffect& effect) {
  using What = LinkEffect::What;
  switch (effect.what) {
    case What::connect:
      return connect(effect.number);
    case What::hello:
      send_hello();
      return {};
    case What::heartbeat:
      (void)send(wire::Heartbeat{spool_.token(), loop_.clock().wall(), spool_.stats().sealed});
      return {};
    case What::hold:
      return {};  // it is: hold() found nothing to do
    case What::rewind:
      return spool_.rewind(effect.number, effect.hash);
    case What::acknowledge:
      return spool_.acknowledge(effect.number, effect.hash);
    case What::definitions:
      owed_definition_ = effect.number;
      return {};
    case What::send:
      send_batches();
      return {};
    case What::new_incarnation:
      log::error("link: {}: beginning a new incarnation", effect.why);
      if (Status status = spool_.begin_incarnation(effect.why); !status.ok()) return status;
      handlers_.new_incarnation();
      return {};
  }
  return {};
}

Status Link::connect(std::size_t endpoint) {
  if (watch_ != 0) loop_.unwatch(std::exchange(watch_, 0));
  socket_.reset();
  heard_ = false;
  app::SocketOptions options;
  options.max_message = kMaxAnswer;
  options.own = rater_.key;
  options.server_key = rater_.rater_key;
  auto socket = app::MessageSocket::dealer(rater_.endpoints[endpoint], options);
  if (!socket) return socket.error();
  socket_.emplace(std::move(*socket));
  listen();
  return {};
}

bool Link::send(const wire::AgentMessage& message) {
  return socket_ && socket_->send({{}, wire::encode(message)});
}

void Link::send_hello() {
  loop_.cancel(std::exchange(retry_, 0));
  owed_definition_ = 0;
  const wire::Hello hello{agent_,
                          spool_.incarnation(),
                          spool_.token(),
                          spool_.ledger(),
                          spool_.stats().sealed,
                          loop_.clock().wall(),
                          "tallyman-agent " TALLYMAN_VERSION,
                          state_.asks()};
  if (send(hello)) return;
  // Nothing is taken before the connection stands: that is noticed by trying.
  retry_ = loop_.after(kQueueRetry, [this] {
    retry_ = 0;
    if (state_.phase() == LinkPhase::greeting) send_hello();
  });
}

// Batches rely on them, so none is sent before the last of these is.
bool Link::send_definitions() {
  wire::DefNo last = handlers_.durable_definitions();
  if (owed_definition_ == 0 || owed_definition_ > last) return true;
  std::vector<wire::Definition> owed = spool_.dictionary().from(owed_definition_);
  for (std::size_t at = 0; at < owed.size() && owed[at].number <= last;) {
    wire::Definitions message{spool_.token(), {}};
    std::size_t bytes = 0;
    for (; at < owed.size() && owed[at].number <= last && bytes < kDefinitionBytes; at++) {
      bytes += wire::encode_definition(owed[at]).size();
      message.definitions.push_back(std::move(owed[at]));
    }
    if (!send(message)) return false;
    owed_definition_ = message.definitions.back().number + 1;
  }
  owed_definition_ = 0;
  return true;
}

void Link::retry_soon() {
  loop_.cancel(retry_);
  retry_ = loop_.after(kQueueRetry, [this] {
    retry_ = 0;
    offer();
  });
}

bool Link::send_batch(Bytes batch) {
  if (state_.may_pack()) {
    Bytes frame = wire::pack(batch);
    if (!frame.empty()) return send(wire::PackedBatch{spool_.token(), std::move(frame)});
  }
  return send(wire::BatchMessage{spool_.token(), std::move(batch)});
}

void Link::send_batches() {
  if (state_.may_send(0) && !send_definitions()) return retry_soon();
  while (state_.may_send(0)) {
    Result<std::optional<SealedBatch>> next = spool_.next_after(state_.sent_up_to());
    if (!next) {
      log::error("link: {}", next.error().text());
      (void)state_.on_trouble(next.error().text(), loop_.clock().boot());
      return;
    }
    if (!next->has_value() || !state_.may_send((*next)->bytes.size())) return;
    SealedBatch& batch = **next;
    std::uint64_t size = batch.bytes.size();
    if (!send_batch(std::move(batch.bytes))) return retry_soon();
    state_.sent(batch.last, size, loop_.clock().boot());
  }
}

LinkFacts Link::facts(const wire::RaterMessage& message) const {
  SpoolStats stats = spool_.stats();
  LinkFacts facts;
  facts.ledger = spool_.ledger();
  facts.token = spool_.token();
  facts.sealed = stats.sealed;
  facts.acknowledged = stats.acknowledged;
  facts.durable_definitions = handlers_.durable_definitions();
  std::uint64_t mark = std::visit([](const auto& body) { return body.mark; }, message);
  if (mark > 0) facts.mark_hash = spool_.hash_of_batch(mark);
  return facts;
}

void Link::receive() {
  constexpr int kPerTurn = 64;
  for (int i = 0; i < kPerTurn && socket_ && !holding_; i++) {
    std::optional<app::Message> message = socket_->receive();
    if (!message) return;
    heard_ = true;
    Result<wire::RaterMessage> decoded = wire::decode_rater_message(message->body);
    Ns boot = loop_.clock().boot();
    if (!decoded) {
      perform(
          state_.on_trouble("the rater sent what is no message: " + decoded.error().text(), boot));
      return;
    }
    perform(state_.on_message(*decoded, facts(*decoded), boot, loop_.clock().wall()));
  }
}

}  // namespace tallyman::agent
