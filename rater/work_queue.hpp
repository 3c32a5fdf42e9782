#pragma once
// Works that wait for their turn, and the one that is under way. Decisions come in their order, and
// before questions, which do as well. What the rater does by itself comes between two questions,
// when it is due, and waits in no queue: so whether it is due is looked at when its turn has come,
// with all that was decided till then.

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>

#include "rater/work.hpp"

namespace tallyman::rater {

/// Owned by Billing, on the loop's thread.
class WorkQueue {
 public:
  static constexpr std::size_t kMostWaiting = 256;  ///< with the one under way
  static constexpr std::size_t kForDecisions = 32;  ///< of those; no question takes their places
  /// Of requests that are kept by works, of questions and as many of decisions, so that no question
  /// takes their room: twice the longest one. A short one is always taken.
  static constexpr std::size_t kMostBytes = std::size_t{64} << 20U;
  static constexpr std::size_t kShort = 4096;

  /// Nothing is under way, and nothing waits.
  [[nodiscard]] bool idle() const { return !current_ && asked_.empty(); }
  [[nodiscard]] bool busy() const { return current_ != nullptr; }
  [[nodiscard]] bool waiting() const { return !asked_.empty(); }
  [[nodiscard]] bool decision_waits() const {
    return !asked_.empty() && !asked_.front()->question();
  }
  /// Of those under way and waiting, the first whose name begins so; nullptr: there is none.
  [[nodiscard]] const Work* find(std::string_view name) const;

  /// Behind those of its kind that wait. When too many or too much does, it is ended with an error
  /// in this call, and false comes back.
  bool push(std::unique_ptr<Work> work);
  /// The same, however many they are: what a person told the rater by other ways than a request.
  void push_always(std::unique_ptr<Work> work);
  /// Now, as nothing is under way: what is due by itself.
  void begin(std::unique_ptr<Work> work);
  /// The first one that waits and is wanted still; false: there is none. Nothing is under way.
  bool begin_next();

  struct Ended {
    std::unique_ptr<Work> work;  ///< to be told; nullptr: it was dropped
    Status how;
    bool by_itself = false;
  };
  /// A part of the one that is under way; nothing: it goes on.
  [[nodiscard]] std::optional<Ended> go_on();

 private:
  void drop_unwanted();

  std::unique_ptr<Work> current_;
  bool by_itself_ = false;                   ///< the one under way
  std::deque<std::unique_ptr<Work>> asked_;  ///< decisions before questions
};

}  // namespace tallyman::rater
