#include "rater/bus/amqp_config.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "app/secret_file.hpp"

namespace tallyman::rater {

namespace {

constexpr std::uint16_t kPort = 5672, kTlsPort = 5671;
constexpr std::size_t kMostNodes = 32;
constexpr std::size_t kLongestKey = 65536;  ///< bytes of a private key's file
constexpr std::size_t kLongestName = 255;   ///< a short string of AMQP

bool is_address(const AmqpNode& node) {
  in6_addr any{};
  return ::inet_pton(AF_INET, node.host.c_str(), &any) == 1 ||
         ::inet_pton(AF_INET6, node.host.c_str(), &any) == 1;
}

bool is_loopback(const AmqpNode& node) {
  const bool is_127 = is_address(node) && node.host.starts_with("127.");
  return node.host == "localhost" || node.host == "::1" || is_127;
}

void read_nodes(app::ConfigTable& bus, bool wanted, AmqpOptions& out) {
  const std::vector<std::string> texts = bus.texts("nodes");
  const bool none = wanted && texts.empty();
  if (none || texts.size() > kMostNodes) {
    bus.complain("nodes", none ? "no node to publish to is named" : "too many nodes",
                 "`nodes`: one to 32 of \"host\" or \"host:port\"");
  }
  for (const std::string& text : texts) {
    const auto node = node_of(text);
    if (node) {
      out.nodes.push_back(*node);
    } else {
      bus.complain("nodes", "`" + text + "` is no node", "\"host\" or \"host:port\"");
    }
  }
}

void read_tls(app::ConfigTable& bus, bool wanted, AmqpOptions& out,
              const std::function<std::string(const std::string&)>& beside) {
  const bool local = std::all_of(out.nodes.begin(), out.nodes.end(), is_loopback);
  out.tls = bus.boolean("tls", !local);
  if (wanted && !out.tls && !local) {
    bus.complain("tls", "the password would cross the network for everybody to read",
                 "`tls = true`, or nodes on this host");
  }
  for (AmqpNode& node : out.nodes) {
    if (wanted && out.tls && is_address(node)) {
      bus.complain("nodes", "a certificate is checked for a host's name, not for an address",
                   "with TLS: the name in the certificate of " + node.host);
    }
    if (node.port == 0) node.port = out.tls ? kTlsPort : kPort;
  }
  out.ca = beside(bus.text("ca", out.ca));
  out.certificate = beside(bus.text("certificate", ""));
  out.key = beside(bus.text("key", ""));
  if (out.certificate.empty() != out.key.empty()) {
    bus.complain(out.key.empty() ? "certificate" : "key", "a certificate is of use with its key",
                 "both `certificate` and `key`");
  }
}

std::string name_of(app::ConfigTable& bus, std::string_view key, const std::string& fallback) {
  std::string name = bus.text(key, fallback);
  const bool zero = name.find('\0') != std::string::npos;
  if (name.empty() || zero || name.size() > kLongestName) {
    bus.complain(key, "no name for AMQP", "1 to 255 bytes");
  }
  return name;
}

}  // namespace

std::optional<AmqpNode> node_of(std::string_view text) {
  AmqpNode node;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    node.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    node.host = text.substr(0, text.find(':'));
    rest = text.substr(node.host.size());
  }
  const bool odd = std::any_of(node.host.begin(), node.host.end(), [](unsigned char c) {
    return c <= ' ' || c == '/' || c == '@' || c > '~';
  });
  if (node.host.empty() || odd) return std::nullopt;
  if (rest.empty()) return node;
  const char* end = rest.data() + rest.size();
  const auto read = std::from_chars(rest.data() + 1, end, node.port);
  const bool good = rest.front() == ':' && rest.size() > 1 && read.ec == std::errc() &&
                    read.ptr == end && node.port > 0;
  return good ? std::optional(node) : std::nullopt;
}

AmqpOptions read_amqp(app::ConfigTable& bus, bool wanted,
                      const std::function<std::string(const std::string&)>& beside) {
  AmqpOptions out;
  read_nodes(bus, wanted, out);
  read_tls(bus, wanted, out, beside);
  out.virtual_host = name_of(bus, "virtual_host", out.virtual_host);
  out.exchange = name_of(bus, "exchange", out.exchange);
  out.declare = bus.boolean("declare", false);
  out.user = name_of(bus, "user", out.user);
  out.password_file = beside(bus.text("password_file", ""));
  if (wanted && out.password_file.empty()) {
    bus.complain("password_file", "no password is named",
                 "`password_file`: a file that the rater's user alone can read");
  }
  out.heartbeat = bus.duration("heartbeat", out.heartbeat, 2 * kSecond, 10 * kMinute);
  return out;
}

void check_secrets(const AmqpOptions& options, app::ConfigErrors& errors) {
  const auto add = [&](const Error& error) {
    errors.add({error.where, 0, 0, error.what, error.todo});
  };
  if (const auto read = app::read_password(options.password_file); !read) add(read.error());
  if (options.key.empty()) return;
  const auto key =
      app::read_secret(options.key, "private key", "the key of `certificate`, in PEM", kLongestKey);
  if (!key) return add(key.error());
  if (key->find("ENCRYPTED") != std::string::npos) {
    add({"this private key wants a passphrase, and nobody is there to ask", options.key,
         "take it off: openssl pkey -in KEY -out KEY"});
  }
}

}  // namespace tallyman::rater
