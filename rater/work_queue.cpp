#include "rater/work_queue.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tallyman::rater {

const Work* WorkQueue::find(std::string_view name) const {
  if (current_ && current_->name().starts_with(name)) return current_.get();
  for (const auto& work : asked_) {
    if (work->name().starts_with(name)) return work.get();
  }
  return nullptr;
}

void WorkQueue::drop_unwanted() {
  std::erase_if(asked_, [](const auto& work) { return !work->wanted(); });
}

bool WorkQueue::push(std::unique_ptr<Work> work) {
  drop_unwanted();
  const std::size_t most = kMostWaiting - (work->question() ? kForDecisions : 0);
  if (asked_.size() + (busy() ? 1 : 0) >= most) {
    work->end(Error{"too many questions wait for an answer", work->name(), "ask again"});
    return false;
  }
  const auto counts = [&](const Work& each) {
    return work->question() == each.question() ? each.bytes() : 0;
  };
  const std::size_t kept =
      std::accumulate(asked_.begin(), asked_.end(), busy() ? counts(*current_) : 0,
                      [&](std::size_t sum, const auto& each) { return sum + counts(*each); });
  if (work->bytes() > kShort && kept + work->bytes() > kMostBytes) {
    work->end(Error{"the requests that wait for an answer are longer than 64 MiB together",
                    work->name(), "ask again when those before are answered"});
    return false;
  }
  push_always(std::move(work));
  return true;
}

void WorkQueue::push_always(std::unique_ptr<Work> work) {
  const auto first_question =
      std::find_if(asked_.begin(), asked_.end(), [](const auto& each) { return each->question(); });
  asked_.insert(work->question() ? asked_.end() : first_question, std::move(work));
}

void WorkQueue::begin(std::unique_ptr<Work> work) {
  current_ = std::move(work);
  by_itself_ = true;
}

bool WorkQueue::begin_next() {
  drop_unwanted();
  if (asked_.empty()) return false;
  current_ = std::move(asked_.front());
  asked_.pop_front();
  by_itself_ = false;
  return true;
}

std::optional<WorkQueue::Ended> WorkQueue::go_on() {
  if (!current_->wanted()) {
    current_.reset();
    return Ended{nullptr, {}, by_itself_};
  }
  const Result<bool> going = current_->go_on();
  if (going && *going) return std::nullopt;
  return Ended{std::move(current_), going ? Status() : Status(going.error()), by_itself_};
}

}  // namespace tallyman::rater
