#include "http.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace ceph {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLeastShare{50};
constexpr milliseconds kGrace{200};  // each transfer ends by itself; this is for one that does not

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

milliseconds left_until(Clock::time_point deadline) {
  return std::max(milliseconds{0},
                  std::chrono::duration_cast<milliseconds>(deadline - Clock::now()));
}

/// One request on its way through its endpoints. Not moved while it is under way.
struct Transfer {
  const HttpRequest* request = nullptr;
  std::size_t next = 0;  ///< the endpoint to be asked next
  Easy easy;
  HeaderList headers;
  HttpAnswer answer;
  std::size_t most_bytes = 0;
  bool too_large = false;
  char error[CURL_ERROR_SIZE] = {};
};

std::size_t take_body(char* bytes, std::size_t, std::size_t n, void* to) {
  auto& transfer = *static_cast<Transfer*>(to);
  if (transfer.answer.body.size() + n > transfer.most_bytes) {
    transfer.too_large = true;
    return 0;
  }
  transfer.answer.body.append(bytes, n);
  return n;
}

std::size_t take_header(char* bytes, std::size_t, std::size_t n, void* to) {
  static constexpr std::string_view kName = "x-amz-request-id:";
  std::string_view line(bytes, n);
  const bool named = line.size() > kName.size() &&
                     std::equal(kName.begin(), kName.end(), line.begin(), [](char a, char b) {
                       return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
                     });
  if (!named) return n;
  line.remove_prefix(kName.size());
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  static_cast<Transfer*>(to)->answer.request_id = line.substr(0, 128);
  return n;
}

void sign(Transfer& transfer, CURL* easy, const std::string& region) {
  const Secret& signer = *transfer.request->signer;
  const std::string provider = "aws:amz:" + region + ":s3";
  curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, provider.c_str());
  curl_easy_setopt(easy, CURLOPT_USERNAME, signer.access_key.c_str());
  curl_easy_setopt(easy, CURLOPT_PASSWORD, signer.secret_key.c_str());
  // Without it libcurl and the gateway sign different things.
  transfer.headers.reset(curl_slist_append(nullptr, "x-amz-content-sha256: UNSIGNED-PAYLOAD"));
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers.get());
}

}  // namespace

/// libcurl's handle, and the transfers of one run().
class Http::Multi {
 public:
  explicit Multi(const HttpSettings& settings) : settings_(settings) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
      throw std::runtime_error("libcurl cannot be initialised");
    }
    multi_ = curl_multi_init();
    if (multi_ == nullptr) throw std::runtime_error("libcurl gives no handle");
  }
  ~Multi() {
    curl_multi_cleanup(multi_);
    curl_global_cleanup();
  }
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;

  std::vector<HttpAnswer> run(const std::vector<HttpRequest>& requests,
                              Clock::time_point deadline) {
    deadline_ = deadline;
    std::vector<Transfer> transfers(requests.size());
    running_ = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      transfers[i].request = &requests[i];
      start(transfers[i]);
    }
    while (running_ > 0 && Clock::now() < deadline + kGrace) {
      int busy = 0;
      if (curl_multi_perform(multi_, &busy) != CURLM_OK) break;
      if (!take_ended()) curl_multi_poll(multi_, nullptr, 0, 100, nullptr);
    }
    give_up(transfers);
    std::vector<HttpAnswer> answers;
    answers.reserve(transfers.size());
    for (Transfer& transfer : transfers) answers.push_back(std::move(transfer.answer));
    return answers;
  }

 private:
  /// Asks the next endpoint; when there is none, or no time, the transfer has ended.
  void start(Transfer& transfer) {
    const std::size_t left = transfer.request->endpoints.size() - transfer.next;
    if (left == 0) return;
    const milliseconds share = left_until(deadline_) / static_cast<int>(left);
    const std::string& endpoint = transfer.request->endpoints[transfer.next++];
    if (share < kLeastShare) {
      failed(transfer, endpoint, "not asked, as no time was left");
      return start(transfer);
    }
    transfer.easy.reset(curl_easy_init());
    CURL* easy = transfer.easy.get();
    if (easy == nullptr) throw std::runtime_error("libcurl gives no handle");
    transfer.answer.body.clear();
    transfer.answer.request_id.clear();
    transfer.answer.endpoint = endpoint;
    transfer.most_bytes = settings_.most_bytes;
    transfer.too_large = false;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
    curl_easy_setopt(easy, CURLOPT_URL, (endpoint + transfer.request->path).c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    // Else the end of a transfer waits for a name server that does not answer.
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!settings_.ca_file.empty()) {
      curl_easy_setopt(easy, CURLOPT_CAINFO, settings_.ca_file.c_str());
    }
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(share.count()));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    if (transfer.request->signer != nullptr) sign(transfer, easy, settings_.region);
    transfer.error[0] = '\0';
    const CURLMcode added = curl_multi_add_handle(multi_, easy);
    if (added != CURLM_OK) {
      transfer.easy.reset();
      failed(transfer, endpoint, curl_multi_strerror(added));
      return start(transfer);
    }
    ++running_;
  }

  /// Whatever libcurl still holds on to.
  void give_up(std::vector<Transfer>& transfers) {
    for (Transfer& transfer : transfers) {
      if (transfer.easy == nullptr) continue;
      curl_multi_remove_handle(multi_, transfer.easy.get());
      transfer.easy.reset();
      failed(transfer, std::string(transfer.answer.endpoint), "no end by the deadline");
    }
    running_ = 0;
  }

  bool take_ended() {
    bool any = false;
    int waiting = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &waiting)) {
      if (message->msg != CURLMSG_DONE) continue;
      any = true;
      char* mark = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &mark);
      const CURLcode result = message->data.result;
      auto& transfer = *reinterpret_cast<Transfer*>(mark);
      curl_multi_remove_handle(multi_, message->easy_handle);
      --running_;
      end(transfer, result);
    }
    return any;
  }

  void end(Transfer& transfer, CURLcode result) {
    const std::string endpoint = transfer.answer.endpoint;
    long status = 0;
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    transfer.easy.reset();
    std::string why;
    if (transfer.too_large) {
      why = "its answer is over " + std::to_string(transfer.most_bytes) + " bytes";
    } else if (result != CURLE_OK) {
      why = transfer.error[0] != '\0' ? transfer.error : curl_easy_strerror(result);
    } else if (status == 0 || status >= 500) {
      why = "it answered " + std::to_string(status);
    } else if (status == 200 && transfer.request->refuse) {
      why = transfer.request->refuse(transfer.answer.body);
    }
    if (why.empty()) {
      transfer.answer.status = static_cast<int>(status);
      return;
    }
    failed(transfer, endpoint, why);
    start(transfer);
  }

  static void failed(Transfer& transfer, const std::string& endpoint, const std::string& why) {
    transfer.answer.body.clear();
    transfer.answer.endpoint.clear();
    transfer.answer.why += (transfer.answer.why.empty() ? "" : "; ") + endpoint + ": " + why;
  }

  const HttpSettings& settings_;
  CURLM* multi_ = nullptr;
  Clock::time_point deadline_;
  std::size_t running_ = 0;
};

Http::Http(HttpSettings settings)
    : settings_(std::move(settings)), multi_(std::make_unique<Multi>(settings_)) {}

Http::~Http() = default;

std::vector<HttpAnswer> Http::run(const std::vector<HttpRequest>& requests,
                                  std::chrono::steady_clock::time_point deadline) {
  return multi_->run(requests, deadline);
}

}  // namespace ceph
