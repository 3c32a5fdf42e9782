// Given a file with a secret, then it is read only where nobody else can, and never told in an
// error.

#include "app/secret_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tallyman::app {
namespace {

class Secrets : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/tallyman-secret-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ + "/password";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path_) << text;
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
  }
  std::string wrong() {
    const auto read = read_password(path_);
    return read.ok() ? "" : read.error().text();
  }

  std::string folder_, path_;
};

TEST_F(Secrets, a_password_is_one_line) {
  EXPECT_NE(wrong().find("cannot read the password file"), std::string::npos);
  write("s3cret word\n");
  EXPECT_EQ(*read_password(path_), "s3cret word");
  write("s3cret\r\n");
  EXPECT_EQ(*read_password(path_), "s3cret");
  write("\n");
  EXPECT_NE(wrong().find("empty"), std::string::npos);
  write("s3cret\nother");
  EXPECT_NE(wrong().find("one line"), std::string::npos);
  EXPECT_EQ(wrong().find("s3cret"), std::string::npos);
  write(std::string(20'000, 'x'));
  EXPECT_NE(wrong().find("too long"), std::string::npos);
}

TEST_F(Secrets, what_others_may_open_is_refused) {
  for (const mode_t mode : {0640u, 0604u, 0620u, 0602u, 0666u}) {
    write("s3cret\n", mode);
    EXPECT_NE(wrong().find("0600"), std::string::npos) << mode;
    EXPECT_EQ(wrong().find("s3cret"), std::string::npos);
  }
  path_ = folder_;
  EXPECT_NE(wrong().find("no file"), std::string::npos);
  path_ = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_NE(wrong().find("no file"), std::string::npos) << "and it was not waited for";
}

}  // namespace
}  // namespace tallyman::app
