#include "rater/bus/amqp_link.hpp"

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "app/secret_file.hpp"
#include "rater/bus/reach.hpp"

namespace tallyman::rater {

namespace {

constexpr amqp_channel_t kChannel = 1, kProbe = 2;
constexpr int kChannels = 2;
constexpr int kFrame = 131072;
constexpr int kSendBuffer = 1 << 20;  ///< bytes; the system may grant less
constexpr timeval kPatience{5, 0};    ///< for connecting, and for each answer while logging in
constexpr std::size_t kLongestText = 512;
constexpr const char* kContentType = "application/cloudevents+json";
constexpr const char* kProbeKey = "v1.check.-.-";

amqp_bytes_t bytes_of(const std::string& text) {
  amqp_bytes_t out;
  out.len = text.size();
  out.bytes = const_cast<char*>(text.data());
  return out;
}

/// The broker's words go into the log and onto terminals: one line of them, and not too long.
std::string text_of(amqp_bytes_t bytes) {
  std::string out(static_cast<const char*>(bytes.bytes), std::min(bytes.len, kLongestText));
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < ' ' || c == 127; }, '?');
  return out;
}

/// What the broker closed a channel or the connection with: "403: ACCESS_REFUSED - …".
std::string reason_of(const amqp_method_t& method) {
  if (method.id == AMQP_CONNECTION_CLOSE_METHOD) {
    const auto* close = static_cast<const amqp_connection_close_t*>(method.decoded);
    return std::to_string(close->reply_code) + " " + text_of(close->reply_text);
  }
  if (method.id == AMQP_CHANNEL_CLOSE_METHOD) {
    const auto* close = static_cast<const amqp_channel_close_t*>(method.decoded);
    return std::to_string(close->reply_code) + " " + text_of(close->reply_text);
  }
  return "an unexpected answer";
}

/// A close by the broker that comes back until somebody mends what it complains of: no access, no
/// such exchange, nor virtual host. Not 320 (it goes down) and its kind.
bool to_be_mended(const std::string& reason) {
  return reason.starts_with("403") || reason.starts_with("404") || reason.starts_with("406") ||
         reason.starts_with("530");
}

std::string advice(const std::string& reason, const AmqpOptions& options) {
  if (reason.find("virtual host") != std::string::npos || reason.starts_with("530")) {
    return "make the virtual host and let the user `" + options.user +
           "` in, or set `virtual_host`";
  }
  if (reason.starts_with("404")) {
    return "declare the exchange (topic, durable), or set `declare = true` under [bus]";
  }
  if (reason.find("Login") != std::string::npos || reason.find("login") != std::string::npos) {
    return "set `user` and `password_file` under [bus]";
  }
  if (reason.starts_with("403")) {
    return "grant the user `" + options.user + "` to write to the exchange `" + options.exchange +
           "`, under every routing key";
  }
  return "";
}

/// Everything a connection is made of; nothing leaves it but faults.
class AmqpLink final : public BrokerLink {
 public:
  AmqpLink(const AmqpOptions& options, const AmqpNode& node)
      : options_(options), node_(node), state_(amqp_new_connection()) {}
  ~AmqpLink() override {
    if (good_) {
      amqp_set_rpc_timeout(state_, &kGoodbye);
      amqp_connection_close(state_, AMQP_REPLY_SUCCESS);
    }
    amqp_destroy_connection(state_);
  }
  AmqpLink(const AmqpLink&) = delete;
  AmqpLink& operator=(const AmqpLink&) = delete;

  [[nodiscard]] std::optional<BrokerFault> open();
  /// Nobody sees anything of it. A broker with an alarm does not answer.
  [[nodiscard]] std::optional<BrokerFault> may_publish();
  [[nodiscard]] std::optional<BrokerFault> publish(const BusMessage& message) override;
  [[nodiscard]] bool can_send() override;
  [[nodiscard]] std::optional<BrokerFault> receive(std::vector<BrokerEvent>& events) override;
  [[nodiscard]] int descriptor() const override { return amqp_get_sockfd(state_); }
  void cut() override { ::shutdown(descriptor_, SHUT_RDWR); }

 private:
  static constexpr timeval kGoodbye{0, 200'000};

  [[nodiscard]] std::optional<BrokerFault> open_socket();
  [[nodiscard]] std::optional<BrokerFault> secure(amqp_socket_t* socket);
  [[nodiscard]] std::optional<BrokerFault> log_in();
  [[nodiscard]] std::optional<BrokerFault> prepare_channel();
  [[nodiscard]] BrokerFault fault(std::string what, std::string todo, bool refused);
  /// Of a step that the library failed with a code of its own.
  [[nodiscard]] BrokerFault failed(const std::string& doing, int code);
  [[nodiscard]] std::optional<BrokerFault> answered(const std::string& doing,
                                                    const amqp_rpc_reply_t& reply);
  [[nodiscard]] BrokerFault closed(const std::string& doing, const amqp_method_t& method);
  [[nodiscard]] std::optional<BrokerFault> take(const amqp_frame_t& frame,
                                                std::vector<BrokerEvent>& events);
  [[nodiscard]] std::optional<BrokerFault> take_method(const amqp_method_t& method,
                                                       std::vector<BrokerEvent>& events);

  const AmqpOptions& options_;
  const AmqpNode& node_;
  amqp_connection_state_t state_;
  bool good_ = false;  ///< worth saying goodbye to
  std::atomic<int> descriptor_ = -1;
  std::optional<BrokerEvent> returning_;  ///< its header and body are still to come
};

BrokerFault AmqpLink::fault(std::string what, std::string todo, bool refused) {
  good_ = false;
  return {{std::move(what), node_.text(), std::move(todo)}, refused};
}

BrokerFault AmqpLink::failed(const std::string& doing, int code) {
  const std::string what = doing + ": " + amqp_error_string2(code);
  switch (code) {
    case AMQP_STATUS_HOSTNAME_RESOLUTION_FAILED:
      return fault("cannot find the address of this host", "mend `nodes` under [bus], or the DNS",
                   false);
    case AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED:
      return fault("its certificate is for another host", "name the node as its certificate does",
                   true);
    case AMQP_STATUS_SSL_PEER_VERIFY_FAILED:
      return fault("its certificate is not signed by a known authority",
                   "set `ca` under [bus] to the authority's certificate", true);
    case AMQP_STATUS_SSL_CONNECTION_FAILED:
      return fault("no TLS handshake: it does not speak TLS here, or its certificate is no good",
                   "see whether the port is the one for TLS, and `ca` the right authority", false);
    default:
      return fault(what, "", false);
  }
}

BrokerFault AmqpLink::closed(const std::string& doing, const amqp_method_t& method) {
  const std::string reason = reason_of(method);
  return fault(doing + ": " + reason, advice(reason, options_), to_be_mended(reason));
}

std::optional<BrokerFault> AmqpLink::answered(const std::string& doing,
                                              const amqp_rpc_reply_t& reply) {
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return std::nullopt;
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) return closed(doing, reply.reply);
  if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
    return failed(doing, reply.library_error);
  }
  return fault(doing + ": no answer", "", false);
}

std::optional<BrokerFault> AmqpLink::secure(amqp_socket_t* socket) {
  amqp_ssl_socket_set_verify_peer(socket, 1);
  amqp_ssl_socket_set_verify_hostname(socket, 1);
  amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST);
  if (amqp_ssl_socket_set_cacert(socket, options_.ca.c_str()) != AMQP_STATUS_OK) {
    return BrokerFault{{"cannot read the authority's certificate", options_.ca,
                        "`ca` under [bus]: a file of PEM certificates"},
                       true};
  }
  if (options_.certificate.empty()) return std::nullopt;
  const int set =
      amqp_ssl_socket_set_key(socket, options_.certificate.c_str(), options_.key.c_str());
  if (set == AMQP_STATUS_OK) return std::nullopt;
  return BrokerFault{{"cannot use this certificate with its key", options_.certificate,
                      "`certificate` and `key` under [bus]: PEM, and of one pair"},
                     true};
}

std::optional<BrokerFault> AmqpLink::open_socket() {
  if (state_ == nullptr) return fault("no memory for a connection", "", false);
  amqp_socket_t* socket = options_.tls ? amqp_ssl_socket_new(state_) : amqp_tcp_socket_new(state_);
  if (socket == nullptr) return fault("no memory for a connection", "", false);
  if (options_.tls) {
    if (auto wrong = secure(socket)) return wrong;
  }
  const int opened = amqp_socket_open_noblock(socket, node_.host.c_str(), node_.port, &kPatience);
  if (opened == AMQP_STATUS_SOCKET_ERROR) {
    const std::string why = why_unreachable(node_, kSecond);
    return fault("cannot connect" + (why.empty() ? "" : ": " + why), "", false);
  }
  if (opened != AMQP_STATUS_OK) return failed("cannot connect", opened);
  descriptor_ = amqp_get_sockfd(state_);
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
  return std::nullopt;
}

std::optional<BrokerFault> AmqpLink::log_in() {
  amqp_set_handshake_timeout(state_, &kPatience);
  amqp_set_rpc_timeout(state_, &kPatience);
  std::string password;
  if (!options_.password_file.empty()) {
    Result<std::string> read = app::read_password(options_.password_file);
    if (!read) return BrokerFault{read.error(), true};
    password = std::move(*read);
  }
  amqp_table_entry_t blocked{};
  blocked.key = amqp_cstring_bytes("connection.blocked");
  blocked.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  blocked.value.value.boolean = 1;
  amqp_table_entry_t properties[2]{};
  properties[0].key = amqp_cstring_bytes("capabilities");
  properties[0].value.kind = AMQP_FIELD_KIND_TABLE;
  properties[0].value.value.table = {1, &blocked};
  properties[1].key = amqp_cstring_bytes("connection_name");
  properties[1].value.kind = AMQP_FIELD_KIND_UTF8;
  properties[1].value.value.bytes = amqp_cstring_bytes("tallyman-rater");
  const amqp_table_t table{2, properties};
  const amqp_rpc_reply_t reply =
      amqp_login_with_properties(state_, options_.virtual_host.c_str(), kChannels, kFrame,
                                 static_cast<int>(options_.heartbeat / kSecond), &table,
                                 AMQP_SASL_METHOD_PLAIN, options_.user.c_str(), password.c_str());
  ::explicit_bzero(password.data(), password.size());
  if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && !options_.tls &&
      reply.library_error != AMQP_STATUS_TIMEOUT) {
    BrokerFault broken = failed("cannot log in", reply.library_error);
    if (broken.error.todo.empty()) {
      broken.error.todo = "if the port is the one for TLS, set `tls = true` under [bus]";
    }
    return broken;
  }
  return answered("cannot log in", reply);
}

std::optional<BrokerFault> AmqpLink::prepare_channel() {
  amqp_channel_open(state_, kChannel);
  if (auto wrong = answered("cannot open a channel", amqp_get_rpc_reply(state_))) return wrong;
  const amqp_bytes_t exchange = bytes_of(options_.exchange);
  const bool passive = !options_.declare;
  amqp_exchange_declare(state_, kChannel, exchange, amqp_cstring_bytes("topic"), passive, true,
                        false, false, amqp_empty_table);
  const std::string doing = passive ? "cannot find the exchange" : "cannot declare the exchange";
  if (auto wrong = answered(doing, amqp_get_rpc_reply(state_))) return wrong;
  amqp_confirm_select(state_, kChannel);
  return answered("it gives no confirms", amqp_get_rpc_reply(state_));
}

std::optional<BrokerFault> AmqpLink::may_publish() {
  // Permission is looked at when a message comes, also inside of a transaction, of which nothing
  // is seen by anybody when it is taken back.
  amqp_channel_open(state_, kProbe);
  if (auto wrong = answered("cannot open a channel", amqp_get_rpc_reply(state_))) return wrong;
  amqp_tx_select(state_, kProbe);
  if (auto wrong = answered("cannot try to publish", amqp_get_rpc_reply(state_))) return wrong;
  const int sent =
      amqp_basic_publish(state_, kProbe, bytes_of(options_.exchange), amqp_cstring_bytes(kProbeKey),
                         false, false, nullptr, amqp_empty_bytes);
  if (sent != AMQP_STATUS_OK) return failed("cannot try to publish", sent);
  amqp_tx_rollback(state_, kProbe);
  if (auto wrong = answered("cannot publish", amqp_get_rpc_reply(state_))) {
    if (wrong->error.todo.empty()) {
      wrong->error.todo = "see whether the broker has an alarm: rabbitmqctl status";
    }
    return wrong;
  }
  return answered("cannot close a channel", amqp_channel_close(state_, kProbe, AMQP_REPLY_SUCCESS));
}

std::optional<BrokerFault> AmqpLink::open() {
  if (auto wrong = open_socket()) return wrong;
  if (auto wrong = log_in()) return wrong;
  good_ = true;
  return prepare_channel();
}

bool AmqpLink::can_send() {
  pollfd ready{descriptor_, POLLOUT, 0};
  return ::poll(&ready, 1, 0) == 1 && (ready.revents & (POLLOUT | POLLERR | POLLHUP)) != 0;
}

std::optional<BrokerFault> AmqpLink::publish(const BusMessage& message) {
  amqp_basic_properties_t properties{};
  properties._flags =
      AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG;
  properties.content_type = amqp_cstring_bytes(kContentType);
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  properties.message_id = bytes_of(message.id);
  const int sent = amqp_basic_publish(state_, kChannel, bytes_of(options_.exchange),
                                      bytes_of(message.routing_key), true, false, &properties,
                                      bytes_of(message.body));
  if (sent == AMQP_STATUS_OK) return std::nullopt;
  return failed("the connection was lost", sent);
}

std::optional<BrokerFault> AmqpLink::take_method(const amqp_method_t& method,
                                                 std::vector<BrokerEvent>& events) {
  using Kind = BrokerEvent::Kind;
  switch (method.id) {
    case AMQP_BASIC_ACK_METHOD: {
      const auto* ack = static_cast<const amqp_basic_ack_t*>(method.decoded);
      events.push_back({Kind::acked, ack->delivery_tag, ack->multiple != 0, {}, {}});
      return std::nullopt;
    }
    case AMQP_BASIC_NACK_METHOD: {
      const auto* nack = static_cast<const amqp_basic_nack_t*>(method.decoded);
      events.push_back({Kind::nacked, nack->delivery_tag, nack->multiple != 0, {}, {}});
      return std::nullopt;
    }
    case AMQP_BASIC_RETURN_METHOD: {
      const auto* back = static_cast<const amqp_basic_return_t*>(method.decoded);
      returning_ = BrokerEvent{Kind::returned,
                               0,
                               false,
                               {},
                               std::to_string(back->reply_code) + " " + text_of(back->reply_text) +
                                   ": no queue is bound to " + text_of(back->routing_key)};
      return std::nullopt;
    }
    case AMQP_CONNECTION_BLOCKED_METHOD: {
      const auto* blocked = static_cast<const amqp_connection_blocked_t*>(method.decoded);
      events.push_back({Kind::blocked, 0, false, {}, text_of(blocked->reason)});
      return std::nullopt;
    }
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
      events.push_back({Kind::unblocked, 0, false, {}, {}});
      return std::nullopt;
    case AMQP_CHANNEL_CLOSE_METHOD:
    case AMQP_CONNECTION_CLOSE_METHOD:
      return closed("the broker ended the connection", method);
    default:
      return std::nullopt;
  }
}

std::optional<BrokerFault> AmqpLink::take(const amqp_frame_t& frame,
                                          std::vector<BrokerEvent>& events) {
  if (frame.frame_type == AMQP_FRAME_METHOD) return take_method(frame.payload.method, events);
  // The content of what it returns: the id is all there is to know.
  if (frame.frame_type == AMQP_FRAME_HEADER && returning_) {
    const auto* properties =
        static_cast<const amqp_basic_properties_t*>(frame.payload.properties.decoded);
    if ((properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0) {
      returning_->id = text_of(properties->message_id);
    }
    events.push_back(*std::exchange(returning_, std::nullopt));
  }
  return std::nullopt;
}

std::optional<BrokerFault> AmqpLink::receive(std::vector<BrokerEvent>& events) {
  for (;;) {
    amqp_frame_t frame;
    const timeval none{0, 0};
    const int got = amqp_simple_wait_frame_noblock(state_, &frame, &none);
    if (got == AMQP_STATUS_TIMEOUT) break;
    if (got != AMQP_STATUS_OK) return failed("the connection was lost", got);
    if (auto wrong = take(frame, events)) return wrong;
  }
  amqp_maybe_release_buffers(state_);
  return std::nullopt;
}

LinkOrFault open_link(const AmqpOptions& options, const AmqpNode& node, bool try_publishing) {
  auto link = std::make_unique<AmqpLink>(options, node);
  if (auto wrong = link->open()) return *wrong;
  if (try_publishing) {
    if (auto wrong = link->may_publish()) return *wrong;
  }
  return std::unique_ptr<BrokerLink>(std::move(link));
}

}  // namespace

LinkOrFault connect_amqp(const AmqpOptions& options, const AmqpNode& node) {
  return open_link(options, node, false);
}

std::vector<Error> check_amqp(const AmqpOptions& options) {
  std::vector<Error> out;
  for (const AmqpNode& node : options.nodes) {
    const LinkOrFault made = open_link(options, node, true);
    if (const auto* wrong = std::get_if<BrokerFault>(&made)) out.push_back(wrong->error);
  }
  return out;
}

}  // namespace tallyman::rater
