#include "app/socket.hpp"

#include <utility>
#include <zmq.hpp>

#include "app/zap.hpp"

namespace tallyman::app {
namespace {

/// One context a process, with one I/O thread; made at the first socket.
zmq::context_t& context() {
  static zmq::context_t shared(1);
  return shared;
}

Bytes to_bytes(const zmq::message_t& frame) {
  const auto* data = frame.data<std::uint8_t>();
  return {data, data + frame.size()};
}

}  // namespace

struct MessageSocket::State {
  std::shared_ptr<ZapHandler> zap;  ///< of an encrypted router; ends after the socket
  zmq::socket_t socket;
  std::string endpoint;
  bool router = false;
  bool encrypted = false;
  std::uint64_t malformed = 0;
};

MessageSocket::MessageSocket(std::unique_ptr<State> state) : state_(std::move(state)) {}
MessageSocket::MessageSocket(MessageSocket&&) noexcept = default;
MessageSocket& MessageSocket::operator=(MessageSocket&&) noexcept = default;
MessageSocket::~MessageSocket() = default;

namespace {

constexpr int kHandshake = 10'000;  // ms: a peer that connects and says nothing is cut off

void set_keys(zmq::socket_t& socket, const SocketOptions& options) {
  if (options.own.empty()) return;
  socket.set(zmq::sockopt::curve_secretkey, options.own.secret_key);
  if (options.server_key.empty()) {
    socket.set(zmq::sockopt::curve_server, true);
    socket.set(zmq::sockopt::zap_domain, "agents");
  } else {
    socket.set(zmq::sockopt::curve_publickey, options.own.public_key);
    socket.set(zmq::sockopt::curve_serverkey, options.server_key);
  }
}

/// The key that CURVE proved for the connection a frame came over.
std::string key_of(const zmq::message_t& frame) {
  // Absent for a plain peer: libzmq answers with a null pointer then.
  const char* key = zmq_msg_gets(const_cast<zmq_msg_t*>(frame.handle()), "User-Id");
  return key != nullptr ? key : "";
}

void set_options(zmq::socket_t& socket, const SocketOptions& options) {
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::sndhwm, options.queue);
  socket.set(zmq::sockopt::rcvhwm, options.queue);
  socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(options.max_message));
  // A peer that vanished without a word is noticed below the application's own time-outs. Not by
  // libzmq's heartbeats: one that falls due on a connection that is lost while its queue is full
  // ends the process ("Assertion failed: !_io_error").
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::tcp_keepalive_idle, 10);
  socket.set(zmq::sockopt::tcp_keepalive_intvl, 5);
  socket.set(zmq::sockopt::tcp_keepalive_cnt, 3);
  socket.set(zmq::sockopt::tcp_maxrt, 15'000);  // ms
  socket.set(zmq::sockopt::handshake_ivl, kHandshake);
  socket.set(zmq::sockopt::reconnect_ivl, 100);
  socket.set(zmq::sockopt::reconnect_ivl_max, 5000);
}

}  // namespace

Result<MessageSocket> MessageSocket::dealer(const std::string& endpoint,
                                            const SocketOptions& options) {
  try {
    auto state = std::make_unique<State>();
    state->socket = zmq::socket_t(context(), zmq::socket_type::dealer);
    set_options(state->socket, options);
    if (!options.own.empty() && !is_key(options.server_key)) {
      return Error{"no key of the rater is given", endpoint, "what `tallyman-rater key show` says"};
    }
    set_keys(state->socket, options);
    state->encrypted = !options.own.empty();
    // What is sent before the connection stands would be queued for a peer that may never come.
    state->socket.set(zmq::sockopt::immediate, 1);
    state->socket.connect(endpoint);
    state->endpoint = endpoint;
    return MessageSocket(std::move(state));
  } catch (const zmq::error_t& error) {
    return Error{std::string("cannot connect: ") + error.what(), endpoint,
                 "give an endpoint like tcp://127.0.0.1:5580"};
  }
}

Result<MessageSocket> MessageSocket::router(const std::string& endpoint,
                                            const SocketOptions& options) {
  try {
    auto state = std::make_unique<State>();
    if (!options.own.empty()) {
      auto zap = ZapHandler::of(context().handle());
      if (!zap.ok()) return zap.error();
      state->zap = std::move(*zap);
    }
    state->socket = zmq::socket_t(context(), zmq::socket_type::router);
    set_options(state->socket, options);
    set_keys(state->socket, options);
    state->encrypted = !options.own.empty();
    state->socket.set(zmq::sockopt::router_mandatory, 1);
    state->socket.bind(endpoint);
    state->endpoint = state->socket.get(zmq::sockopt::last_endpoint);
    state->router = true;
    return MessageSocket(std::move(state));
  } catch (const zmq::error_t& error) {
    const bool taken = error.num() == EADDRINUSE;
    return Error{std::string("cannot listen: ") + error.what(), endpoint,
                 taken ? "another program listens there; stop it or choose another port"
                       : "give an endpoint like tcp://127.0.0.1:5580"};
  }
}

bool MessageSocket::send(const Message& message) {
  try {
    if (state_->router) {
      zmq::message_t peer(message.peer.data(), message.peer.size());
      const auto flags = zmq::send_flags::dontwait | zmq::send_flags::sndmore;
      if (!state_->socket.send(peer, flags)) return false;
    }
    zmq::message_t body(message.body.data(), message.body.size());
    return state_->socket.send(body, zmq::send_flags::dontwait).has_value();
  } catch (const zmq::error_t&) {
    return false;  // EHOSTUNREACH: the peer is gone
  }
}

std::optional<Message> MessageSocket::receive() {
  try {
    while (true) {
      Message out;
      zmq::message_t frame;
      if (!state_->socket.recv(frame, zmq::recv_flags::dontwait)) return std::nullopt;
      if (state_->router) {
        out.peer = to_bytes(frame);
        // A peer's frames arrive together: the rest is there when the first is.
        if (!frame.more() || !state_->socket.recv(frame, zmq::recv_flags::dontwait)) continue;
        out.key = key_of(frame);
      }
      const bool single = !frame.more();
      if (single) out.body = to_bytes(frame);
      while (frame.more()) {
        if (!state_->socket.recv(frame, zmq::recv_flags::dontwait)) break;
      }
      if (!single) ++state_->malformed;
      // A nameless peer of an encrypted router cannot be: nobody is taken for it.
      if (state_->router && state_->encrypted && out.key.empty()) continue;
      return out;
    }
  } catch (const zmq::error_t&) {
    return std::nullopt;
  }
}

const std::string& MessageSocket::endpoint() const { return state_->endpoint; }
std::uint64_t MessageSocket::malformed() const { return state_->malformed; }
bool MessageSocket::encrypted() const { return state_->encrypted; }
void* MessageSocket::handle() const { return state_->socket.handle(); }

bool is_loopback(const std::string& endpoint) {
  for (const char* prefix :
       {"tcp://127.", "tcp://[::1]", "tcp://localhost:", "ipc://", "inproc://"}) {
    if (endpoint.rfind(prefix, 0) == 0) return true;
  }
  return false;
}

}  // namespace tallyman::app
