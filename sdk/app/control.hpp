#pragma once
// The daemons' Unix socket: a command line tool sends one line of JSON, and gets lines of JSON back
// until the daemon closes. This file carries lines; what they say is the daemons' matter. An error
// is
// {"error":{"what":…,"where":…,"todo":…}}.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/loop.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace tallyman::app {

/// Who asks, as the kernel vouches (SO_PEERCRED).
struct Peer {
  unsigned uid = 0;
  std::vector<unsigned> groups;  ///< primary group first
  std::string user;              ///< name of the uid, or its number
};

/// One client, at the daemon. Handed to the handler as a shared_ptr; while somebody holds it, the
/// connection stays. On the loop's thread.
class ControlSession {
 public:
  virtual ~ControlSession() = default;
  /// Queues a line (without its newline) of at most 64 MiB; a longer one is answered with an error.
  /// A client that is more than 4 MiB behind gets an error in place of the line, and no more.
  virtual void send(std::string_view line) = 0;
  virtual void fail(const Error& error) = 0;  ///< sends the error and closes
  virtual void close() = 0;  ///< once what is queued is sent; without any line, an empty one is
  [[nodiscard]] virtual bool open() const = 0;  ///< false once the client or the answer has ended
  [[nodiscard]] virtual const Peer& peer() const = 0;
  [[nodiscard]] virtual int descriptor() const = 0;  ///< stays the session's; −1 = it has ended
};

constexpr std::size_t kMaxRequest = std::size_t{1} << 20U;
/// A request of at most so many bytes is taken however long those are that others send.
constexpr std::size_t kShortRequest = 4096;

class ControlServer {
 public:
  using Handler = std::function<void(std::shared_ptr<ControlSession>, std::string_view request)>;

  /// Listens at `path` with `mode`; a socket file that nobody listens on is replaced, a live one is
  /// an error. The request is one line of at most `max_request` bytes; what clients have sent of
  /// requests that are not handed over yet is at most twice that together: beyond it, the long one
  /// of which nothing has come for longest is refused.
  static Result<std::unique_ptr<ControlServer>> listen(EventLoop& loop, const std::string& path,
                                                       unsigned mode, Handler handler,
                                                       std::size_t max_request = kMaxRequest);
  /// Goes on with a socket that listens at `path` already: of this process's former program.
  static Result<std::unique_ptr<ControlServer>> adopt(EventLoop& loop, const std::string& path,
                                                      Fd listener, Handler handler,
                                                      std::size_t max_request = kMaxRequest);
  /// Goes on with a client whose request was taken and is not answered yet.
  std::shared_ptr<ControlSession> adopt(Fd client);
  [[nodiscard]] int descriptor() const;  ///< of the listening socket, which stays the server's
  ~ControlServer();

 private:
  struct State;
  explicit ControlServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Sends `request` and hands each line of the answer to `on_line` until the daemon closes or
/// on_line returns false; empty lines say nothing. An {"error":…} line becomes this function's
/// Error; so do no daemon there, and an answer that ends inside a line or before its first. Blocks.
[[nodiscard]] Status control_call(const std::string& path, std::string_view request,
                                  const std::function<bool(std::string_view)>& on_line);

}  // namespace tallyman::app
