#include "secret.hpp"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace ceph {
namespace {

constexpr std::size_t kMostBytes = 4096;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t from = text.find_first_not_of(kBlanks);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kBlanks) - from + 1);
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

/// A descriptor for the length of a scope.
class Opened {
 public:
  explicit Opened(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) {}
  ~Opened() {
    if (fd_ >= 0) ::close(fd_);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Fault from_errno(const std::string& path) {
  return {"cannot read " + path + ": " + std::error_code(errno, std::system_category()).message() +
          "; it must belong to the user that the plugin runs as (grants.user)"};
}

}  // namespace

std::variant<Secret, Fault> parse_secret(std::string_view text) {
  Secret secret;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t n = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, n));
    text.remove_prefix(n == std::string_view::npos ? text.size() : n + 1);
    if (line.empty() || line.front() == '#') continue;
    const std::size_t equals = line.find('=');
    const std::string_view key = trimmed(line.substr(0, equals));
    std::string* to = key == "access_key"   ? &secret.access_key
                      : key == "secret_key" ? &secret.secret_key
                                            : nullptr;
    if (equals == std::string_view::npos || to == nullptr || !to->empty()) {
      return Fault{"line " + std::to_string(number) +
                   ": expected access_key = \"…\" and secret_key = \"…\", once each"};
    }
    *to = unquoted(trimmed(line.substr(equals + 1)));
  }
  if (secret.access_key.empty() || secret.secret_key.empty()) {
    return Fault{"expected access_key = \"…\" and secret_key = \"…\""};
  }
  return secret;
}

std::variant<Secret, Fault> read_secret(const std::string& path) {
  const Opened file(path);
  struct stat status {};
  if (file.get() < 0 || fstat(file.get(), &status) != 0) return from_errno(path);
  if (!S_ISREG(status.st_mode)) return Fault{path + " is no plain file"};
  const bool of_systemd = path.starts_with("/run/credentials/");
  const mode_t foreign = of_systemd ? S_IRWXO | S_IWGRP : S_IRWXG | S_IRWXO;
  if ((status.st_mode & foreign) != 0) {
    return Fault{path + " can be read by others than its owner; chmod 600 " + path};
  }
  char bytes[kMostBytes];
  const ssize_t n = ::read(file.get(), bytes, sizeof bytes);
  if (n < 0) return from_errno(path);
  auto secret = parse_secret({bytes, static_cast<std::size_t>(n)});
  explicit_bzero(bytes, sizeof bytes);
  if (const auto* fault = std::get_if<Fault>(&secret)) return Fault{path + ": " + fault->what};
  return secret;
}

}  // namespace ceph
