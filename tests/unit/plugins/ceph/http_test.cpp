#include "ceph/http.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace ceph {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

/// Takes connections on a port of its own, and never answers.
class Silent {
 public:
  Silent() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Silent() { ::close(socket_); }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;
  [[nodiscard]] std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] int socket() const { return socket_; }

 private:
  int socket_;
  std::uint16_t port_ = 0;
};

/// Answers one request.
class Answering {
 public:
  Answering() : thread_([this] { answer(); }) {}
  ~Answering() { thread_.join(); }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;
  [[nodiscard]] std::string endpoint() const { return listening_.endpoint(); }

 private:
  void answer() {
    const int connection = ::accept(listening_.socket(), nullptr, nullptr);
    char request[4096];
    if (::read(connection, request, sizeof request) > 0) {
      const std::string_view text = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
      EXPECT_EQ(::write(connection, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    ::close(connection);
  }
  Silent listening_;
  std::thread thread_;
};

// Given endpoints that take connections and never answer, then the poll ends, and each says so.
TEST(CephHttp, Silence) {
  const Silent one, two;
  Http http({.ca_file = {}, .region = "us-east-1"});
  const HttpRequest request{{one.endpoint(), two.endpoint()}, "/", nullptr, {}};
  const auto answers = http.run({request, request, request}, Clock::now() + milliseconds(400));
  ASSERT_EQ(answers.size(), 3U);
  for (const HttpAnswer& answer : answers) {
    EXPECT_EQ(answer.status, 0);
    EXPECT_THAT(answer.why, HasSubstr(one.endpoint()));
    EXPECT_THAT(answer.why, HasSubstr(two.endpoint()));
  }
}

// Given an endpoint where nobody listens, then the next one is asked.
TEST(CephHttp, NextEndpoint) {
  const Answering fine;
  Http http({.ca_file = {}, .region = "us-east-1"});
  const HttpRequest request{{"http://127.0.0.1:9", fine.endpoint()}, "/", nullptr, {}};
  const auto answers = http.run({request}, Clock::now() + std::chrono::seconds(60));
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].status, 200);
  EXPECT_EQ(answers[0].body, "fine");
  EXPECT_EQ(answers[0].endpoint, fine.endpoint());
}

// Given an endpoint that libcurl refuses, then that is its answer, and the poll ends.
TEST(CephHttp, NoEndpoint) {
  Http http({.ca_file = {}, .region = "us-east-1"});
  const HttpRequest request{{"gopher://127.0.0.1:9"}, "/", nullptr, {}};
  const auto answers = http.run({request}, Clock::now() + milliseconds(400));
  EXPECT_EQ(answers.at(0).status, 0);
  EXPECT_NE(answers.at(0).why, "");
}

}  // namespace
}  // namespace ceph
