#pragma once
// How to reach RabbitMQ: [bus] with type = "amqp" in rater.toml, as its comments say. Plain data.

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace tallyman::rater {

struct AmqpNode {
  std::string host;
  std::uint16_t port = 0;
  /// "host:port"; an IPv6 address in brackets.
  [[nodiscard]] std::string text() const {
    const bool six = host.find(':') != std::string::npos;
    return (six ? "[" + host + "]" : host) + ":" + std::to_string(port);
  }
};

struct AmqpOptions {
  std::vector<AmqpNode> nodes;
  bool tls = false;
  std::string ca = "/etc/ssl/certs/ca-certificates.crt";
  std::string certificate, key;  ///< of this client; may be empty
  std::string virtual_host = "/";
  std::string exchange = "tallyman.usage";
  bool declare = false;  ///< make the exchange; else it is only checked
  std::string user = "tallyman";
  std::string password_file;  ///< read at each connection: a new password needs no restart
  Ns heartbeat = 10 * kSecond;
};

}  // namespace tallyman::rater
