// Given [bus] with type = "amqp", then nodes, ports and TLS come out as a person means them, and
// what would give the password away is refused.

#include "rater/bus/amqp_config.hpp"

#include <gtest/gtest.h>

#include "rater/config.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

TEST(AmqpConfig, ReadsNodes) {
  const auto shown = [](std::string_view text) {
    const auto node = node_of(text);
    return node ? node->text() : "-";
  };
  EXPECT_EQ(shown("rabbit"), "rabbit:0");
  EXPECT_EQ(shown("rabbit-1.example.net:5671"), "rabbit-1.example.net:5671");
  EXPECT_EQ(shown("[::1]:5672"), "[::1]:5672");
  EXPECT_EQ(shown("[2001:db8::7]"), "[2001:db8::7]:0");
  for (const char* wrong :
       {"", ":5672", "rabbit:", "rabbit:0", "rabbit:65536", "rabbit:5672x", "[::1", "[]:1",
        "[::1]5672", "a b", "amqp://rabbit", "user@rabbit", "r:1:2"}) {
    EXPECT_EQ(shown(wrong), "-") << wrong;
  }
}

AmqpOptions parse(const std::string& bus, std::string& errors) {
  app::ConfigErrors found;
  const RaterConfig config =
      parse_config("[bus]\ntype = \"amqp\"\n" + bus, "/srv/rater.toml", found);
  errors = found.text();
  return config.billing.amqp;
}

TEST(AmqpConfig, ANetworkIsSpokenToByTls) {
  std::string errors;
  AmqpOptions options =
      parse("nodes = [\"a.example\", \"b.example:7\"]\npassword_file = \"bus.pw\"\n", errors);
  EXPECT_EQ(errors, "");
  EXPECT_TRUE(options.tls);
  EXPECT_EQ(options.nodes.at(0).port, 5671);
  EXPECT_EQ(options.nodes.at(1).port, 7);
  EXPECT_EQ(options.password_file, "/srv/bus.pw");
  EXPECT_EQ(options.exchange, "tallyman.usage");
  options = parse("nodes = [\"127.0.0.1\", \"[::1]\"]\npassword_file = \"/p\"\n", errors);
  EXPECT_EQ(errors, "");
  EXPECT_FALSE(options.tls);
  EXPECT_EQ(options.nodes.at(0).port, 5672);
  options = parse("nodes = [\"127.rabbit.example\"]\npassword_file = \"/p\"\n", errors);
  EXPECT_EQ(errors, "");
  EXPECT_TRUE(options.tls) << "a name, whatever it begins with";
  parse("nodes = [\"10.0.0.5\"]\npassword_file = \"/p\"\n", errors);
  EXPECT_NE(errors.find("not for an address"), std::string::npos) << errors;
  parse("nodes = [\"a.example\"]\npassword_file = \"/p\"\ntls = false\n", errors);
  EXPECT_NE(errors.find("rater.toml:5:"), std::string::npos) << errors;
}

TEST(AmqpConfig, TellsWhatIsMissingAndWrong) {
  std::string errors;
  parse("", errors);
  EXPECT_NE(errors.find("no node"), std::string::npos) << errors;
  EXPECT_NE(errors.find("no password"), std::string::npos) << errors;
  parse(
      "nodes = [\"a b\"]\npassword_file = \"p\"\ncertificate = \"c.pem\"\nexchange = \"\"\n"
      "heartbeat = \"1s\"\npassword = \"s3cret\"\n",
      errors);
  for (const char* what :
       {"`a b` is no node", "`key`", "no name for AMQP", "heartbeat", "password"}) {
    EXPECT_NE(errors.find(what), std::string::npos) << what << "\n" << errors;
  }
  EXPECT_EQ(errors.find("s3cret"), std::string::npos) << errors;
}

TEST(AmqpConfig, TheDaemonWantsItsSecretsReadable) {
  const testing::TempFolder folder;
  app::ConfigErrors errors;
  RaterConfig config =
      parse_config("[bus]\ntype = \"amqp\"\nnodes = [\"localhost\"]\npassword_file = \"bus.pw\"\n",
                   folder.file("rater.toml"), errors);
  EXPECT_TRUE(errors.empty()) << errors.text();
  load_secrets(config, errors);
  EXPECT_NE(errors.text().find("bus.pw: cannot read the password file"), std::string::npos)
      << errors.text();
}

}  // namespace
}  // namespace tallyman::rater
