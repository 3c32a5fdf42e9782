// What the plugin host says of files that are no plugins, and of the template.
#include <gtest/gtest.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "host_driver.hpp"

namespace tallyman::agent {
namespace {

struct BadFile {
  std::string file;
  std::string words;
};

std::vector<BadFile> bad_files() {
  const std::string text = test_plugin("text");
  std::ofstream(text) << "no shared object\n";
  return {
      {test_plugin("absent"), "no such file"},
      {text, "cannot load the plugin"},
      {test_plugin("no-symbol"), "does not export tm_plugin_v1_entry"},
      {test_plugin("unresolved"), "undefined symbol: tallyman_no_such_function"},
      {test_plugin("empty-table"), "its table has size 0"},
  };
}

// Given a file that is absent, no ELF, without the symbol, with an undefined symbol, or with an
// empty table, then --describe says so in one line and ends with 1.
TEST(Load, DescribeNamesWhatIsNoPlugin) {
  for (const BadFile& bad : bad_files()) {
    const CommandResult run = run_command(host_program() + " --describe " + bad.file);
    EXPECT_EQ(run.status, 1) << run.out;
    EXPECT_NE(run.out.find(bad.words), std::string::npos) << run.out;
    EXPECT_NE(run.out.find(bad.file), std::string::npos) << run.out;
    EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 1) << run.out;
  }
}

// Given the same files under an agent, then it is told in Created what is wrong, and the host ends
// with 1.
TEST(Load, TellsTheAgentWhatIsNoPlugin) {
  for (const BadFile& bad : bad_files()) {
    HostDriver host(bad.file);
    const auto refused = host.expect<Created>();
    EXPECT_EQ(refused.status, CallStatus::bad_config);
    EXPECT_NE(refused.why.find(bad.words), std::string::npos) << refused.why;
    EXPECT_EQ(host.wait(), 1);
  }
}

// Given the command line, then help and version go to stdout with 0, anything else ends with 2.
TEST(Load, KnowsItsCommandLine) {
  EXPECT_EQ(run_command(host_program() + " --help").status, 0);
  EXPECT_NE(run_command(host_program() + " --version").out.find("ABI 1."), std::string::npos);
  for (const char* wrong : {"", " --nonsense", " a b c", " --describe"}) {
    EXPECT_EQ(run_command(host_program() + wrong).status, 2) << wrong;
  }
}

// Given a plugin that prints while it is loaded, then --describe prints the declaration alone.
TEST(Load, DescribesInPlainText) {
  const CommandResult run =
      run_command(host_program() + " --describe " + test_plugin("filesystem"));
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out,
            "filesystem 1.0 (ABI 1.0, no state)\n"
            "metrics\n"
            "  filesystem_used_bytes\n"
            "      gauge, bytes: Bytes in use\n"
            "      identity: mountpoint\n"
            "options\n"
            "  path = \"/\"\n"
            "      a path on the file system\n"
            "needs\n"
            "  nothing\n");
}

// Given the template plugin, then it is under 30 lines and reads the bytes in use on a real file
// system.
TEST(Template, ReadsAFileSystem) {
  std::ifstream source(TALLYMAN_SOURCE_DIR "/sdk/plugin/template/filesystem.cpp");
  const std::string text((std::istreambuf_iterator<char>(source)), {});
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 30);

  HostDriver host(test_plugin("filesystem"));
  host.expect<Described>();
  ASSERT_EQ(host.configure({{"path", {"/proc"}}}).status, CallStatus::ok);
  const SeenPoll poll = host.poll();
  EXPECT_EQ(poll.done.status, CallStatus::ok) << poll.done.why;
  ASSERT_EQ(poll.readings.size(), 1U);
  EXPECT_EQ(poll.readings[0].series.identity, wire::LabelValues{"/proc"});
  EXPECT_EQ(poll.readings[0].value, 0U);

  HostDriver absent(test_plugin("filesystem"));
  absent.expect<Described>();
  ASSERT_EQ(absent.configure({{"path", {"/no/such/path"}}}).status, CallStatus::ok);
  const SeenPoll failed = absent.poll();
  EXPECT_EQ(failed.done.status, CallStatus::retry);
  EXPECT_EQ(failed.done.why, "/no/such/path: No such file or directory");
}

// Given every plugin of this build, then it exports one symbol and its declaration is sound.
TEST(Shipped, PluginsAreSound) {
  std::size_t seen = 0;
  for (const auto& file : std::filesystem::directory_iterator(TALLYMAN_BINARY_DIR "/plugins")) {
    if (file.path().extension() != ".so") continue;
    ++seen;
    const CommandResult nm = run_command("nm -D --defined-only " + file.path().string());
    EXPECT_EQ(std::count(nm.out.begin(), nm.out.end(), '\n'), 1) << nm.out;
    const CommandResult run = run_command(host_program() + " --describe " + file.path().string());
    EXPECT_EQ(run.status, 0) << run.out;
    EXPECT_EQ(run.out.substr(0, run.out.find(' ')), file.path().stem().string());
  }
  EXPECT_GT(seen, 0U);
}

}  // namespace
}  // namespace tallyman::agent
