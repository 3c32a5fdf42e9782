#include "agent/pending.hpp"

#include <algorithm>
#include <utility>

namespace tallyman::agent {

using wire::Entry;
using wire::Gap;
using wire::Poll;

void Pending::add(RecordedPoll poll, Outcome outcome) {
  values_ += poll.poll.values.size();
  for (Gap& gap : poll.gaps) entries_.emplace_back(std::move(gap));
  entries_.emplace_back(std::move(poll.poll));
  if (poll.state) states_.push_back(std::move(*poll.state));
  outcomes_.push_back(std::move(outcome));
}

void Pending::add(const Gap& gap) {
  std::size_t own = 0;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (const Poll* poll = std::get_if<Poll>(&*entry)) {
      if (poll->instance == gap.instance) break;
      continue;
    }
    Gap* before = std::get_if<Gap>(&*entry);
    if (before == nullptr || before->instance != gap.instance || gap.subject != 0 ||
        before->subject != 0) {
      continue;
    }
    bool same = before->cause == gap.cause && before->why == gap.why;
    if ((own == 0 && same) || (own == 0 && entries_.size() >= kManyGaps)) {
      before->from = std::min(before->from, gap.from);
      before->to = std::max(before->to, gap.to);
      return;
    }
    own++;
  }
  entries_.emplace_back(gap);
}

Ns Pending::earliest(Ns fallback) const {
  Ns earliest = fallback;
  for (const Entry& entry : entries_) {
    if (const Gap* gap = std::get_if<Gap>(&entry)) earliest = std::min(earliest, gap->from);
    if (const Poll* poll = std::get_if<Poll>(&entry)) {
      earliest = std::min(earliest, poll->scheduled);
    }
  }
  return earliest;
}

void Pending::committed() {
  entries_.clear();
  settle(true);
}

std::size_t Pending::lost(const std::string& why) {
  std::size_t polls = 0;
  std::vector<Entry> before = std::exchange(entries_, {});
  for (const Entry& entry : before) {
    if (const Poll* poll = std::get_if<Poll>(&entry)) {
      polls++;
      add(Gap{poll->instance, 0, poll->scheduled, poll->scheduled, wire::Cause::disk_full, why});
    } else if (const Gap* gap = std::get_if<Gap>(&entry); gap && gap->subject == 0) {
      add(*gap);
    }
  }
  settle(false);
  return polls;
}

void Pending::settle(bool committed) {
  states_.clear();
  values_ = 0;
  for (Outcome& outcome : std::exchange(outcomes_, {})) outcome(committed);
}

}  // namespace tallyman::agent
