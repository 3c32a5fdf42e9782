#include "agent/dropin/examination.hpp"

#include <utility>
#include <variant>

#include "base/time_text.hpp"

namespace tallyman::agent {
namespace {

// A child that was killed and does not end is stuck in the kernel: its verdict stands all the same.
constexpr Ns kEndDeadline = kSecond;

}  // namespace

Examination::Examination(app::EventLoop& loop, const std::string& plugin_host,
                         const std::string& path, const Limits& limits,
                         Result<Confinement> confined, Done done)
    : loop_(loop), done_(std::move(done)) {
  HostProcess::Handlers handlers;
  handlers.frame = [this](FromHost& frame) { on_frame(frame); };
  handlers.garbage = [this](const Error& error) {
    judge(Error{"writes garbage on its descriptor while it is loaded: " + error.text(), "", ""});
  };
  handlers.printed = [](const std::string&) {};
  handlers.ended = [this](const Ended& ended) {
    if (!judged_) judge(Error{"ends while it is loaded: " + ended.words, "", ""});
    finish();
  };
  timer_ = loop_.after(kExaminationDeadline, [this] {
    const std::string within = to_duration_text(kExaminationDeadline);
    judge(Error{"does not declare itself within " + within, "", ""});
  });
  if (!confined) {
    judge(confined.error());
    return;
  }
  auto process = HostProcess::start(loop_, plugin_host, {path}, limits, std::move(*confined),
                                    std::move(handlers));
  if (process) {
    process_ = std::move(*process);
  } else {
    judge(process.error());
  }
}

Examination::~Examination() { loop_.cancel(timer_); }

void Examination::on_frame(FromHost& frame) {
  if (judged_ || std::holds_alternative<LogLine>(frame)) return;
  if (auto* described = std::get_if<Described>(&frame)) return judge(std::move(*described));
  if (const auto* created = std::get_if<Created>(&frame)) {
    return judge(Error{created->why.empty() ? "gives no reason" : created->why, "", ""});
  }
  judge(Error{"speaks before it is asked", "", ""});
}

void Examination::judge(Result<Described> verdict) {
  if (std::exchange(judged_, true)) return;
  verdict_ = std::move(verdict);
  if (process_) process_->kill();
  loop_.cancel(timer_);
  timer_ = loop_.after(process_ ? kEndDeadline : 0, [this] { finish(); });
}

void Examination::finish() {
  loop_.cancel(timer_);
  // In a turn of its own: this may be destroyed by it.
  timer_ = loop_.after(0, [this] {
    timer_ = 0;
    const Done done = std::move(done_);
    const Result<Described> verdict = std::move(verdict_);
    done(verdict);
  });
}

}  // namespace tallyman::agent
