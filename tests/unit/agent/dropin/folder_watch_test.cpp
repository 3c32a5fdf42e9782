#include "agent/dropin/folder_watch.hpp"

#include <gtest/gtest.h>

#include <set>

#include "temp_folder.hpp"

namespace tallyman::agent {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;

class FolderWatchTest : public ::testing::Test {
 protected:
  void watch(const std::vector<std::string>& folders) {
    watch_ = std::make_unique<FolderWatch>(
        loop_, folders,
        FolderWatch::Handlers{[this] { changed_++; },
                              [this](const std::string& path) { whole_.insert(path); }});
    ASSERT_EQ(watch_->trouble(), "");
  }
  /// Runs the loop until something is heard; what is heard is new.
  void hear() {
    changed_ = 0;
    const app::TimerId limit = loop_.after(20 * kSecond, [this] { loop_.stop(); });
    const std::function<void()> look = [&] {
      if (changed_ > 0) return loop_.stop();
      look_ = loop_.after(kMillisecond, look);
    };
    look();
    loop_.run();
    loop_.cancel(limit);
    loop_.cancel(look_);
    EXPECT_GT(changed_, 0);
  }

  TempFolder folder_;
  RealClock clock_;
  app::EventLoop loop_{clock_};
  std::unique_ptr<FolderWatch> watch_;
  int changed_ = 0;
  std::set<std::string> whole_;
  app::TimerId look_ = 0;
};

// Given files that are written and closed, moved in, touched and removed, then each is heard of,
// the whole ones by name.
TEST_F(FolderWatchTest, hears_what_happens) {
  watch({folder_.path()});
  folder_.write("a", "text");
  hear();
  EXPECT_TRUE(whole_.contains(folder_.file("a")));
  fs::rename(folder_.file("a"), folder_.file("b"));
  hear();
  EXPECT_TRUE(whole_.contains(folder_.file("b")));
  chmod(folder_.file("b").c_str(), 0600);
  hear();
  fs::remove(folder_.file("b"));
  hear();
}

// Given folders that are not there, then their making is heard of, level by level, and what happens
// in them afterwards; so it is when they are removed and made again.
TEST_F(FolderWatchTest, waits_for_folders) {
  const std::string deep = folder_.file("one/two/three");
  watch({deep, folder_.file("other")});
  for (int round = 0; round < 3; round++) {
    whole_.clear();
    fs::create_directory(folder_.file("one"));
    hear();
    fs::create_directories(deep);
    hear();
    folder_.write("one/two/three/a", "text");
    while (!whole_.contains(deep + "/a")) hear();
    fs::remove_all(folder_.file("one"));
    hear();
  }
}

// Given a folder that is moved away and another put in its place, then the new one is watched and
// the old one is not.
TEST_F(FolderWatchTest, follows_the_name) {
  const std::string folder = folder_.file("folder");
  fs::create_directory(folder);
  watch({folder});
  fs::rename(folder, folder_.file("moved"));
  fs::create_directory(folder);
  hear();
  watch_->refresh();
  folder_.write("moved/a", "text");
  folder_.write("folder/b", "text");
  while (!whole_.contains(folder + "/b")) hear();
  EXPECT_FALSE(whole_.contains(folder + "/a"));
}

// Given folders of which one stands in another, then each hears its own.
TEST_F(FolderWatchTest, folders_in_folders) {
  const std::string inner = folder_.file("inner");
  watch({folder_.path(), inner});
  folder_.write("a", "text");
  hear();
  EXPECT_TRUE(whole_.contains(folder_.file("a")));
  fs::create_directory(inner);
  hear();
  folder_.write("inner/b", "text");
  while (!whole_.contains(inner + "/b")) hear();
  folder_.write("c", "text");
  while (!whole_.contains(folder_.file("c"))) hear();
}

}  // namespace
}  // namespace tallyman::agent
