#include "app/key.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "app/exit.hpp"
#include "app/secret_file.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"

namespace tallyman::app {
namespace {

constexpr std::size_t kRawKey = 32;

using KeyText = std::array<char, kKeyText + 1>;

std::string public_of(const std::string& secret) {
  KeyText text{};
  return zmq_curve_public(text.data(), secret.c_str()) == 0 ? std::string(text.data()) : "";
}

std::string file_text(const KeyPair& pair) {
  return "# A CURVE key pair of Tallyman. Whoever reads the secret can pass for its owner.\n"
         "public = \"" +
         pair.public_key + "\"\nsecret = \"" + pair.secret_key + "\"\n";
}

Status write_whole(const std::string& path, const std::string& text) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.valid()) {
    return errno_error("cannot make the key file", path, errno, "choose another place with --out");
  }
  // Whatever the umask says, its owner can read it.
  if (::fchmod(file.get(), S_IRUSR | S_IWUSR) != 0) {
    return errno_error("cannot keep others from the key file", path, errno);
  }
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = ::write(file.get(), text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno_error("cannot write the key file", path, errno);
    done += static_cast<std::size_t>(wrote);
  }
  if (::fsync(file.get()) != 0) return errno_error("cannot write the key file", path, errno);
  return {};
}

}  // namespace

bool is_key(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
  std::array<std::uint8_t, kRawKey> raw{};
  return text.size() == kKeyText && text.find_first_not_of(kAlphabet) == std::string_view::npos &&
         zmq_z85_decode(raw.data(), std::string(text).c_str()) != nullptr;
}

KeyPair new_key_pair() {
  KeyText public_key{};
  KeyText secret_key{};
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  do {
    if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) return {};
  } while (!plain(public_key[0]));
  return {public_key.data(), secret_key.data()};
}

KeyPair load_key_pair(const std::string& path, ConfigErrors& errors) {
  const auto text = read_secret(path, "key file", "a file made by `key new`");
  if (!text.ok()) {
    errors.add({path, 0, 0, text.error().what, text.error().todo});
    return {};
  }
  ConfigErrors found;
  KeyPair pair;
  {
    const ConfigFile file = ConfigFile::parse(*text, path, found);
    ConfigTable root = file.root();
    pair = {root.required_text("public"), root.required_text("secret")};
    const bool told = !found.empty();
    const std::string belongs = is_key(pair.secret_key) ? public_of(pair.secret_key) : "";
    if (!told && belongs.empty()) {
      root.complain("secret", "this is no key", "40 characters, as `key new` writes them");
    } else if (!told && belongs != pair.public_key) {
      root.complain("public", "this is not the public key of the secret one",
                    "a file as `key new` wrote it");
    }
    root.finish();
  }
  for (ConfigError& error : found.sorted()) errors.add(std::move(error));
  return found.empty() ? pair : KeyPair{};
}

Status write_key_pair(const std::string& path, const KeyPair& pair, bool replace) {
  const std::string fresh = path + ".new-" + std::to_string(::getpid());
  Status done = write_whole(fresh, file_text(pair));
  if (done.ok()) {
    // A link never takes the place of a file that is there; a rename does.
    const int failed =
        replace ? ::rename(fresh.c_str(), path.c_str()) : ::link(fresh.c_str(), path.c_str());
    if (failed != 0 && errno == EEXIST) {
      done = Error{"there is a key already", path,
                   "keep it, or replace it with --force: its owner is then unknown to the other "
                   "side until the new key is approved"};
    } else if (failed != 0) {
      done = errno_error("cannot put the key file in its place", path, errno);
    } else {
      done = real_files().sync_directory(directory_of(path));
    }
  }
  static_cast<void>(::unlink(fresh.c_str()));
  return done;
}

int key_new(const char* program, const std::string& path, bool replace, const std::string& next) {
  const KeyPair pair = new_key_pair();
  if (pair.empty()) {
    complain(program, {"this libzmq was built without CURVE", "", "use the distribution's"});
    return kFound;
  }
  if (const Status wrote = write_key_pair(path, pair, replace); !wrote.ok()) {
    complain(program, wrote.error());
    return kFound;
  }
  std::printf("%s\n%s: the key pair of which this is the public half\n%s", pair.public_key.c_str(),
              path.c_str(), next.c_str());
  return kDone;
}

int key_show(const char* program, const std::string& path) {
  ConfigErrors errors;
  const KeyPair pair = load_key_pair(path, errors);
  if (!errors.empty()) {
    const ConfigError error = errors.sorted().front();
    complain(program, {error.text(), "", ""});
    return kFound;
  }
  std::printf("%s\n", pair.public_key.c_str());
  return kDone;
}

}  // namespace tallyman::app
