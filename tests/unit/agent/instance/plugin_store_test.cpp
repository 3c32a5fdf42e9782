#include "agent/instance/plugin_store.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <set>

#include "temp_folder.hpp"

namespace tallyman::agent {
namespace {

using testing::TempFolder;
using testing::text_of;

class PluginStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    store_.reset();
    store_ = std::make_unique<PluginStore>(loop_, folder_.file("state/plugins"));
  }
  PluginVersion admit(const std::string& file) {
    clock_.advance(kSecond);
    auto version = store_->admit(file, Trust::any);
    EXPECT_TRUE(version.ok()) << version.error().text();
    return version.ok() ? *version : nullptr;
  }
  PluginVersion find(const std::string& file, const std::string& text) {
    return store_->find(file, hash_of(as_bytes(text)));
  }
  std::set<std::string> copies() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.file("state/plugins")))
      names.insert(entry.path().filename());
    return names;
  }

  TempFolder folder_;
  FakeClock clock_{kDay, kDay};
  app::EventLoop loop_{clock_};
  std::unique_ptr<PluginStore> store_;
};

// Given a plugin's file, then its version is a copy that everybody may read and nobody write, named
// by its digest; the same bytes again are the same copy.
TEST_F(PluginStoreTest, a_version_is_a_copy) {
  const std::string file = folder_.write("netif.so", "version one");
  const PluginVersion version = admit(file);
  EXPECT_EQ(version->file, file);
  EXPECT_EQ(version->digest, hash_of(as_bytes("version one")));
  EXPECT_EQ(version->note, "");
  const std::string digits = to_hex(version->digest).substr(0, 16);
  EXPECT_EQ(version->path, folder_.file("state/plugins/netif-" + digits + ".so"));
  struct stat look {};
  ASSERT_EQ(stat(version->path.c_str(), &look), 0);
  EXPECT_EQ(look.st_mode & 07777U, 0444U);
  ASSERT_EQ(stat(folder_.file("state/plugins").c_str(), &look), 0);
  EXPECT_EQ(look.st_mode & 07777U, 0755U);
  EXPECT_EQ(admit(file)->path, version->path);
  EXPECT_EQ(copies().size(), 1U);
}

// Given a file that is overwritten in place, cut off or removed, then the version that was admitted
// keeps its bytes.
TEST_F(PluginStoreTest, the_copy_does_not_change_with_the_file) {
  const std::string file = folder_.write("netif.so", "version one");
  const PluginVersion version = admit(file);
  folder_.write("netif.so", "VERSION");
  EXPECT_EQ(text_of(version->path), "version one");
  ASSERT_EQ(truncate(file.c_str(), 0), 0);
  EXPECT_EQ(text_of(version->path), "version one");
  std::filesystem::remove(file);
  EXPECT_EQ(text_of(version->path), "version one");
}

// Given a copy that a power loss or a hand damaged, then it is written anew before it is believed,
// and is no version to go back to.
TEST_F(PluginStoreTest, a_damaged_copy_is_not_believed) {
  const std::string file = folder_.write("netif.so", "version one");
  const std::string path = admit(file)->path;
  for (const char* damage : {"", "version 0ne", "version one and more"}) {
    chmod(path.c_str(), 0644);
    std::ofstream(path, std::ios::trunc) << damage;
    EXPECT_EQ(text_of(admit(file)->path), "version one");
  }
  folder_.write("netif.so", "version two");
  const PluginVersion second = admit(file);
  EXPECT_EQ(find(file, "version one")->path, path);
  chmod(path.c_str(), 0644);
  std::ofstream(path, std::ios::trunc) << "version 0ne";
  EXPECT_EQ(find(file, "version one"), nullptr);
}

// Given any history of versions and holders, then the two admitted last and all that is held are
// there, nothing else is, and the version before is found by its digest; across restarts.
TEST_F(PluginStoreTest, keeps_two_and_what_is_in_use) {
  std::mt19937 random(20261122);
  std::vector<std::string> history;  // of texts, the latest last, each once
  std::vector<PluginVersion> held;
  PluginVersion last;
  for (int round = 0; round < 400; round++) {
    const std::string text = "version " + std::to_string(random() % 8);
    last = admit(folder_.write("a-b.so", text));
    std::erase(history, text);
    history.push_back(text);
    if (random() % 3 == 0) held.push_back(last);
    if (!held.empty() && random() % 3 == 0)
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(random() % held.size()));
    if (random() % 50 == 0) {
      // The next life holds nothing yet; what was held is as any other copy.
      held.clear();
      last.reset();
      open();
      last = admit(folder_.file("a-b.so"));
    }
    ASSERT_EQ(find(last->file, "version 8"), nullptr);
    if (history.size() > 1) {
      const std::string& before = history[history.size() - 2];
      ASSERT_NE(find(last->file, before), nullptr);
      ASSERT_EQ(text_of(find(last->file, before)->path), before);
    }
    for (const PluginVersion& version : held) ASSERT_TRUE(std::filesystem::exists(version->path));
    std::set<std::string> allowed{last->path};
    for (const PluginVersion& version : held) allowed.insert(version->path);
    // What was let go since the last admission goes with the next.
    ASSERT_LE(copies().size(), allowed.size() + 2);
  }
  held.clear();
  admit(folder_.file("a-b.so"));
  EXPECT_LE(copies().size(), 2U);
}

// Given copies of many names, then those of one name never push out another's, and names that look
// alike are told apart.
TEST_F(PluginStoreTest, names_are_apart) {
  const std::string other = admit(folder_.write("net.so", "other"))->path;
  for (int i = 0; i < 5; i++) admit(folder_.write("net-0123456789abcdef.so", std::to_string(i)));
  EXPECT_TRUE(std::filesystem::exists(other));
  EXPECT_EQ(copies().size(), 3U);
  const PluginVersion version = admit(folder_.write("net.so", "another"));
  EXPECT_EQ(find(version->file, "other")->path, other);
  EXPECT_EQ(find("net-0123456789abcdef.so", "other"), nullptr);
}

// Given no room for a copy, then the file itself is what runs, and the version says why.
TEST_F(PluginStoreTest, without_room_the_file_itself_runs) {
  const std::string file = folder_.write("netif.so", std::string(100'000, 'x'));
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit little{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &little);
  auto version = store_->admit(file, Trust::any);
  setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_TRUE(version.ok());
  EXPECT_EQ((*version)->path, file);
  EXPECT_NE((*version)->note.find("without a copy"), std::string::npos) << (*version)->note;
  EXPECT_TRUE(copies().empty()) << *copies().begin();
  EXPECT_EQ(admit(file)->note, "");
}

// Given a state directory that is none, then plugins run from where they are, and the trouble is
// told.
TEST_F(PluginStoreTest, without_a_folder_the_file_itself_runs) {
  folder_.write("file", "");
  PluginStore store(loop_, folder_.file("file/plugins"));
  EXPECT_NE(store.trouble(), "");
  const auto version = store.admit(folder_.write("netif.so", "one"), Trust::any);
  ASSERT_TRUE(version.ok());
  EXPECT_EQ((*version)->path, folder_.file("netif.so"));
  EXPECT_EQ((*version)->note, store.trouble());
}

// Given what is no plain file of a trusted owner, then it is refused in words, and nothing blocks.
TEST_F(PluginStoreTest, refuses_what_is_no_file) {
  const auto refused = [&](const std::string& file, Trust trust) {
    const auto version = store_->admit(file, trust);
    return version.ok() ? "" : version.error().text();
  };
  const std::string good = folder_.write("good.so", "good");
  EXPECT_EQ(refused(good, Trust::owner), "");
  ASSERT_EQ(mkfifo(folder_.file("fifo.so").c_str(), 0600), 0);
  ASSERT_EQ(symlink(good.c_str(), folder_.file("link.so").c_str()), 0);
  std::filesystem::create_directory(folder_.file("folder.so"));
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  folder_.file("socket.so").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(socket);
  for (const Trust trust : {Trust::any, Trust::owner}) {
    for (const char* name : {"fifo.so", "folder.so", "socket.so"})
      EXPECT_NE(refused(folder_.file(name), trust).find("no regular file"), std::string::npos);
    EXPECT_NE(refused("/dev/zero", trust).find("no regular file"), std::string::npos);
    EXPECT_NE(refused(folder_.file("none.so"), trust), "");
  }
  EXPECT_EQ(refused(folder_.file("link.so"), Trust::any), "");
  EXPECT_NE(refused(folder_.file("link.so"), Trust::owner).find("symbolic link"),
            std::string::npos);
  const std::string large = folder_.write("large.so", "");
  ASSERT_EQ(truncate(large.c_str(), static_cast<off_t>(kMaxPluginFile) + 1), 0);
  EXPECT_NE(refused(large, Trust::any).find("larger than 64 MiB"), std::string::npos);
}

// Given a file or a folder that others may write to or own, then it is not trusted.
TEST_F(PluginStoreTest, refuses_what_others_may_write_to) {
  const std::string file = folder_.write("netif.so", "one");
  const auto refused = [&] {
    const auto version = store_->admit(file, Trust::owner);
    return version.ok() ? "" : version.error().text();
  };
  EXPECT_EQ(refused(), "");
  chmod(file.c_str(), 0664);
  EXPECT_NE(refused().find("netif.so: can be written to by its group"), std::string::npos);
  chmod(file.c_str(), 0646);
  EXPECT_NE(refused().find("by everybody"), std::string::npos);
  chmod(file.c_str(), 0644);
  chmod(folder_.path().c_str(), 0775);
  EXPECT_EQ(refused().find(folder_.path() + ": can be written to by its group"), 0U) << refused();
  chmod(folder_.path().c_str(), 01777);
  EXPECT_NE(refused(), "");
  chmod(folder_.path().c_str(), 0700);
  if (geteuid() != 0) return;
  ASSERT_EQ(chown(file.c_str(), 65534, 65534), 0);
  EXPECT_NE(refused().find("belongs to user 65534"), std::string::npos) << refused();
}

// Given a file that somebody writes, then that is known, for as long as it lasts.
TEST_F(PluginStoreTest, knows_who_writes) {
  const std::string file = folder_.write("netif.so", "one");
  const Writer before = writer_of(file);
  if (before == Writer::unknown) GTEST_SKIP() << "no leases on this file system";
  EXPECT_EQ(before, Writer::none);
  const int writer = ::open(file.c_str(), O_WRONLY);
  ASSERT_GE(writer, 0);
  EXPECT_EQ(writer_of(file), Writer::some);
  close(writer);
  EXPECT_EQ(writer_of(file), Writer::none);
}

// Given copies of a name that nobody admits any more, held when the last was, then once they are
// let go of they go with what is admitted under another name; what is held stays.
TEST_F(PluginStoreTest, names_that_are_gone_are_tidied) {
  std::vector<PluginVersion> held;
  for (int i = 0; i < 5; i++) held.push_back(admit(folder_.write("gone.so", std::to_string(i))));
  const std::string kept = held.front()->path;
  held.resize(1);
  EXPECT_EQ(copies().size(), 5U);
  const PluginVersion other = admit(folder_.write("other.so", "other"));
  EXPECT_EQ(copies().size(), 6U) << "not all may hold what they run yet";
  clock_.advance(kMinute);
  loop_.after(0, [this] { loop_.stop(); });
  loop_.run();
  EXPECT_EQ(copies().size(), 4U);
  EXPECT_TRUE(std::filesystem::exists(kept));
}

// Given files that may wait, then they are admitted off the loop in their order, errors and all.
TEST_F(PluginStoreTest, admits_later) {
  std::vector<std::string> said;
  for (const char* name : {"a", "b", "missing", "c"}) {
    const std::string file = folder_.file(std::string(name) + ".so");
    if (std::string(name) != "missing") folder_.write(std::string(name) + ".so", name);
    store_->admit_later(file, Trust::owner, [&, name](const Result<PluginVersion>& version) {
      said.push_back(std::string(name) + (version.ok() ? " " + text_of((*version)->path) : " no"));
      if (said.size() == 4) loop_.stop();
    });
  }
  EXPECT_TRUE(said.empty());
  loop_.run();
  EXPECT_EQ(said, (std::vector<std::string>{"a a", "b b", "missing no", "c c"}));
}

// Given somebody who, told of one file, asks for the next, then each is admitted once, in order.
TEST_F(PluginStoreTest, asks_from_within_an_answer) {
  std::vector<std::string> said;
  const std::function<void(int)> ask = [&](int number) {
    const std::string name = std::to_string(number);
    const std::string file = folder_.write(name + ".so", name);
    store_->admit_later(file, Trust::owner, [&, number](const Result<PluginVersion>& version) {
      said.push_back(version.ok() ? text_of((*version)->path) : "no");
      if (number < 4) return ask(number + 1);
      loop_.stop();
    });
  };
  ask(0);
  loop_.run();
  EXPECT_EQ(said, (std::vector<std::string>{"0", "1", "2", "3", "4"}));
}

}  // namespace
}  // namespace tallyman::agent
