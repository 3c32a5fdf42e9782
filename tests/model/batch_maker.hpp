#pragma once
// From a history's deliveries, as JSON, to the batches an agent would have sent.

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "wire/batch.hpp"

namespace tallyman::testing {

/// One batch on its way to the rater.
struct Delivery {
  std::string agent;
  wire::Incarnation incarnation{};
  bool imported = false;
  Ns received = 0;
  Bytes bytes;
};

/// One stream: gives what its entries name numbers of its own, defines each in the batch that first
/// needs it, cuts batches into pages where the seed says, and keeps the chain. Used by BatchMaker.
class StreamWriter {
 public:
  StreamWriter(std::string agent, std::uint8_t life) : agent_(std::move(agent)) {
    incarnation_.fill(life);
  }
  [[nodiscard]] Delivery next(const nlohmann::json& series, const nlohmann::json& delivery);

 private:
  using Json = nlohmann::json;
  [[nodiscard]] wire::BatchHead head(const Json& delivery) const;
  void entry(const Json& series, const Json& entry);
  wire::DefNo define(const std::string& key, const wire::DefBody& body);
  wire::DefNo instance(const Json& entry);
  wire::DefNo source(const Json& series);
  wire::DefNo metric(const Json& series);
  wire::DefNo series_of(const Json& series, std::size_t index);
  wire::DefNo epoch(const Json& series, const Json& value);
  void poll(const Json& series, const Json& entry);
  void gap(const Json& series, const Json& entry);
  void info(const Json& series, const Json& entry);

  std::string agent_;
  wire::Incarnation incarnation_{};
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Hash> hashes_{{0, kNoHash}};  ///< of the chain, by sequence number
  std::map<std::string, wire::DefNo> numbers_;
  wire::DefNo infos_ = 0;
  std::vector<wire::Entry> entries_;  ///< of the batch at hand
};

/// All deliveries of a history, in its order.
[[nodiscard]] std::vector<Delivery> make_deliveries(const nlohmann::json& history);

}  // namespace tallyman::testing
