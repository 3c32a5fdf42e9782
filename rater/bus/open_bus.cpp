#include "rater/bus/open_bus.hpp"

#include <utility>

#include "rater/bus/amqp_bus.hpp"
#include "rater/bus/amqp_link.hpp"
#include "rater/bus/file_bus.hpp"
#include "rater/bus/no_bus.hpp"

namespace tallyman::rater {

namespace {

Result<std::unique_ptr<Bus>> open_amqp(const AmqpOptions& amqp, const Clock& clock) {
  BrokerBusOptions options;
  options.name = "amqp " + amqp.exchange;
  for (const AmqpNode& node : amqp.nodes) options.nodes.push_back(node.text());
  options.publisher.heartbeat = amqp.heartbeat;
  auto bus = AmqpBus::start(
      std::move(options), [amqp](std::size_t node) { return connect_amqp(amqp, amqp.nodes[node]); },
      clock);
  if (!bus) return bus.error();
  return std::unique_ptr<Bus>(std::move(*bus));
}

}  // namespace

Result<std::unique_ptr<Bus>> open_bus(const BillingOptions& options, const Clock& clock) {
  if (options.bus_type == "none") return std::unique_ptr<Bus>(std::make_unique<NoBus>());
  if (options.bus_type == "amqp") return open_amqp(options.amqp, clock);
  if (options.bus_type != "file") {
    return Error{"unknown bus `" + options.bus_type + "`", "bus.type",
                 "use \"file\", \"amqp\" or \"none\""};
  }
  Result<std::unique_ptr<FileBus>> file = FileBus::open(options.bus_file);
  if (!file) return file.error();
  return std::unique_ptr<Bus>(std::move(*file));
}

}  // namespace tallyman::rater
