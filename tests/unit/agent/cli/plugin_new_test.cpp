#include "agent/cli/plugin_new.hpp"

#include <gtest/gtest.h>

#include "agent/config.hpp"
#include "temp_folder.hpp"

namespace tallyman::cli {
namespace {

// Given a good name, then the files carry it everywhere, and what it configures is a configuration.
TEST(PluginNew, makes_files_of_the_name) {
  const auto files = scaffold("disk-usage_2", "/opt/sdk");
  ASSERT_TRUE(files.ok());
  for (const auto& [name, text] : *files) {
    EXPECT_EQ(text.find("@NAME@"), std::string::npos) << name;
    EXPECT_EQ(text.find("@CLASS@"), std::string::npos) << name;
    EXPECT_EQ(text.find("@METRIC@"), std::string::npos) << name;
    EXPECT_EQ(text.find("@HINTS@"), std::string::npos) << name;
  }
  const std::string& source = files->at("disk-usage_2.cpp");
  EXPECT_NE(source.find("class DiskUsage2 {"), std::string::npos);
  EXPECT_NE(source.find("\"disk_usage_2_polls_total\""), std::string::npos);
  EXPECT_NE(files->at("CMakeLists.txt").find("HINTS \"/opt/sdk\""), std::string::npos);
  const agent::testing::TempFolder folder;
  const std::string file =
      folder.write("disk-usage_2.toml", files->at("plugins.d/disk-usage_2.toml"));
  app::ConfigErrors errors;
  EXPECT_EQ(agent::load_instance(file, errors).plugin, "disk-usage_2");
  EXPECT_TRUE(errors.empty()) << errors.text();
}

// Given a name that no plugin, class or build target may have, then it is refused.
TEST(PluginNew, refuses_bad_names) {
  for (const char* name : {"", "Disk", "1disk", "disk usage", "../disk", "disk/usage", "-disk",
                           "disk-", "disk__usage", "disk--usage", "dïsk", "test", "install"}) {
    EXPECT_FALSE(scaffold(name, "").ok()) << name;
  }
  EXPECT_FALSE(scaffold(std::string(65, 'a'), "").ok());
  EXPECT_TRUE(scaffold(std::string(64, 'a'), "").ok());
}

// Given files that are there, then nothing is written at all.
TEST(PluginNew, overwrites_nothing) {
  const agent::testing::TempFolder folder;
  folder.write("README.md", "mine");
  EXPECT_EQ(plugin_new({"disk", folder.path()}), 1);
  EXPECT_EQ(agent::testing::text_of(folder.file("README.md")), "mine");
  EXPECT_FALSE(std::filesystem::exists(folder.file("disk.cpp")));
  EXPECT_EQ(plugin_new({"disk", folder.file("fresh")}), 0);
  EXPECT_TRUE(std::filesystem::exists(folder.file("fresh/plugins.d/disk.toml")));
  EXPECT_EQ(plugin_new({"disk", folder.file("fresh")}), 1);
}

}  // namespace
}  // namespace tallyman::cli
