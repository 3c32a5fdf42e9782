#include "ceph/secret.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace ceph {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string fault(const std::variant<Secret, Fault>& parsed) {
  const auto* found = std::get_if<Fault>(&parsed);
  return found == nullptr ? "" : found->what;
}

// Given the two keys in any order, with quotes or without, then they are read.
TEST(Secret, TwoKeys) {
  for (const char* text : {"access_key = \"A\"\nsecret_key = \"S=\"\n",
                           "# keys\n\nsecret_key=S=\n  access_key =  A\r\n"}) {
    const auto parsed = parse_secret(text);
    ASSERT_EQ(fault(parsed), "") << text;
    EXPECT_EQ(std::get<Secret>(parsed).access_key, "A");
    EXPECT_EQ(std::get<Secret>(parsed).secret_key, "S=");
  }
}

// Given anything else, then it is refused by its line, and the keys are in no message.
TEST(Secret, AnythingElse) {
  for (const char* text :
       {"", "access_key = A", "secret_key = topsecret", "topsecret",
        "access_key = A\nsecret_key = \"\"", "access_key = A\nsecret-key = topsecret",
        "access_key = A\nsecret_key = topsecret\nsecret_key = topsecret"}) {
    const std::string what = fault(parse_secret(text));
    EXPECT_THAT(what, HasSubstr("expected")) << text;
    EXPECT_THAT(what, Not(HasSubstr("topsecret"))) << text;
  }
}

class SecretFile : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/tallyman-secret-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/keys";
    std::ofstream(path_) << "access_key = A\nsecret_key = S\n";
  }
  void TearDown() override {
    unlink(path_.c_str());
    rmdir(folder_.c_str());
  }
  std::string folder_, path_;
};

// Given a file that others than its owner may open, then it is refused; its owner's alone is read.
TEST_F(SecretFile, OwnerOnly) {
  for (const mode_t mode : {0644U, 0640U, 0604U, 0660U, 0602U}) {
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    EXPECT_THAT(fault(read_secret(path_)), HasSubstr("chmod 600")) << mode;
  }
  ASSERT_EQ(chmod(path_.c_str(), 0600), 0);
  EXPECT_EQ(fault(read_secret(path_)), "");
}

// Given a folder, or nothing, then it is said so.
TEST_F(SecretFile, NoFile) {
  EXPECT_THAT(fault(read_secret(folder_)), HasSubstr("no plain file"));
  EXPECT_THAT(fault(read_secret(folder_ + "/none")), HasSubstr("cannot read"));
}

}  // namespace
}  // namespace ceph
