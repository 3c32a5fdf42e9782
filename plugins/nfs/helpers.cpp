#include "helpers.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace nfs {
namespace {

constexpr std::size_t kLongestReport = 4096;

/// The life of a helper: one report into a pipe.
[[noreturn]] void help(const std::string& path, const Helpers::Look& look, int pipe, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != parent) std::_Exit(EXIT_FAILURE);
  // Whoever waits for the plugin's end must not wait for ours.
  constexpr int kPipe = 3;
  if (dup2(pipe, kPipe) < 0) std::_Exit(EXIT_FAILURE);
  close_range(kPipe + 1, ~0U, 0);
  const std::string report = to_report(look(path)).substr(0, kLongestReport);
  const ssize_t written = write(kPipe, report.data(), report.size());
  std::_Exit(written == static_cast<ssize_t>(report.size()) ? EXIT_SUCCESS : EXIT_FAILURE);
}

int milliseconds_to(Helpers::Time end) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<long>(left.count() + 1, 0, 60'000));
}

}  // namespace

struct Helpers::Running {
  std::size_t index = 0;
  pid_t process = 0;
  int pipe = -1;
  Time end;
  std::string report;
};

/// One run(). Lives only inside it.
class Helpers::Round {
 public:
  Round(Helpers& owner, const std::vector<std::string>& paths, const Look& look, Time until)
      : owner_(owner), paths_(paths), look_(look), until_(until) {
    out_.resize(paths.size(), Fault{"no time was left to look at it"});
    for (std::size_t i = 0; i < paths.size(); ++i) order_.push_back(i);
    std::stable_partition(order_.begin(), order_.end(),
                          [&](std::size_t i) { return !owner_.silent_.contains(paths_[i]); });
  }

  std::vector<Measured> run() {
    while (next_ < paths_.size() || !running_.empty()) {
      while (next_ < paths_.size() && running_.size() < owner_.limits_.at_once) start();
      if (running_.empty()) continue;
      wait();
    }
    // Those that have said all are about to end: no reason to find them in the way the next time.
    for (int tries = 0; tries < 20 && !owner_.leaving_.empty(); ++tries) {
      owner_.reap();
      if (!owner_.leaving_.empty()) poll(nullptr, 0, 1);
    }
    std::erase_if(owner_.silent_, [&](const std::string& path) {
      return std::find(paths_.begin(), paths_.end(), path) == paths_.end();
    });
    return std::move(out_);
  }

 private:
  void start() {
    const std::size_t index = order_[next_++];
    const std::string& path = paths_[index];
    owner_.reap();
    const auto& leaving = owner_.leaving_;
    const bool taken = std::any_of(leaving.begin(), leaving.end(),
                                   [&](const auto& entry) { return entry.second == path; });
    if (taken) {
      out_[index] = Fault{"a process that looked at it hangs in the kernel"};
    } else if (stuck() >= owner_.limits_.stuck) {
      out_[index] = Fault{"too many processes that looked at others hang in the kernel"};
    } else if (std::chrono::steady_clock::now() < until_) {
      launch(index);
    }
  }

  [[nodiscard]] std::size_t stuck() const {
    const auto killed = [](const auto& entry) { return !entry.second.empty(); };
    return static_cast<std::size_t>(
        std::count_if(owner_.leaving_.begin(), owner_.leaving_.end(), killed));
  }

  void launch(std::size_t index) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
      out_[index] = Fault{std::string("pipe: ") + std::strerror(errno)};
      return;
    }
    const pid_t parent = getpid();
    const pid_t process = fork();
    if (process == 0) help(paths_[index], look_, ends[1], parent);
    close(ends[1]);
    if (process < 0) {
      out_[index] = Fault{std::string("no process to look at it: ") + std::strerror(errno)};
      close(ends[0]);
      return;
    }
    const Time end = std::min(until_, std::chrono::steady_clock::now() + owner_.limits_.each);
    running_.push_back({index, process, ends[0], end, {}});
  }

  void wait() {
    std::vector<pollfd> waits;
    Time end = until_;
    for (const Running& one : running_) {
      waits.push_back({one.pipe, POLLIN, 0});
      end = std::min(end, one.end);
    }
    poll(waits.data(), waits.size(), milliseconds_to(end));
    const Time now = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < running_.size(); ++i) {
      if (waits[i].revents != 0 && read_on(running_[i])) {
        owner_.silent_.erase(paths_[running_[i].index]);
        finish(running_[i], from_report(running_[i].report), {});
      } else if (now >= running_[i].end) {
        kill(running_[i].process, SIGKILL);
        owner_.silent_.insert(paths_[running_[i].index]);
        finish(running_[i], Fault{"no answer from its file system in time"},
               paths_[running_[i].index]);
      }
    }
    std::erase_if(running_, [](const Running& one) { return one.pipe < 0; });
  }

  /// True when it has said all.
  static bool read_on(Running& one) {
    char part[512];
    for (;;) {
      const ssize_t got = read(one.pipe, part, sizeof part);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return got == 0 || errno != EAGAIN;
      one.report.append(part, static_cast<std::size_t>(got));
      if (one.report.size() > kLongestReport) return true;
    }
  }

  void finish(Running& one, Measured measured, const std::string& hangs_on) {
    out_[one.index] = std::move(measured);
    close(one.pipe);
    one.pipe = -1;
    owner_.leaving_.emplace(one.process, hangs_on);
  }

  Helpers& owner_;
  const std::vector<std::string>& paths_;
  const Look& look_;
  const Time until_;
  std::vector<std::size_t> order_;
  std::size_t next_ = 0;
  std::vector<Running> running_;
  std::vector<Measured> out_;
};

Helpers::Helpers(HelperLimits limits) : limits_(limits) {}

Helpers::~Helpers() {
  for (const auto& [process, path] : leaving_) kill(process, SIGKILL);
  reap();
}

void Helpers::reap() {
  std::erase_if(leaving_,
                [](const auto& entry) { return waitpid(entry.first, nullptr, WNOHANG) != 0; });
}

std::vector<Measured> Helpers::run(const std::vector<std::string>& paths, const Look& look,
                                   Time until) {
  return Round(*this, paths, look, until).run();
}

}  // namespace nfs
