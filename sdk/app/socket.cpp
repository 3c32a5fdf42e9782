#include "app/socket.hpp"

#include <utility>
#include <zmq.hpp>

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
  zmq::socket_t socket;
  std::string endpoint;
  bool router = false;
  std::uint64_t dropped = 0;
};

MessageSocket::MessageSocket(std::unique_ptr<State> state) : state_(std::move(state)) {}
MessageSocket::MessageSocket(MessageSocket&&) noexcept = default;
MessageSocket& MessageSocket::operator=(MessageSocket&&) noexcept = default;
MessageSocket::~MessageSocket() = default;

namespace {

void set_options(zmq::socket_t& socket, const SocketOptions& options) {
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::sndhwm, options.queue);
  socket.set(zmq::sockopt::rcvhwm, options.queue);
  socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(options.max_message));
  // A peer that vanished without a word is noticed below the application's own time-outs.
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::heartbeat_ivl, 5000);
  socket.set(zmq::sockopt::heartbeat_timeout, 15000);
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
    state->socket = zmq::socket_t(context(), zmq::socket_type::router);
    set_options(state->socket, options);
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
        if (!frame.more() || !state_->socket.recv(frame, zmq::recv_flags::dontwait)) {
          ++state_->dropped;
          continue;
        }
      }
      const bool single = !frame.more();
      if (single) out.body = to_bytes(frame);
      while (frame.more()) {
        if (!state_->socket.recv(frame, zmq::recv_flags::dontwait)) break;
      }
      if (single) return out;
      ++state_->dropped;
    }
  } catch (const zmq::error_t&) {
    return std::nullopt;
  }
}

const std::string& MessageSocket::endpoint() const { return state_->endpoint; }
std::uint64_t MessageSocket::dropped() const { return state_->dropped; }
void* MessageSocket::handle() const { return state_->socket.handle(); }

bool is_loopback(const std::string& endpoint) {
  for (const char* prefix :
       {"tcp://127.", "tcp://[::1]", "tcp://localhost:", "ipc://", "inproc://"}) {
    if (endpoint.rfind(prefix, 0) == 0) return true;
  }
  return false;
}

}  // namespace tallyman::app
