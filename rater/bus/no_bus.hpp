#pragma once
// No bus: what is published goes nowhere, at once and for good. For a rater that runs beside an
// older billing system until its figures are trusted.

#include <utility>

#include "rater/bus/bus.hpp"

namespace tallyman::rater {

class NoBus final : public Bus {
 public:
  [[nodiscard]] Status submit(const BusMessage& message) override {
    ids_.push_back(message.id);
    return {};
  }
  [[nodiscard]] Result<std::vector<std::string>> confirmed() override {
    return std::exchange(ids_, {});
  }
  [[nodiscard]] Result<std::vector<std::string>> recover(
      std::span<const std::string> /*unconfirmed*/) override {
    ids_.clear();
    return std::vector<std::string>{};
  }
  [[nodiscard]] std::string name() const override { return "none"; }

 private:
  std::vector<std::string> ids_;
};

}  // namespace tallyman::rater
