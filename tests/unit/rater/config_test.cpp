#include "rater/config.hpp"

#include <gtest/gtest.h>

#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

// Given the commented rater.toml that is shipped, then it is without error and says the defaults.
TEST(RaterConfig, ShippedFileSaysTheDefaults) {
  const std::string path = TALLYMAN_SOURCE_DIR "/conf/rater.toml";
  app::ConfigErrors errors;
  const RaterConfig shipped = load_config(path, errors);
  EXPECT_TRUE(errors.empty()) << errors.text();
  const RaterConfig bare = parse_config("", path, errors);
  EXPECT_TRUE(errors.empty()) << errors.text();
  EXPECT_EQ(shipped.ledger, bare.ledger);
  EXPECT_EQ(shipped.listen, bare.listen);
  EXPECT_EQ(shipped.socket, bare.socket);
  EXPECT_EQ(shipped.log_level, bare.log_level);
  EXPECT_EQ(shipped.billing.catalogue_path, TALLYMAN_SOURCE_DIR "/conf/catalogue.toml");
  EXPECT_EQ(bare.billing.catalogue_path, TALLYMAN_SOURCE_DIR "/conf/catalogue.toml");
  EXPECT_EQ(shipped.billing.slot, bare.billing.slot);
  EXPECT_EQ(shipped.billing.grace, bare.billing.grace);
  EXPECT_EQ(shipped.billing.close_automatically, bare.billing.close_automatically);
  EXPECT_EQ(shipped.billing.release_automatically, bare.billing.release_automatically);
  EXPECT_EQ(shipped.billing.bus_file, bare.billing.bus_file);
  EXPECT_EQ(shipped.billing.bus_type, "file");
  EXPECT_EQ(shipped.billing.amqp.ca, bare.billing.amqp.ca);
  EXPECT_EQ(shipped.billing.amqp.user, bare.billing.amqp.user);
  EXPECT_EQ(shipped.billing.amqp.virtual_host, bare.billing.amqp.virtual_host);
  EXPECT_EQ(shipped.billing.amqp.exchange, bare.billing.amqp.exchange);
  EXPECT_EQ(shipped.billing.amqp.declare, bare.billing.amqp.declare);
  EXPECT_EQ(shipped.billing.amqp.heartbeat, bare.billing.amqp.heartbeat);
}

// Given a file that says everything differently, then all of it is taken, and relative paths count
// from its folder.
TEST(RaterConfig, TakesEveryKey) {
  app::ConfigErrors errors;
  const RaterConfig config = parse_config(R"(
ledger = "l.db"
listen = "tcp://127.0.0.1:7000"
socket = "run/r.sock"
catalogue = "../c.toml"
slot = "10s"
log_level = "debug"
[close]
automatic = true
grace = "3s"
[release]
automatic = true
[bus]
type = "file"
file = "/tmp/u.jsonl"
)",
                                          "/srv/tm/rater.toml", errors);
  EXPECT_TRUE(errors.empty()) << errors.text();
  EXPECT_EQ(config.ledger, "/srv/tm/l.db");
  EXPECT_EQ(config.listen, "tcp://127.0.0.1:7000");
  EXPECT_EQ(config.socket, "/srv/tm/run/r.sock");
  EXPECT_EQ(config.billing.catalogue_path, "/srv/c.toml");
  EXPECT_EQ(config.billing.slot, 10 * kSecond);
  EXPECT_EQ(config.log_level, log::Level::debug);
  EXPECT_TRUE(config.billing.close_automatically);
  EXPECT_EQ(config.billing.grace, 3 * kSecond);
  EXPECT_TRUE(config.billing.release_automatically);
  EXPECT_EQ(config.billing.bus_file, "/tmp/u.jsonl");
}

// Given a file with five mistakes, then all five are told, each at its line.
TEST(RaterConfig, TellsEveryMistakeAtOnce) {
  app::ConfigErrors errors;
  static_cast<void>(parse_config(R"(ledgr = "x"
listen = "tcp://0.0.0.0:5580"
slot = "7m"
log_level = "loud"
[release]
automatic = true
)",
                                 "rater.toml", errors));
  const auto sorted = errors.sorted();
  ASSERT_EQ(sorted.size(), 5U) << errors.text();
  for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(sorted[i].line, i + 1) << errors.text();
  EXPECT_EQ(sorted[4].line, 6U);
}

// Given agents that come over a network, then a key is asked for, and read from its file by the
// daemon alone.
TEST(RaterConfig, ANetworkNeedsAKey) {
  const testing::TempFolder folder;
  const std::string file = folder.file("rater.toml");
  const std::string listen = "listen = \"tcp://0.0.0.0:5580\"\n";
  app::ConfigErrors errors;
  static_cast<void>(parse_config(listen, file, errors));
  EXPECT_NE(errors.text().find("rater.toml:1:"), std::string::npos) << errors.text();
  EXPECT_NE(errors.text().find("tallyman-rater key new"), std::string::npos) << errors.text();
  app::ConfigErrors absent;
  RaterConfig config = parse_config(listen + "key = \"rater.key\"\n", file, absent);
  EXPECT_TRUE(absent.empty()) << absent.text();
  EXPECT_EQ(config.key_file, folder.file("rater.key"));
  load_secrets(config, absent);
  EXPECT_NE(absent.text().find("rater.key: cannot read"), std::string::npos) << absent.text();
  const app::KeyPair pair = app::new_key_pair();
  ASSERT_TRUE(app::write_key_pair(config.key_file, pair, false).ok());
  app::ConfigErrors none;
  load_secrets(config, none);
  EXPECT_TRUE(none.empty()) << none.text();
  EXPECT_EQ(config.key, pair);
}

}  // namespace
}  // namespace tallyman::rater
