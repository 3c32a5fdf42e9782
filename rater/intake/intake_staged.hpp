#pragma once
// Definitions that are judged but not stored yet.

#include <vector>

#include "rater/intake/intake_rules.hpp"
#include "wire/model.hpp"

namespace tallyman::rater {

/// Definitions of one batch or message, added to a stream's references while they are judged and
/// taken back unless kept.
class Staged {
 public:
  explicit Staged(References& references) : references_(references) {}
  ~Staged() {
    if (!kept_) {
      for (const auto* definition : added_) references_.remove(definition->number);
    }
  }
  Staged(const Staged&) = delete;
  Staged& operator=(const Staged&) = delete;
  void add(const wire::Definition& definition) {
    references_.add(definition);
    added_.push_back(&definition);
  }
  void keep() { kept_ = true; }
  [[nodiscard]] const std::vector<const wire::Definition*>& added() const { return added_; }

 private:
  References& references_;
  std::vector<const wire::Definition*> added_;
  bool kept_ = false;
};

}  // namespace tallyman::rater
