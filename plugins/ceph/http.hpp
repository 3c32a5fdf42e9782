#pragma once
// Requests of one poll over HTTP, at the same time, each with its share of the poll's deadline.
//
// A request names the endpoints that can answer it, the best first; when one fails (no connection,
// no answer in its share, a status of 500 and above) the next is asked. With n endpoints left a try
// gets the n-th part of the time that is left, so that the last of them still has its turn.
// Connections are kept from poll to poll. Certificates are always verified. Owned by the plugin;
// the host's thread.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "secret.hpp"

namespace ceph {

struct HttpSettings {
  std::string ca_file;                  ///< "" = the system's
  std::string region;                   ///< of AWS signatures
  std::size_t most_bytes = 64U << 20U;  ///< of one answer
};

struct HttpRequest {
  std::vector<std::string> endpoints;  ///< "https://host:port", without a slash at the end
  std::string path;                    ///< with its query, its keys in order: it is signed as it is
  const Secret* signer = nullptr;      ///< nullptr = unsigned
  /// Whether an answer of status 200 is one; else the next endpoint is asked, and the text says
  /// why.
  std::function<std::string(const std::string& body)> refuse;
};

struct HttpAnswer {
  int status = 0;  ///< 0 = none of the endpoints answered
  std::string body;
  std::string why;       ///< status 0: what each endpoint did
  std::string endpoint;  ///< that answered
  std::string request_id;
  [[nodiscard]] bool good() const { return status == 200; }
};

class Http {
 public:
  /// Throws std::runtime_error when libcurl cannot be had.
  explicit Http(HttpSettings settings);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  /// The answers, in the order of the requests. Returns by `deadline`, or within a moment of it.
  [[nodiscard]] std::vector<HttpAnswer> run(const std::vector<HttpRequest>& requests,
                                            std::chrono::steady_clock::time_point deadline);

 private:
  class Multi;
  HttpSettings settings_;
  std::unique_ptr<Multi> multi_;
};

}  // namespace ceph
