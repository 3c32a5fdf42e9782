#pragma once
// A connection to RabbitMQ by librabbitmq (AMQP 0-9-1, plain or TLS). amqp.h is included by
// amqp_link.cpp only.

#include "rater/bus/amqp_options.hpp"
#include "rater/bus/broker_link.hpp"

namespace tallyman::rater {

/// Connects, logs in, finds (or declares) the exchange and asks for confirms. Each of these steps
/// takes at most five seconds, and the first one also as long as the system looks for the host's
/// address. Any thread; one thread at a time for what comes back.
[[nodiscard]] LinkOrFault connect_amqp(const AmqpOptions& options, const AmqpNode& node);

/// For `--check`: one line for each node that cannot be published to. It publishes nothing; where
/// the options say so, the exchange is declared.
[[nodiscard]] std::vector<Error> check_amqp(const AmqpOptions& options);

}  // namespace tallyman::rater
