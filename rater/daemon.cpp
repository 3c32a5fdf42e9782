#include "rater/daemon.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sstream>

#include "app/exit.hpp"
#include "app/log.hpp"
#include "app/notify.hpp"

namespace tallyman::rater {

Result<std::unique_ptr<Daemon>> Daemon::open(app::EventLoop& loop, const RaterConfig& config) {
  std::unique_ptr<Daemon> daemon(new Daemon(loop));
  auto ledger = Ledger::open(config.ledger, loop.clock());
  if (!ledger.ok()) return ledger.error();
  daemon->ledger_ = std::move(*ledger);
  auto intake = Intake::open(*daemon->ledger_, loop.clock());
  if (!intake.ok()) return intake.error();
  daemon->intake_ = std::move(*intake);
  auto keys = KeyTable::open(*daemon->ledger_, *daemon->intake_, loop.clock());
  if (!keys.ok()) return keys.error();
  daemon->keys_ = std::move(*keys);
  BillingOptions billing_options = config.billing;
  billing_options.derive_every = std::clamp(config.billing.slot / 5, kSecond, kMinute);
  auto billing = Billing::open(*daemon->ledger_, *daemon->intake_, billing_options, loop.clock());
  if (!billing.ok()) return billing.error();
  daemon->billing_ = std::move(*billing);
  daemon->billing_->on_work([raw = daemon.get()] { raw->tick_after(0); });
  ReceiverOptions options;
  options.endpoint = config.listen;
  options.slot = config.billing.slot;
  options.key = config.key;
  auto receiver =
      Receiver::open(loop, *daemon->ledger_, *daemon->intake_, *daemon->keys_, options, {});
  if (!receiver.ok()) return receiver.error();
  daemon->receiver_ = std::move(*receiver);
  auto control =
      Control::open(loop, config.socket,
                    {*daemon->ledger_, *daemon->intake_, *daemon->keys_, *daemon->billing_,
                     daemon->receiver_->sessions(), daemon->receiver_->endpoint(),
                     daemon->receiver_->encrypted(), config.billing.slot, loop.clock().boot()});
  if (!control.ok()) return control.error();
  daemon->control_ = std::move(*control);
  daemon->has_catalogue_ = !config.billing.catalogue_path.empty();
  daemon->watch_bus();
  daemon->tick_after(0);
  return daemon;
}

Daemon::~Daemon() {
  loop_.cancel(timer_);
  if (bus_ != 0) loop_.unwatch(bus_);
}

void Daemon::watch_bus() {
  const int news = billing_->bus_news();
  if (news < 0) return;
  bus_ = loop_.watch(news, true, false, [this, news](app::Ready) {
    // Told once: a tick that fails is followed by another in a second.
    std::uint64_t count = 0;
    (void)!::read(news, &count, sizeof count);
    tick_after(0);
  });
}

void Daemon::tick() {
  billing_->tick();
  tick_after(billing_->more_to_do() ? 0 : kSecond);
}

void Daemon::tick_after(Ns delay) {
  loop_.cancel(timer_);
  timer_ = loop_.after(delay, [this] { tick(); });
}

void Daemon::reload_catalogue(const std::function<void()>& done) {
  if (!has_catalogue_) {
    log::warning("there is no catalogue to read again; set `catalogue` and restart");
    return done();
  }
  billing_->reload_catalogue([done](const Status& status) {
    if (status.ok()) {
      log::info("the catalogue was read again");
      return done();
    }
    log::error("the catalogue stays as it was:");
    std::istringstream lines(status.error().what);
    for (std::string line; std::getline(lines, line);) log::error("{}", line);
    done();
  });
}

namespace {

/// Each agent is a descriptor, and each stranger for a while: as many as the system grants.
void want_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    log::warning("at most {} descriptors: {}", limit.rlim_cur, std::strerror(errno));
  }
}

}  // namespace

int run_daemon(const RaterConfig& config) {
  log::start(config.log_level);
  want_descriptors();
  ::signal(SIGPIPE, SIG_IGN);
  const RealClock clock{};
  app::EventLoop loop(clock);
  app::Notifier manager(loop, app::NotifySettings::of_environment());
  std::unique_ptr<Daemon> daemon;
  const auto end = [&] {
    manager.stopping();
    loop.stop();
  };
  loop.on_signal(SIGTERM, end);
  loop.on_signal(SIGINT, end);
  loop.on_signal(SIGHUP, [&] {
    if (!daemon) return;
    manager.reloading();
    daemon->reload_catalogue([&manager] { manager.ready(); });
  });
  auto opened = Daemon::open(loop, config);
  if (!opened.ok()) {
    app::complain("tallyman-rater", opened.error());
    return app::kFound;
  }
  daemon = std::move(*opened);
  if (config.billing.catalogue_path.empty()) {
    log::warning("there is no catalogue: usage is derived, nothing is rated");
  }
  log::info("tallyman-rater {} listens for agents at {} ({}), ledger {}", TALLYMAN_VERSION,
            daemon->endpoint(), config.key.empty() ? "plain" : "CURVE", config.ledger);
  manager.status("listens for agents at " + daemon->endpoint());
  manager.ready();
  loop.run();
  daemon.reset();
  log::info("ended");
  return app::kDone;
}

}  // namespace tallyman::rater
