#pragma once
// Something that takes longer than the loop may be kept busy: steps, one after the other, each of
// them short. Between two of them batches are received and other questions answered.

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace tallyman::rater {

/// Whoever makes it gives it its steps and hands it to a WorkQueue; on the loop's thread. What its
/// steps refer to outlives it; they may refer to the work itself, which stays where it is.
class Work {
 public:
  /// A bounded part of the work; false: this step is over. An error ends the work.
  using Step = std::function<Result<bool>()>;
  using Done = std::function<void(const Status&)>;
  using Wanted = std::function<bool()>;

  /// `name`: what it is, for people. `done` is told how it ended, once; a work that is dropped
  /// before (nobody wants it any more, or the rater ends) tells nothing.
  Work(std::string name, Done done) : name_(std::move(name)), done_(std::move(done)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  /// A step comes before those that are there already. A step that adds others does so in its last
  /// part.
  void then(Step step) { steps_.push_back(std::move(step)); }
  /// A question, that decides nothing: it is dropped once `wanted` says no; empty: it is wanted.
  void only_while(Wanted wanted) {
    question_ = true;
    wanted_ = std::move(wanted);
  }
  [[nodiscard]] bool question() const { return question_; }
  [[nodiscard]] bool wanted() const { return !wanted_ || wanted_(); }
  /// So many bytes of a request it keeps until it ends.
  void keeps(std::size_t bytes) { bytes_ = bytes; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// Does a part; false: nothing is left of it.
  [[nodiscard]] Result<bool> go_on() {
    if (steps_.empty()) return false;
    Step step = std::move(steps_.back());
    steps_.pop_back();
    const Result<bool> more = step();
    if (!more) return more;
    if (*more) steps_.push_back(std::move(step));
    return !steps_.empty();
  }
  void end(const Status& how) {
    if (done_) done_(how);
  }

 private:
  std::string name_;
  Done done_;
  Wanted wanted_;
  bool question_ = false;
  std::size_t bytes_ = 0;
  std::vector<Step> steps_;  ///< the last one is the next
};

}  // namespace tallyman::rater
