#include "agent/journal.hpp"

#include <algorithm>
#include <utility>

#include "app/log.hpp"
#include "base/time_text.hpp"

namespace tallyman::agent {
namespace {

// A page stays well below what a batch may hold.
constexpr std::size_t kValuesPerPage = 1U << 15U;

}  // namespace

Result<std::unique_ptr<Journal>> Journal::start(app::EventLoop& loop, Spool& spool, Ns group_commit,
                                                Handlers handlers,
                                                std::optional<wire::DefNo> durable) {
  std::unique_ptr<Journal> journal(new Journal(loop, spool, group_commit, std::move(handlers)));
  Journal* raw = journal.get();
  auto thread = SyncThread::start(
      loop, [raw](const SyncJob& job, const Status& result) { raw->ended(job, result); });
  if (!thread) return thread.error();
  journal->thread_ = std::move(*thread);
  if (durable) journal->durable_definitions_ = *durable;
  journal->tick_ = loop.after(durable ? 0 : group_commit, [raw] { raw->tick(); });
  return journal;
}

Journal::Journal(app::EventLoop& loop, Spool& spool, Ns group_commit, Handlers handlers)
    : loop_(loop),
      spool_(spool),
      group_commit_(group_commit),
      handlers_(std::move(handlers)),
      durable_definitions_(spool.dictionary().highest()),
      written_definitions_(durable_definitions_) {}

Journal::~Journal() {
  loop_.cancel(tick_);
  loop_.cancel(flush_);
}

void Journal::poll(RecordedPoll poll, Pending::Outcome outcome) {
  pending_.add(std::move(poll), std::move(outcome));
  if (pending_.values() >= kValuesPerPage) {
    flush();
  } else if (flush_ == 0) {
    flush_ = loop_.after(0, [this] { flush(); });
  }
}

// Gaps alone wait for the next tick: those that continue each other become one.
void Journal::gap(const wire::Gap& gap) {
  // A wall clock beyond all bounds gives instants that no page takes: kept, it would block them
  // all.
  if (Status good = wire::check_entry(gap); !good.ok()) {
    log::error("a gap cannot be recorded: {}", good.error().text());
    return;
  }
  pending_.add(gap);
}

void Journal::flush() {
  loop_.cancel(std::exchange(flush_, 0));
  if (pending_.empty()) return;
  Status status = spool_.append(pending_.entries(), pending_.states());
  if (status.ok()) {
    written_definitions_ = spool_.dictionary().highest();
    pending_.committed();
    note_trouble("");
    (void)seal(false);
    return;
  }
  lost_polls_ += pending_.lost("the spool could not take it: " + status.error().text());
  note_trouble(status.error().text());
}

Status Journal::seal(bool now) {
  Ns wall = loop_.clock().wall();
  // Goes back with the wall clock: what was once claimed of a false future is no truth to keep.
  Ns watermark = pending_.earliest(std::min(wall, handlers_.unaccounted()));
  Status status = spool_.seal_if_due(watermark, now);
  if (!status.ok()) note_trouble(status.error().text());
  return status;
}

Status Journal::hand_over(bool now) {
  flush();
  if (!pending_.empty()) return Error{trouble_, "spool", "make room first"};
  if (spool_.dictionary().highest() != written_definitions_) {
    if (Status status = spool_.append({}, {}); !status.ok()) return status;
    written_definitions_ = spool_.dictionary().highest();
  }
  return now ? seal(true) : Status();
}

void Journal::write_out() {
  if (thread_->busy()) return;
  std::optional<SyncJob> job = spool_.sync_job();
  if (!job) return;
  syncing_definitions_ = written_definitions_;
  submitted_ = loop_.clock().boot();
  thread_->submit(std::move(*job));
}

void Journal::aside(SyncJob job, SyncThread::Done done) {
  asides_.push_back({std::move(job), std::move(done)});
  next_aside();
}

void Journal::next_aside() {
  if (asides_.empty() || held_ || thread_->busy()) return;
  aside_runs_ = true;
  submitted_ = loop_.clock().boot();
  thread_->submit(asides_.front().job);
}

void Journal::hold_write_outs(bool hold) {
  held_ = hold;
  next_aside();
}

void Journal::ended(const SyncJob& job, const Status& result) {
  if (std::exchange(aside_runs_, false)) {
    const Aside aside = std::move(asides_.front());
    asides_.pop_front();
    aside.done(job, result);
  } else {
    synced(job, result);
  }
  next_aside();
  if (!closing_) return;
  write_out();
  if (!thread_->busy() && closed_) std::exchange(closed_, nullptr)();
}

std::string Journal::hung() const {
  if (!thread_->busy()) return {};
  const Ns waited = loop_.clock().boot() - submitted_;
  if (waited < kHungDisk) return {};
  return "the disk has not answered for " + to_duration_text(waited / kSecond * kSecond) +
         ": what was read since is not durable";
}

void Journal::note_hung() {
  const std::string words = hung();
  if (words.empty() == !told_hung_) return;
  told_hung_ = !words.empty();
  if (told_hung_) log::error("spool: {}", words);
  if (!told_hung_) log::info("spool: the disk answers again");
  handlers_.event(told_hung_ ? words : "the disk answers again");
}

void Journal::tick() {
  tick_ = loop_.after(group_commit_, [this] { tick(); });
  flush();
  (void)seal(false);
  if (!held_) write_out();
  note_shed();
  note_hung();
}

void Journal::synced(const SyncJob& job, const Status& result) {
  spool_.synced(job, result);
  if (result.ok()) {
    durable_definitions_ = std::max(durable_definitions_, syncing_definitions_);
    handlers_.durable();
  } else {
    note_trouble(result.error().text());
  }
}

void Journal::close(std::function<void()> done) {
  closing_ = true;
  closed_ = std::move(done);
  loop_.cancel(std::exchange(tick_, 0));
  flush();
  (void)seal(true);
  write_out();
  if (!thread_->busy()) std::exchange(closed_, nullptr)();
}

void Journal::new_incarnation() {
  durable_definitions_ = 0;
  syncing_definitions_ = 0;
  written_definitions_ = 0;
}

void Journal::note_shed() {
  const SpoolStats stats = spool_.stats();
  std::string shed;
  if (stats.lost_batches > 0) {
    shed = "full: the oldest batches are lost";
  } else if (stats.gauges_thinned) {
    shed = "full: gives up readings of counters and gauges";
  } else if (stats.thinned_bytes > 0) {
    shed = "full: gives up readings of counters that billing can do without";
  }
  if (shed == shed_) return;
  if (!shed.empty()) log::error("spool: {}", shed);
  handlers_.event(shed.empty() ? "holds nothing any more that was given up in part" : shed);
  shed_ = shed;
}

void Journal::note_trouble(const std::string& trouble) {
  if (trouble == trouble_) return;
  if (trouble.empty()) {
    log::info("spool: takes pages again; {} polls were lost meanwhile", lost_polls_);
    handlers_.event("takes pages again");
  } else {
    log::error("spool: {}", trouble);
    handlers_.event(trouble);
  }
  trouble_ = trouble;
}

}  // namespace tallyman::agent
