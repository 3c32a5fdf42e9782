#include "app/config.hpp"

#include <gtest/gtest.h>

#include "app/config_text.hpp"

namespace tallyman::app {
namespace {

struct Parsed {
  ConfigErrors errors;
  ConfigFile file;
  explicit Parsed(std::string_view text) : file(ConfigFile::parse(text, "t.toml", errors)) {}
};

// Given a table with every type, then each getter gives its value and nothing is complained of.
TEST(Config, reads_every_type) {
  Parsed p(R"(
name = "stor-01"
on = true
count = 7
every = "1m30s"
limit = "64KiB"
plain = 512
list = ["a", "b"]
when = 2026-11-22T15:05:00+01:00
price = "0.0215"
whole = 3
[inner]
key = "v"
[[many]]
id = "x"
[[many]]
id = "y"
)");
  auto root = p.file.root();
  EXPECT_EQ(root.required_text("name"), "stor-01");
  EXPECT_TRUE(root.boolean("on", false));
  EXPECT_EQ(root.integer("count", 0, 1, 9), 7);
  EXPECT_EQ(root.duration("every", 0, 0, kHour), 90 * kSecond);
  EXPECT_EQ(root.size("limit", 0, 1, 1U << 20U), 65536U);
  EXPECT_EQ(root.size("plain", 0, 1, 1U << 20U), 512U);
  EXPECT_EQ(root.texts("list"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(root.instant("when"), 1795359900 * kSecond - kHour);
  EXPECT_EQ(root.decimal("price"), "0.0215");
  EXPECT_EQ(root.decimal("whole"), "3");
  EXPECT_EQ(root.table("inner").text("key", ""), "v");
  const auto many = root.tables("many");
  ASSERT_EQ(many.size(), 2U);
  for (auto table : many) EXPECT_FALSE(table.required_text("id").empty());
  root.finish();
  EXPECT_EQ(p.errors.text(), "");
}

// Given a file with several mistakes, then all of them come out, in order, with their positions.
TEST(Config, tells_every_error_with_its_position) {
  Parsed p("interval = 10\nintervall = \"5s\"\ncount = 70\n[inner]\nbogus = 1\n");
  auto root = p.file.root();
  EXPECT_EQ(root.duration("interval", kSecond, kSecond, kMinute), kSecond);
  EXPECT_EQ(root.integer("count", 5, 1, 9), 5);
  root.table("inner").text("key", "");
  root.required_text("name");
  root.finish();
  EXPECT_EQ(p.errors.text(),
            "t.toml:1:1: `name` is missing, expected `name` = \"…\"\n"
            "t.toml:1:12: `interval` is an integer, expected a duration from \"1s\" to \"1m\"\n"
            "t.toml:2:1: unknown key `intervall`, expected `interval`\n"
            "t.toml:3:9: `count` is 70, expected an integer from 1 to 9\n"
            "t.toml:5:1: unknown key `bogus`, expected one of key\n");
}

// Given text that is not TOML, then the error names line and column and an empty root is left.
TEST(Config, tells_where_the_toml_breaks) {
  Parsed p("a = 1\nb = = 2\n");
  ASSERT_EQ(p.errors.sorted().size(), 1U);
  EXPECT_EQ(p.errors.sorted()[0].line, 2U);
  EXPECT_FALSE(p.file.root().has("a"));
}

// Given a file that is not there, then the error says so without a position.
TEST(Config, tells_of_an_absent_file) {
  ConfigErrors errors;
  const auto file = ConfigFile::load("/nonexistent/a.toml", errors);
  EXPECT_EQ(errors.text(),
            "/nonexistent/a.toml: cannot read: No such file or directory, expected a readable TOML "
            "file\n");
}

// Given plugin options, then tables become dotted keys and arrays several values.
TEST(Config, flattens_options) {
  Parsed p("[options]\nexclude = [\"lo\", \"docker*\"]\nlimit = 5\n[options.rgw]\nurl = \"x\"\n");
  auto options = p.file.root().table("options").flatten();
  ASSERT_EQ(options.size(), 3U);
  EXPECT_EQ(options[0].key, "exclude");
  EXPECT_EQ(options[0].values, (std::vector<std::string>{"lo", "docker*"}));
  EXPECT_EQ(options[1].values, (std::vector<std::string>{"5"}));
  EXPECT_EQ(options[2].key, "rgw.url");
  EXPECT_EQ(options[2].line, 5U);
}

// Given money as a float, then it is refused: a double is not exact.
TEST(Config, refuses_a_float_where_money_stands) {
  Parsed p("price = 0.1\n");
  EXPECT_FALSE(p.file.root().decimal("price"));
  EXPECT_FALSE(p.errors.empty());
}

// Given texts that are no sizes or decimals, then none is taken; given those at the edge, all are.
TEST(Config, knows_sizes_and_decimals) {
  EXPECT_EQ(size_from_text("16777215TiB"), 16777215ULL << 40U);
  for (const char* bad :
       {"", "KiB", "1.5GiB", "-1", "16777216TiB", "99999999999999999999", "1kib"}) {
    EXPECT_FALSE(size_from_text(bad)) << bad;
  }
  for (const char* good : {"0", "0.02", "10", "123456789012345678901234567890123456"}) {
    EXPECT_TRUE(is_decimal(good)) << good;
  }
  for (const char* bad : {"", ".", ".5", "5.", "1.2.3", "-1", "1e3"}) {
    EXPECT_FALSE(is_decimal(bad)) << bad;
  }
}

}  // namespace
}  // namespace tallyman::app
