#include "app/key.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tallyman::app {
namespace {

namespace fs = std::filesystem;

class Keys : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/tallyman-key-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ / "agent.key";
  }
  void TearDown() override { fs::remove_all(folder_); }

  KeyPair load() {
    errors_ = {};
    return load_key_pair(path_, errors_);
  }
  void write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path_) << text;
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
  }
  static std::string text_of(const std::string& public_key, const std::string& secret_key) {
    return "public = \"" + public_key + "\"\nsecret = \"" + secret_key + "\"\n";
  }

  fs::path folder_;
  std::string path_;
  ConfigErrors errors_;
};

// Given a fresh pair, then it reads back as it was written, for its owner alone, whatever the umask
// says, and nothing else is left in the folder.
TEST_F(Keys, a_pair_survives_its_file) {
  const mode_t before = umask(0077 | S_IRUSR);
  const KeyPair pair = new_key_pair();
  const Status wrote = write_key_pair(path_, pair, false);
  umask(before);
  ASSERT_TRUE(wrote.ok()) << wrote.error().text();
  EXPECT_TRUE(is_key(pair.public_key));
  EXPECT_TRUE(is_key(pair.secret_key));
  EXPECT_EQ(load(), pair) << errors_.text();
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

// Given many fresh pairs, then no two are alike, and each public key can stand on a command line.
TEST_F(Keys, public_keys_are_no_options) {
  KeyPair last;
  for (int i = 0; i < 50; ++i) {
    const KeyPair pair = new_key_pair();
    EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(pair.public_key[0])));
    EXPECT_NE(pair, last);
    last = pair;
  }
}

// Given a key file that is there, then it stays as it is unless replacing it was asked for.
TEST_F(Keys, nothing_is_overwritten_unasked) {
  const KeyPair first = new_key_pair(), second = new_key_pair();
  ASSERT_TRUE(write_key_pair(path_, first, false).ok());
  const Status refused = write_key_pair(path_, second, false);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().text().find("--force"), std::string::npos);
  EXPECT_EQ(load(), first);
  ASSERT_TRUE(write_key_pair(path_, second, true).ok());
  EXPECT_EQ(load(), second);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
  EXPECT_FALSE(write_key_pair(folder_ / "none" / "x", first, false).ok());
}

// Given a secret that others may read or write, then it is not used, in one error that says so.
TEST_F(Keys, others_must_not_read_the_secret) {
  const KeyPair pair = new_key_pair();
  for (const mode_t mode : {0640U, 0604U, 0620U, 0666U, 0601U}) {
    write(text_of(pair.public_key, pair.secret_key), mode);
    EXPECT_TRUE(load().empty()) << mode;
    EXPECT_EQ(errors_.sorted().size(), 1U) << errors_.text();
    EXPECT_NE(errors_.text().find("0600"), std::string::npos) << errors_.text();
  }
  write(text_of(pair.public_key, pair.secret_key), 0400);
  EXPECT_EQ(load(), pair);
}

// Given files that are no pair, then each is told with its place, and none is used.
TEST_F(Keys, what_is_no_pair_is_told) {
  const KeyPair pair = new_key_pair(), other = new_key_pair();
  const auto wrong = [&](const std::string& text, const std::string& place) {
    write(text);
    EXPECT_TRUE(load().empty()) << text;
    EXPECT_NE(errors_.text().find(path_ + place), std::string::npos) << errors_.text();
  };
  wrong("", ":");
  wrong("public = 5\nsecret = \"x\"\n", ":1:");
  wrong(text_of(pair.public_key, "short"), ":2:");
  wrong(text_of(other.public_key, pair.secret_key), ":1:");
  wrong(text_of(pair.public_key, pair.secret_key) + "sceret = 1\n", ":3:");
  wrong("\xff\xfe", ":");
  wrong(std::string(10000, '#'), ": ");
  fs::remove(path_);
  EXPECT_TRUE(load().empty());
  EXPECT_NE(errors_.text().find("key new"), std::string::npos) << errors_.text();
  fs::create_directory(path_);
  EXPECT_TRUE(load().empty());
  EXPECT_FALSE(errors_.empty());
}

// Given texts, then only forty characters of Z85 that stand for bytes are a key.
TEST_F(Keys, what_a_key_looks_like) {
  EXPECT_TRUE(is_key("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"));
  EXPECT_FALSE(is_key(""));
  EXPECT_FALSE(is_key("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf"));
  EXPECT_FALSE(is_key("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf77"));
  EXPECT_FALSE(is_key("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf\""));
  EXPECT_FALSE(is_key(std::string(40, '#'))) << "beyond 32 bits";
  EXPECT_FALSE(is_key(std::string(39, '0') + '\0'));
}

}  // namespace
}  // namespace tallyman::app
