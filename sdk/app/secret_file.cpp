#include "app/secret_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.hpp"

namespace tallyman::app {

Result<std::string> read_secret(const std::string& path, const std::string& name,
                                const std::string& wanted, std::size_t most) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.valid()) {
    return errno_error("cannot read the " + name, path, errno,
                       errno == ENOENT ? wanted : "a file of its own user");
  }
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return errno_error("cannot look at it", path, errno);
  if (!S_ISREG(info.st_mode)) return Error{"this is no file", path, wanted};
  const bool of_systemd = path.starts_with("/run/credentials/");
  const mode_t foreign = of_systemd ? S_IRWXO | S_IWGRP : S_IRWXG | S_IRWXO;
  if ((info.st_mode & foreign) != 0) {
    return Error{"others than its owner may use this " + name, path,
                 "mode 0600 (chmod 600), and a new secret if it may have been read"};
  }
  std::string text(most + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read the " + name, path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > most) return Error{"this is too long for a " + name, path, ""};
  text.resize(size);
  return text;
}

Result<std::string> read_password(const std::string& path) {
  const char* wanted = "a file with the password as its only line";
  Result<std::string> text = read_secret(path, "password file", wanted);
  if (!text) return text;
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  if (!text->empty() && text->find('\n') == std::string::npos) return text;
  return Error{text->empty() ? "the password file is empty" : "this is more than one line", path,
               wanted};
}

}  // namespace tallyman::app
