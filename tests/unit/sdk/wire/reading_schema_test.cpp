// The JSON Schema of a reading: what is written fits it, what is wrong does not.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "wire/reading_json.hpp"

namespace tallyman::wire {
namespace {

constexpr const char* kCheck = R"(
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for line in open(sys.argv[2]):
    expected, text = line.split(' ', 1)
    if validator.is_valid(json.loads(text)) != (expected == 'good'):
        sys.exit('not ' + line)
)";

class Schema : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "reading-schema-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// Whether every line ("good {…}" or "bad {…}") is judged so.
  bool holds(const std::string& lines) {
    std::ofstream(folder_ / "check.py") << kCheck;
    std::ofstream(folder_ / "lines") << lines;
    const std::string command = "/usr/bin/python3 " + (folder_ / "check.py").string() +
                                " " TALLYMAN_SOURCE_DIR "/sdk/wire/reading.schema.json " +
                                (folder_ / "lines").string();
    return std::system(command.c_str()) == 0;
  }

  std::filesystem::path folder_;
};

// Given readings and gaps as they are written, then they fit the schema; given wrong ones, then
// not.
TEST_F(Schema, FitsWhatIsWritten) {
  if (std::system("/usr/bin/python3 -c 'import jsonschema' 2>/dev/null") != 0) {
    GTEST_SKIP() << "python3-jsonschema is not installed";
  }
  ReadingLine reading{.agent = "a",
                      .plugin = "p",
                      .instance = "i",
                      .source = "ceph:1",
                      .metric = "m",
                      .kind = Kind::gauge,
                      .unit = "bytes",
                      .labels = {{"pool", "7"}},
                      .info = {},
                      .epoch = 1,
                      .start = 0,
                      .value = 18'446'744'073'709'551'615U,
                      .time = 1};
  std::string lines = "good " + to_json_line(reading) + "\n";
  reading.start = kDay;
  lines += "good " + to_json_line(reading) + "\n";
  const GapLine gap{.agent = "a",
                    .plugin = "p",
                    .instance = "i",
                    .source = "",
                    .gap = "hang: 5 s",
                    .from = 1,
                    .to = 2};
  lines += "good " + to_json_line(gap) + "\n";
  lines += R"(good {"agent":"a","plugin":"p","source":"s","metric":"m","kind":"counter","unit":"",)"
           R"("value":12,"time":"1970-01-01T00:00:00Z"})"
           "\n";
  lines += "bad {}\n";
  lines += R"(bad {"agent":"a","plugin":"p","source":"s","metric":"m","kind":"counter","unit":"",)"
           R"("value":-1,"time":"1970-01-01T00:00:00Z"})"
           "\n";
  lines += R"(bad {"agent":"a","plugin":"p","source":"s","metric":"m","kind":"counter","unit":"",)"
           R"("value":1,"time":"1970-01-01T00:00:00Z","more":1})"
           "\n";
  lines += R"(bad {"agent":"a","plugin":"p","gap":"hang","from":"yesterday","to":"today"})"
           "\n";
  EXPECT_TRUE(holds(lines));
}

}  // namespace
}  // namespace tallyman::wire
