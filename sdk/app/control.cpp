#include "app/control.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace tallyman::app {
namespace {

constexpr std::size_t kMaxBehind = 4U << 20U;
constexpr std::size_t kMaxLine = 64U << 20U;
constexpr std::size_t kTurn = 1U << 20U;  ///< sent to one client before others have their turn

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{"a socket path has 1 to 107 bytes", path, "choose a shorter `socket`"};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

Fd stream_socket(bool blocking) {
  return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0));
}

int connect_to(const Fd& fd, const sockaddr_un& address) {
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Peer peer_of(int fd) {
  Peer out;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    out.uid = ~0U;
    out.user = "unknown";
    return out;
  }
  out.uid = credentials.uid;
  out.user = std::to_string(credentials.uid);
  out.groups.push_back(credentials.gid);
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(credentials.uid, &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr) {
    out.user = found->pw_name;
    std::vector<gid_t> groups(64);
    int count = static_cast<int>(groups.size());
    int got = getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count);
    if (got < 0 && count > 0) {  // there are more of them
      groups.resize(static_cast<std::size_t>(count));
      got = getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count);
    }
    if (got >= 0) {
      groups.resize(static_cast<std::size_t>(count));
      for (const gid_t group : groups) {
        if (group != credentials.gid) out.groups.push_back(group);
      }
    }
  }
  return out;
}

std::string error_line(const Error& error) {
  const nlohmann::json json = {
      {"error", {{"what", error.what}, {"where", error.where}, {"todo", error.todo}}}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class Session;

/// Requests that are not handed over yet, of all sessions of a server.
struct Requests {
  std::size_t bytes = 0;
  std::uint64_t reads = 0;  ///< parts of them that came so far
  std::set<Session*> sessions{};

  /// The long one of which nothing has come for longest; nullptr: all are short.
  [[nodiscard]] Session* idle() const;
};

class Session final : public ControlSession, public std::enable_shared_from_this<Session> {
 public:
  /// `requests` outlive it as long as it is not shut. `asked`: its request was taken already.
  Session(EventLoop& loop, Fd fd, ControlServer::Handler& handler, std::size_t max_request,
          Requests& requests, bool asked)
      : loop_(loop),
        fd_(std::move(fd)),
        handler_(handler),
        max_request_(max_request),
        requests_(requests),
        peer_(peer_of(fd_.get())),
        asked_(asked) {}
  ~Session() override { shut(); }

  /// Registers with the loop, which then keeps the session alive.
  void begin(std::function<void(Session*)> on_end) {
    on_end_ = std::move(on_end);
    watch_ = loop_.watch(fd_.get(), true, false, [self = shared_from_this()](Ready ready) {
      if (ready.readable || ready.broken) self->read();
      if (ready.writable && self->fd_.valid()) self->flush();
    });
  }

  void send(std::string_view line) override {
    if (!open()) return;
    if (line.size() > kMaxLine) {
      return fail({"the answer is longer than 64 MiB", "", "ask for less"});
    }
    if (out_.size() - sent_ > kMaxBehind) return cut_off();
    out_.append(line).push_back('\n');
    answered_ = true;
    flush();
  }
  void fail(const Error& error) override {
    send(error_line(error));
    close();
  }
  void close() override {
    if (!answered_) send({});  // so that an answer of no lines is not taken for one that broke off
    closing_ = true;
    if (fd_.valid() && out_.empty()) shut();
  }
  [[nodiscard]] bool open() const override { return fd_.valid() && !closing_; }
  [[nodiscard]] const Peer& peer() const override { return peer_; }
  [[nodiscard]] int descriptor() const override { return fd_.get(); }

  [[nodiscard]] std::size_t held() const { return in_.size(); }
  [[nodiscard]] std::uint64_t last_read() const { return last_read_; }

  void shut() {
    if (!fd_.valid()) return;
    const auto keep = weak_from_this().lock();
    loop_.unwatch(watch_);
    fd_.reset();
    let_go();
    if (on_end_) on_end_(this);
  }

 private:
  void read() {
    char buffer[4096];
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return shut();
    if (asked_) return;  // one request a connection; what follows is ignored
    const std::size_t seen = in_.size();
    in_.append(buffer, static_cast<std::size_t>(n));
    requests_.bytes += static_cast<std::size_t>(n);
    last_read_ = ++requests_.reads;
    const auto end = in_.find('\n', seen);
    const auto mib = [](std::size_t bytes) { return std::to_string(bytes >> 20U) + " MiB"; };
    if (end == std::string::npos && in_.size() > max_request_) {
      return refuse({"a request is one line of at most " + mib(max_request_), "", ""});
    }
    while (requests_.bytes > 2 * max_request_) {
      Session* idle = requests_.idle();
      if (idle == nullptr) break;
      idle->refuse({"the requests that clients are sending are longer than " +
                        mib(2 * max_request_) +
                        " together, and of this one nothing has come for longest",
                    "", "ask again"});
    }
    if (end == std::string::npos || asked_) return;
    asked_ = true;
    const std::string request = let_go();
    handler_(shared_from_this(), std::string_view(request).substr(0, end));
  }

  std::string let_go() {
    if (!in_.empty()) requests_.bytes -= in_.size();
    return std::exchange(in_, {});
  }

  void refuse(const Error& error) {
    asked_ = true;
    let_go();
    fail(error);
  }

  /// Ends a client that does not read: the line it is in the middle of, an error, and no more.
  void cut_off() {
    out_.resize(out_.find('\n', sent_) + 1);
    out_ += error_line(
        {"the answer is cut off: the client is more than 4 MiB behind", "", "read faster"});
    out_.push_back('\n');
    close();
  }

  void flush() {
    for (std::size_t turn = 0; sent_ < out_.size() && turn < kTurn;) {
      const std::size_t most = std::min(out_.size() - sent_, kTurn);
      const ssize_t n = ::send(fd_.get(), out_.data() + sent_, most, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) break;
      if (n <= 0) return shut();
      sent_ += static_cast<std::size_t>(n);
      turn += static_cast<std::size_t>(n);
    }
    if (sent_ >= out_.size() / 2) {
      out_.erase(0, sent_);
      sent_ = 0;
    }
    if (out_.empty() && closing_) return shut();
    loop_.change(watch_, true, !out_.empty());
  }

  EventLoop& loop_;
  Fd fd_;
  ControlServer::Handler& handler_;
  std::size_t max_request_;
  Requests& requests_;
  std::uint64_t last_read_ = 0;  ///< of the server's reads
  Peer peer_;
  std::function<void(Session*)> on_end_;
  WatchId watch_ = 0;
  std::string in_, out_;
  std::size_t sent_ = 0;  ///< of out_
  bool asked_, answered_ = false, closing_ = false;
};

Session* Requests::idle() const {
  Session* out = nullptr;
  for (Session* each : sessions) {
    const bool older = out == nullptr || each->last_read() < out->last_read();
    if (each->held() > kShortRequest && older) out = each;
  }
  return out;
}

}  // namespace

struct ControlServer::State {
  EventLoop& loop;
  std::string path;
  Handler handler;
  Fd fd;
  std::size_t max_request;
  WatchId watch = 0;
  Requests requests{};

  void accept() {
    while (true) {
      Fd client(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!client.valid()) return;
      serve(std::move(client), false);
    }
  }

  std::shared_ptr<Session> serve(Fd client, bool asked) {
    auto session =
        std::make_shared<Session>(loop, std::move(client), handler, max_request, requests, asked);
    requests.sessions.insert(session.get());
    session->begin([this](Session* ended) { requests.sessions.erase(ended); });
    return session;
  }

  ~State() {
    loop.unwatch(watch);
    while (!requests.sessions.empty()) (*requests.sessions.begin())->shut();
    ::unlink(path.c_str());
  }
};

ControlServer::ControlServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
ControlServer::~ControlServer() = default;

std::shared_ptr<ControlSession> ControlServer::adopt(Fd client) {
  return state_->serve(std::move(client), true);
}

int ControlServer::descriptor() const { return state_->fd.get(); }

Result<std::unique_ptr<ControlServer>> ControlServer::listen(EventLoop& loop,
                                                             const std::string& path, unsigned mode,
                                                             Handler handler,
                                                             std::size_t max_request) {
  const auto address = address_of(path);
  if (!address.ok()) return address.error();
  if (connect_to(stream_socket(true), *address) == 0) {
    return Error{"another daemon listens on this socket", path, "stop it, or set another `socket`"};
  }
  if (errno == ECONNREFUSED) ::unlink(path.c_str());
  Fd fd = stream_socket(false);
  // The socket must never be open to others than `mode` says, not even for a moment.
  const mode_t mask = ::umask(0777U & ~mode);
  const int bound =
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(sockaddr_un));
  const int bind_errno = errno;
  ::umask(mask);
  if (bound != 0) {
    return errno_error("cannot make the control socket", path, bind_errno,
                       "does its directory exist, and may this user write there?");
  }
  if (::listen(fd.get(), 64) != 0) {
    return errno_error("cannot listen on the control socket", path, errno);
  }
  return adopt(loop, path, std::move(fd), std::move(handler), max_request);
}

Result<std::unique_ptr<ControlServer>> ControlServer::adopt(EventLoop& loop,
                                                            const std::string& path, Fd listener,
                                                            Handler handler,
                                                            std::size_t max_request) {
  int listens = 0;
  socklen_t size = sizeof listens;
  if (getsockopt(listener.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens) {
    return Error{"the descriptor handed over does not listen", path, "restart the daemon"};
  }
  auto state = std::unique_ptr<State>(
      new State{loop, path, std::move(handler), std::move(listener), max_request});
  State* raw = state.get();
  state->watch = loop.watch(state->fd.get(), true, false, [raw](Ready) { raw->accept(); });
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(state)));
}

namespace {

Error cannot_connect(const std::string& path, int number) {
  if (number == ENOENT || number == ECONNREFUSED) {
    return {"no daemon listens here", path, "start it, or name its socket with --socket"};
  }
  if (number == EACCES) {
    return {"this user may not use the daemon's socket", path,
            "run as root, or as a member of the group that owns the socket"};
  }
  return errno_error("cannot connect", path, number);
}

/// The Error an {"error":…} line carries; nothing for any other line.
std::unique_ptr<Error> error_in(std::string_view line) {
  if (line.find("\"error\"") == std::string_view::npos) return nullptr;
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object() || json.size() != 1 || !json.contains("error")) return nullptr;
  const auto& error = json["error"];
  if (!error.is_object()) return nullptr;
  return std::make_unique<Error>(
      Error{error.value("what", ""), error.value("where", ""), error.value("todo", "")});
}

}  // namespace

Status control_call(const std::string& path, std::string_view request,
                    const std::function<bool(std::string_view)>& on_line) {
  const auto address = address_of(path);
  if (!address.ok()) return address.error();
  const Fd fd = stream_socket(true);
  if (connect_to(fd, *address) != 0) return cannot_connect(path, errno);
  const std::string line = std::string(request) + "\n";
  Status unsent;
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t n = ::send(fd.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      unsent = errno_error("cannot send the request", path, errno);
      break;  // it may have said why it takes no more
    }
    sent += static_cast<std::size_t>(n);
  }
  std::string in;
  bool answered = false;
  std::vector<char> read(65536);
  while (true) {
    const ssize_t n = ::recv(fd.get(), read.data(), read.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 && !unsent.ok()) return unsent;
    if (n < 0) return errno_error("the daemon's answer broke off", path, errno);
    if (n == 0 && answered && in.empty()) return {};
    if (n == 0) {
      return Error{"the daemon's answer broke off", path,
                   "look at the daemon's log, and try again"};
    }
    const std::size_t seen = in.size();
    in.append(read.data(), static_cast<std::size_t>(n));
    std::size_t begin = 0;
    for (auto end = in.find('\n', seen); end != std::string::npos; end = in.find('\n', begin)) {
      const std::string_view answer = std::string_view(in).substr(begin, end - begin);
      answered = true;
      begin = end + 1;
      if (answer.empty()) continue;
      if (const auto error = error_in(answer)) return *error;
      if (!on_line(answer)) return {};
    }
    in.erase(0, begin);
  }
}

}  // namespace tallyman::app
