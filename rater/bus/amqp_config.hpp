#pragma once
// [bus] with type = "amqp", read and checked. The keys are explained in conf/rater.toml.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "app/config.hpp"
#include "rater/bus/amqp_options.hpp"

namespace tallyman::rater {

/// "host", "host:port", "[::1]:port"; port 0 when none is given. Nothing when it is none of these.
[[nodiscard]] std::optional<AmqpNode> node_of(std::string_view text);

/// `beside` makes a relative path one from the configuration's folder. With `wanted` a mistake is
/// also what is missing.
[[nodiscard]] AmqpOptions read_amqp(app::ConfigTable& bus, bool wanted,
                                    const std::function<std::string(const std::string&)>& beside);

/// Looks whether the secrets can be read, and by nobody else: for the daemon and its `--check`.
void check_secrets(const AmqpOptions& options, app::ConfigErrors& errors);

}  // namespace tallyman::rater
