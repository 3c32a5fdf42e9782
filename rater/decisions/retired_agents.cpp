#include "rater/decisions/retired_agents.hpp"

namespace tallyman::rater {

Result<const std::set<std::string>*> RetiredAgents::now() {
  const Result<AuditMark> head = log_.head();
  if (!head) return head.error();
  if (*head != read_to_) {
    if (const Status kept = keep_up(*head); !kept) return kept.error();
  }
  return &agents_;
}

Status RetiredAgents::keep_up(const AuditMark& head) {
  Database& db = log_.database();
  Statement known = db.prepare("SELECT hash FROM audit WHERE n = ?");
  const Result<bool> row = known.bind(1, read_to_.n).step();
  if (!row) return row.error();
  // What was read in a transaction that was rolled back is not there, or is another decision.
  if (!*row || known.hash(0) != read_to_.hash) {
    read_to_ = {};
    agents_.clear();
  }
  Statement news = db.prepare(
      "SELECT kind, json_extract(what, '$.agent') FROM audit WHERE n > ? AND kind IN ("
      "'agent retire', 'agent approve', 'agent replace', 'agent move') ORDER BY n");
  news.bind(1, read_to_.n);
  for (;;) {
    const Result<bool> more = news.step();
    if (!more) return more.error();
    if (!*more) break;
    if (news.text(0) == "agent retire") {
      agents_.insert(news.text(1));
    } else {
      agents_.erase(news.text(1));
    }
  }
  read_to_ = head;
  return {};
}

}  // namespace tallyman::rater
