#include "app/zap.hpp"

#include <zmq.h>

#include <array>
#include <csignal>
#include <mutex>

#include "app/key.hpp"

namespace tallyman::app {
namespace {

constexpr const char* kEndpoint = "inproc://zeromq.zap.01";
constexpr const char* kEnding = "inproc://tallyman.zap.ending";
constexpr std::size_t kMaxFrames = 16;
constexpr std::size_t kRawKey = 32;

/// All frames of one message; more than are looked at are read and left out.
std::vector<std::string> receive(void* socket) {
  std::vector<std::string> out;
  int more = 1;
  while (more != 0) {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, socket, 0) < 0) {
      zmq_msg_close(&frame);
      return {};
    }
    more = zmq_msg_more(&frame);
    if (out.size() < kMaxFrames) {
      out.emplace_back(static_cast<const char*>(zmq_msg_data(&frame)), zmq_msg_size(&frame));
    }
    zmq_msg_close(&frame);
  }
  return out;
}

std::string key_text(const std::string& raw) {
  std::array<char, kKeyText + 1> text{};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(raw.data());
  return zmq_z85_encode(text.data(), bytes, raw.size()) != nullptr ? text.data() : "";
}

Error failed(const char* what) {
  return {std::string(what) + ": " + zmq_strerror(zmq_errno()), kEndpoint, ""};
}

}  // namespace

std::vector<std::string> zap_answer(const std::vector<std::string>& request) {
  // version, request id, domain, address, routing id, mechanism, credentials …
  constexpr std::size_t kMechanism = 5, kCredentials = 6;
  const std::string id = request.size() > 1 ? request[1] : "";
  const bool whole = request.size() == kCredentials + 1 && request[0] == "1.0" &&
                     request[kMechanism] == "CURVE" && request[kCredentials].size() == kRawKey;
  if (!whole) return {"1.0", id, "400", "a CURVE key is needed", "", ""};
  return {"1.0", id, "200", "", key_text(request[kCredentials]), ""};
}

Result<std::shared_ptr<ZapHandler>> ZapHandler::of(void* context) {
  static std::mutex guard;
  static std::weak_ptr<ZapHandler> running;
  const std::lock_guard lock(guard);
  if (auto here = running.lock()) return here;
  std::shared_ptr<ZapHandler> made(new ZapHandler);
  void* replies = zmq_socket(context, ZMQ_REP);
  void* ending = zmq_socket(context, ZMQ_PAIR);
  made->stop_ = zmq_socket(context, ZMQ_PAIR);
  const int no_linger = 0;
  for (void* socket : {replies, ending, made->stop_}) {
    if (socket != nullptr) zmq_setsockopt(socket, ZMQ_LINGER, &no_linger, sizeof no_linger);
  }
  if (replies == nullptr || ending == nullptr || made->stop_ == nullptr ||
      zmq_bind(replies, kEndpoint) != 0 || zmq_bind(ending, kEnding) != 0 ||
      zmq_connect(made->stop_, kEnding) != 0) {
    const Error error = failed("cannot check keys");
    if (replies != nullptr) zmq_close(replies);
    if (ending != nullptr) zmq_close(ending);
    return error;
  }
  // Signals are the loop's alone.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  made->thread_ = std::thread([raw = made.get(), replies, ending] { raw->serve(replies, ending); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  running = made;
  return made;
}

ZapHandler::~ZapHandler() {
  if (thread_.joinable()) {
    zmq_send(stop_, "", 0, 0);
    thread_.join();
  }
  if (stop_ != nullptr) zmq_close(stop_);
}

void ZapHandler::serve(void* replies, void* ending) {
  std::array<zmq_pollitem_t, 2> items{{{replies, 0, ZMQ_POLLIN, 0}, {ending, 0, ZMQ_POLLIN, 0}}};
  while (items[1].revents == 0) {
    if (zmq_poll(items.data(), static_cast<int>(items.size()), -1) < 0) {
      if (zmq_errno() == EINTR) continue;
      break;
    }
    if (items[0].revents == 0) continue;
    const std::vector<std::string> answer = zap_answer(receive(replies));
    for (std::size_t i = 0; i < answer.size(); ++i) {
      const int more = i + 1 < answer.size() ? ZMQ_SNDMORE : 0;
      if (zmq_send(replies, answer[i].data(), answer[i].size(), more) < 0) break;
    }
  }
  // Closing lets go of the names later, on another thread; a next handler may want them at once.
  zmq_unbind(replies, kEndpoint);
  zmq_unbind(ending, kEnding);
  zmq_close(replies);
  zmq_close(ending);
}

}  // namespace tallyman::app
