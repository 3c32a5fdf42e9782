#include "agent/config.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace tallyman::agent {
namespace {

namespace fs = std::filesystem;

class Config : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/tallyman-config-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directory(folder_ / "plugins.d");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  AgentConfig load() {
    errors_ = {};
    return load_config(folder_ / "agent.toml", {"stor-07", "/usr/bin/tallyman-agent", ""}, errors_);
  }

  fs::path folder_;
  app::ConfigErrors errors_;
};

// Given an empty file, then everything has its default.
TEST_F(Config, defaults) {
  write("agent.toml", "");
  AgentConfig config = load();
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  EXPECT_EQ(config.agent, "stor-07");
  EXPECT_EQ(config.state_directory, "/var/lib/tallyman");
  EXPECT_EQ(config.spool.directory, "/var/lib/tallyman/spool");
  EXPECT_EQ(config.socket, "/run/tallyman/agent.sock");
  EXPECT_EQ(config.plugin_configuration, folder_ / "plugins.d");
  EXPECT_EQ(config.plugin_directories.size(), 2U);
  EXPECT_EQ(config.plugin_host, "/usr/lib/tallyman/tallyman-plugin-host");
  EXPECT_TRUE(config.endpoints.empty());
  EXPECT_TRUE(config.instances.empty());
  EXPECT_EQ(config.group_commit, kSecond);
}

// Given the commented configuration that is shipped, then it is valid and sets what it says.
TEST_F(Config, shipped_configuration_is_valid) {
  std::string conf = std::string(TALLYMAN_SOURCE_DIR) + "/conf/agent.toml";
  AgentConfig config = load_config(conf, {"x", "/usr/bin/tallyman-agent", ""}, errors_);
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  EXPECT_EQ(config.agent, "stor-01");
  EXPECT_EQ(config.endpoints, std::vector<std::string>{"tcp://127.0.0.1:5580"});
  EXPECT_EQ(config.spool.limit_bytes, 1ULL << 30U);
  EXPECT_EQ(config.spool.seal_after, kMinute);
  EXPECT_EQ(config.spool.seal_bytes, 64U << 10U);
  EXPECT_EQ(config.spool.segment_bytes, 4U << 20U);
  EXPECT_EQ(config.plugin_uids, UidRange{});
  auto netif = std::ranges::find(config.instances, "netif", &InstanceConfig::name);
  ASSERT_NE(netif, config.instances.end());
  EXPECT_EQ(netif->limits, Limits{});
  EXPECT_TRUE(netif->grants.network);
}

// Given instances, then each file is one, named after it, with its options flattened.
TEST_F(Config, instances) {
  write("agent.toml", "");
  write("plugins.d/netif.toml",
        "plugin = \"netif\"\ninterval = \"10s\"\n[options]\ninclude = [\"eth*\", \"va\"]\n"
        "deep.key = 5\n");
  write("plugins.d/slow.toml", "plugin = \"/opt/slow.so\"\nenabled = false\n");
  write("plugins.d/.hidden.toml", "nonsense");
  write("plugins.d/notes.txt", "nonsense");
  AgentConfig config = load();
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  ASSERT_EQ(config.instances.size(), 2U);
  const InstanceConfig& netif = config.instances[0];
  EXPECT_EQ(netif.name, "netif");
  EXPECT_EQ(netif.interval, 10 * kSecond);
  EXPECT_EQ(netif.deadline, 5 * kSecond);
  ASSERT_EQ(netif.options.size(), 2U);
  EXPECT_EQ(netif.options[1], (HostOption{"include", {"eth*", "va"}}));
  EXPECT_EQ(netif.options[0], (HostOption{"deep.key", {"5"}}));
  EXPECT_FALSE(config.instances[1].enabled);
  EXPECT_EQ(config.instances[1].interval, kMinute);
}

// Given limits, then they are taken; what is absent has its default, and what is wrong or unknown
// is told with its place.
TEST_F(Config, limits) {
  write("agent.toml", "");
  write("plugins.d/a.toml",
        "plugin = \"netif\"\n[limits]\nmemory = \"64MiB\"\nprocesses = 3\ncpu = \"500ms\"\n");
  AgentConfig config = load();
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  EXPECT_EQ(config.instances.at(0).limits, (Limits{64U << 20U, 64, 3, 500 * kMillisecond}));
  write("plugins.d/a.toml",
        "plugin = \"netif\"\n[limits]\nmemory = \"1KiB\"\ndescriptors = 3\nprocesses = 257\n"
        "cpu = 5\nmemry = \"1GiB\"\n");
  load();
  for (const char* place :
       {"a.toml:3:", "a.toml:4:", "a.toml:5:", "a.toml:6:", "a.toml:7:", "`memory`"}) {
    EXPECT_NE(errors_.text().find(place), std::string::npos) << errors_.text();
  }
}

// Given grants, then they are taken, with a uid of its own for each instance or the user named;
// nothing is granted by default.
TEST_F(Config, grants) {
  write("agent.toml", "plugin_uids = \"70000-79999\"\n");
  write("plugins.d/a.toml", "plugin = \"netif\"\n");
  write("plugins.d/b.toml",
        "plugin = \"netif\"\n[grants]\nuser = \"4711\"\ncapabilities = [\"CAP_KILL\"]\n"
        "paths = [\"/srv\", \"+/run/x\", \"@path\", \"+@out\"]\nnetwork = true\n");
  AgentConfig config = load();
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  EXPECT_EQ(config.instances.at(0).grants, Grants{});
  EXPECT_GE(config.instances.at(0).user.uid, 70000U);
  EXPECT_LE(config.instances.at(0).user.uid, 79999U);
  EXPECT_EQ(config.instances.at(0).user.gid, config.instances.at(0).user.uid);
  EXPECT_EQ(config.instances.at(1).grants,
            (Grants{"4711", {"CAP_KILL"}, {"/srv", "+/run/x", "@path", "+@out"}, true}));
  EXPECT_EQ(config.instances.at(1).user, (User{4711, 4711, "4711"}));
}

// Given grants that cannot be, then each is told with its place.
TEST_F(Config, wrong_grants) {
  write("agent.toml", "plugin_uids = \"0-5\"\n");
  write("plugins.d/a.toml",
        "plugin = \"netif\"\n[grants]\nuser = \"no-such-user\"\ncapabilities = [\"KILL\"]\n"
        "paths = [\"srv\"]\nnetwork = 1\npath = \"/srv\"\n");
  write("plugins.d/b.toml", "plugin = \"netif\"\n[grants]\nuser = \"root\"\npaths = [\"@\"]\n");
  write("plugins.d/c.toml", "plugin = \"netif\"\n[grants]\nuser = \"\"\npaths = [\"/a/../b\"]\n");
  load();
  for (const char* place :
       {"agent.toml:1:", "a.toml:3:", "a.toml:4:", "a.toml:5:", "a.toml:6:", "a.toml:7:",
        "b.toml:3:", "b.toml:4:", "c.toml:3:", "c.toml:4:", "`KILL` is no capability"}) {
    EXPECT_NE(errors_.text().find(place), std::string::npos) << place << "\n" << errors_.text();
  }
}

// Given more instances than uids, then it is told.
TEST_F(Config, too_few_uids) {
  write("agent.toml", "plugin_uids = \"5000-5999\"\n");
  for (int i = 0; i < 1000; i++) {
    write("plugins.d/a" + std::to_string(i) + ".toml", "plugin = \"netif\"\n");
  }
  load();
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  write("plugins.d/b.toml", "plugin = \"netif\"\n");
  load();
  EXPECT_NE(errors_.text().find("agent.toml:1:15: fewer uids"), std::string::npos)
      << errors_.text();
}

// Given a short interval and no deadline, then the deadline is the interval.
TEST_F(Config, deadline_is_never_longer_than_the_interval) {
  write("agent.toml", "");
  write("plugins.d/fast.toml", "plugin = \"netif\"\ninterval = \"200ms\"\n");
  EXPECT_EQ(load().instances.at(0).deadline, 200 * kMillisecond);
  write("plugins.d/fast.toml", "plugin = \"netif\"\ninterval = \"1s\"\ndeadline = \"2s\"\n");
  load();
  EXPECT_NE(errors_.text().find("fast.toml:3:"), std::string::npos) << errors_.text();
}

// Given each strategy by name, then it is taken, permanent by default; another word is told with
// its place.
TEST_F(Config, restart_strategies) {
  write("agent.toml", "");
  write("plugins.d/a.toml", "plugin = \"netif\"\n");
  EXPECT_EQ(load().instances.at(0).restart, Strategy::permanent);
  for (Strategy strategy : {Strategy::permanent, Strategy::transient, Strategy::temporary}) {
    write("plugins.d/a.toml",
          "plugin = \"netif\"\nrestart = \"" + std::string(strategy_name(strategy)) + "\"\n");
    EXPECT_EQ(load().instances.at(0).restart, strategy);
    EXPECT_TRUE(errors_.empty()) << errors_.text();
  }
  write("plugins.d/a.toml", "plugin = \"netif\"\nrestart = \"always\"\n");
  load();
  EXPECT_NE(errors_.text().find("a.toml:2:11: "), std::string::npos) << errors_.text();
  EXPECT_NE(errors_.text().find("temporary"), std::string::npos) << errors_.text();
}

// Given mistakes in several files, then all of them are told at once, with their places.
TEST_F(Config, tells_every_error_of_every_file) {
  write("agent.toml",
        "agent = \"no spaces\"\nintervall = 5\n[rater]\nendpoint = \"tcp://rater.example:5580\"\n"
        "[spool]\nseal_aftr = \"5s\"\nlimit = \"many\"\n");
  write("plugins.d/a.toml", "interval = \"5ms\"\n");
  write("plugins.d/b.toml", "plugin = \"../evil\"\ndeadlin = 1\n");
  write("plugins.d/c c.toml", "plugin = \"netif\"\n");
  load();
  std::string text = errors_.text();
  for (const char* part : {"agent.toml:1:", "agent.toml:2:", "agent.toml:4:", "CURVE",
                           "agent.toml:6:", "agent.toml:7:", "`seal_after`",
                           "a.toml:", "a.toml:1:", "b.toml:1:", "b.toml:2:", "c c.toml"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
}

// Given endpoints, then a list is taken in order, and both forms at once are refused.
TEST_F(Config, endpoints) {
  write("agent.toml", "[rater]\nendpoints = [\"tcp://127.0.0.1:1\", \"ipc:///tmp/x\"]\n");
  EXPECT_EQ(load().endpoints, (std::vector<std::string>{"tcp://127.0.0.1:1", "ipc:///tmp/x"}));
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  write("agent.toml",
        "[rater]\nendpoint = \"tcp://127.0.0.1:1\"\nendpoints = [\"tcp://127.0.0.1:1\"]\n");
  load();
  EXPECT_FALSE(errors_.empty());
  write("agent.toml", "[rater]\nendpoint = \"http://127.0.0.1\"\n");
  load();
  EXPECT_FALSE(errors_.empty());
}

// Given no word on compression, then there is none; given a wrong word, its place is told.
TEST_F(Config, compression) {
  const std::string link = "[rater]\nendpoint = \"ipc:///tmp/x\"\n";
  write("agent.toml", link);
  EXPECT_FALSE(load().compress);
  write("agent.toml", link + "compression = \"none\"\n");
  EXPECT_FALSE(load().compress);
  write("agent.toml", link + "compression = \"zstd\"\n");
  EXPECT_TRUE(load().compress);
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  write("agent.toml", link + "compression = \"gzip\"\n");
  load();
  EXPECT_NE(errors_.text().find("agent.toml:3:15"), std::string::npos) << errors_.text();
  EXPECT_NE(errors_.text().find("zstd"), std::string::npos) << errors_.text();
}

// Given a rater over a network, then its public key is asked for; with it and a key of this host
// the link is encrypted, on loopback too; what is missing or no key is told with its place.
TEST_F(Config, a_link_over_a_network_needs_keys) {
  const app::KeyPair own = app::new_key_pair(), rater = app::new_key_pair();
  const std::string over = "[rater]\nendpoint = \"tcp://rater.example:5580\"\n";
  const std::string theirs = "rater_key = \"" + rater.public_key + "\"\n";
  const auto wrong = [&](const std::string& text, const std::string& place) {
    write("agent.toml", text);
    AgentConfig config = load();
    load_key(config, errors_);
    EXPECT_NE(errors_.text().find(place), std::string::npos) << errors_.text();
    EXPECT_TRUE(config.key.empty());
  };
  wrong(over, "agent.toml:2:");
  wrong(over + "key = \"agent.key\"\n", "agent.toml:3:");
  wrong(over + "rater_key = \"short\"\n", "agent.toml:3:");
  wrong(over + theirs, "agent.key: cannot read");
  ASSERT_TRUE(app::write_key_pair(folder_ / "agent.key", own, false).ok());
  for (const std::string& first : {over, std::string("[rater]\nendpoint = \"ipc:///tmp/x\"\n")}) {
    write("agent.toml", first + theirs);
    AgentConfig config = load();
    load_key(config, errors_);
    EXPECT_TRUE(errors_.empty()) << errors_.text();
    EXPECT_EQ(config.key, own);
    EXPECT_EQ(config.rater_key, rater.public_key);
  }
}

// Given the longest id that a rater takes, with a colon, then the agent takes it; one that the
// rater would refuse is refused here.
TEST_F(Config, agent_ids_are_those_the_rater_takes) {
  const std::string longest = "a:" + std::string(126, 'b');
  write("agent.toml", "agent = \"" + longest + "\"\n");
  EXPECT_EQ(load().agent, longest);
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  for (const char* bad : {"-a", ".a", "a b"}) {
    write("agent.toml", std::string("agent = \"") + bad + "\"\n");
    errors_ = {};
    load();
    EXPECT_FALSE(errors_.empty()) << bad;
  }
}

// Given option values that a plugin's process would be refused for, then each is told with its
// place; all of them together are bounded too.
TEST_F(Config, tells_where_option_values_do_not_fit) {
  write("agent.toml", "");
  write("plugins.d/a.toml",
        "plugin = \"netif\"\n[options]\nlong = \"" + std::string(kMaxOptionBytes + 1, 'x') +
            "\"\nodd = \"a\\u0007b\"\nfits = \"" + std::string(kMaxOptionBytes, 'x') + "\"\n");
  load();
  EXPECT_NE(errors_.text().find("a.toml:3:"), std::string::npos) << errors_.text();
  EXPECT_NE(errors_.text().find("a.toml:4:"), std::string::npos) << errors_.text();
  EXPECT_EQ(errors_.text().find("a.toml:5:"), std::string::npos) << errors_.text();
  std::string many = "plugin = \"netif\"\n[options]\nlist = [";
  for (int i = 0; i < 40; i++) many += "\"" + std::string(kMaxOptionBytes, 'x') + "\", ";
  write("plugins.d/a.toml", many + "]\n");
  errors_ = {};
  load();
  EXPECT_NE(errors_.text().find("a.toml:3:"), std::string::npos) << errors_.text();
  EXPECT_NE(errors_.text().find("in all"), std::string::npos) << errors_.text();
}

// Given a plugin that is nowhere, then a check says so and a load does not.
TEST_F(Config, absent_plugins_are_found_by_the_check_only) {
  write("agent.toml", "plugin_directories = [\"plugins\"]\nplugin_host = \"/bin/true\"\n");
  write("plugins.d/netif.toml", "plugin = \"netif\"\n");
  AgentConfig config = load();
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  check_files(config, errors_);
  EXPECT_NE(errors_.text().find("netif.so"), std::string::npos) << errors_.text();
  fs::create_directory(folder_ / "plugins");
  write("plugins/netif.so", "");
  write("plugins/.netif.so.swp", "");
  errors_ = {};
  check_files(config, errors_);
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  EXPECT_EQ(find_plugin(config, "netif"), folder_ / "plugins/netif.so");
  ASSERT_EQ(available_plugins(config).size(), 1U);
  EXPECT_EQ(available_plugins(config)[0].name, "netif");
}

// Given names of files, then those that hold a plugin give its name, and what editors, package
// managers and downloads leave behind gives none.
TEST(PluginOf, tells_plugins_from_what_is_left_behind) {
  EXPECT_EQ(plugin_of("netif.so"), "netif");
  EXPECT_EQ(plugin_of("my-plugin_2.1.so"), "my-plugin_2.1");
  for (const char* name : {"",
                           ".so",
                           ".netif.so",
                           "netif",
                           "netif.so~",
                           "netif.so.1",
                           "netif.so.dpkg-new",
                           "netif.dpkg-tmp.so",
                           ".netif.so.dpkg-new",
                           "netif.so.rpmnew",
                           "netif.rpmsave.so",
                           "netif.so.tmp",
                           "netif.tmp.so",
                           "netif.so.swp",
                           ".netif.so.swp",
                           "#netif.so#",
                           "netif.so.part",
                           "a b.so",
                           "net/if.so",
                           "n\xc3\xa9tif.so"}) {
    EXPECT_EQ(plugin_of(name), "") << name;
  }
}

// Given drop-in folders, then they are searched last, and known however they are written.
TEST_F(Config, drop_in_folders) {
  write("agent.toml",
        "plugin_directories = [\"plugins\", \"both/\"]\n"
        "drop_in_directories = [\"./both\", \"drop//ins/\"]\n");
  const AgentConfig config = load();
  EXPECT_TRUE(errors_.empty()) << errors_.text();
  for (const char* name : {"plugins", "both", "drop/ins"}) fs::create_directories(folder_ / name);
  write("drop/ins/a.so", "");
  EXPECT_EQ(find_plugin(config, "a"), folder_ / "drop/ins/a.so");
  EXPECT_TRUE(is_drop_in(config, find_plugin(config, "a")));
  write("both/a.so", "");
  EXPECT_EQ(find_plugin(config, "a"), folder_ / "both/a.so");
  EXPECT_TRUE(is_drop_in(config, find_plugin(config, "a")));
  write("plugins/a.so", "");
  EXPECT_EQ(find_plugin(config, "a"), folder_ / "plugins/a.so");
  EXPECT_FALSE(is_drop_in(config, find_plugin(config, "a")));
  EXPECT_EQ(available_plugins(config).size(), 3U);
}

}  // namespace
}  // namespace tallyman::agent
