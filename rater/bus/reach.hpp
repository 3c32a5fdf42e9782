#pragma once
// Why a host does not answer, in words: librabbitmq loses the number of the error.

#include <string>

#include "base/clock.hpp"
#include "rater/bus/amqp_options.hpp"

namespace tallyman::rater {

/// Connects over TCP to each of the node's addresses in turn, and tells what came of the last one:
/// "Connection refused"; empty when one answers. Waits so long for each, at the most. Any thread.
[[nodiscard]] std::string why_unreachable(const AmqpNode& node, Ns patience);

}  // namespace tallyman::rater
