// The one JSON shape: exact values both ways, and one clear error for what is not it.

#include "wire/reading_json.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "base/time_text.hpp"
#include "sample.hpp"

namespace tallyman::wire {
namespace {

using Line = std::variant<ReadingLine, GapLine>;

ReadingLine example() {
  return {.agent = "stor-01",
          .plugin = "netif",
          .instance = "netif",
          .source = "host:stor-01",
          .metric = "netif_transmit_bytes_total",
          .scope = Scope::host,
          .kind = Kind::counter,
          .unit = "bytes",
          .labels = {{"ifindex", "3"}},
          .info = {{"interface", "eth0"}},
          .epoch = 18'340'000'000'000'000'001U,
          .start = *from_rfc3339("2026-11-20T08:00:00Z"),
          .value = std::numeric_limits<std::uint64_t>::max(),
          .time = *from_rfc3339("2026-11-22T15:05:00Z")};
}

/// A valid line whose `value` stands as written here.
std::string with_value(const std::string& json) {
  return R"({"agent":"a","plugin":"p","source":"ceph:1","metric":"m","kind":"gauge","unit":"bytes",)"
         R"("value":)" +
         json + R"(,"time":"2026-11-22T15:05:00.5+01:00"})";
}

std::string error_of(const std::string& line) {
  const Result<Line> read = parse_reading_line(line);
  return read.ok() ? "no error" : read.error().text();
}

// Given the reading of the documentation, then its line is the documented one, byte for byte.
TEST(ReadingJson, WritesTheDocumentedShape) {
  EXPECT_EQ(
      to_json_line(example()),
      R"({"agent":"stor-01","plugin":"netif","instance":"netif","source":"host:stor-01",)"
      R"("metric":"netif_transmit_bytes_total","kind":"counter","unit":"bytes",)"
      R"("labels":{"ifindex":"3"},"info":{"interface":"eth0"},"epoch":"18340000000000000001",)"
      R"("start":"2026-11-20T08:00:00Z","value":"18446744073709551615",)"
      R"("time":"2026-11-22T15:05:00.000000000Z"})");
}

// Given any reading or gap, then its line reads back to an equal one.
TEST(ReadingJson, RandomLinesComeBack) {
  sample::Sample sample(5);
  for (int i = 0; i < 2000; ++i) {
    ReadingLine reading = example();
    reading.epoch = sample.number();
    reading.value = sample.number();
    reading.start = sample.time() % (kMaxTime / 2);
    reading.time = sample.time() % (kMaxTime / 2);
    reading.labels = {{sample.text(256), "quote \" backslash \\ newline \n ü €"}};
    reading.kind = sample.one_in(2) ? Kind::gauge : Kind::counter;
    reading.source = sample.one_in(2) ? "host:x" : "ceph:x";
    reading.scope = reading.source == "host:x" ? Scope::host : Scope::shared;
    const std::string line = to_json_line(reading);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const Result<Line> read = parse_reading_line(line);
    ASSERT_TRUE(read.ok()) << read.error().text() << "\n" << line;
    EXPECT_EQ(std::get<ReadingLine>(*read), reading);

    const GapLine gap{.agent = "a",
                      .plugin = "p",
                      .instance = "p-1",
                      .source = sample.one_in(2) ? "" : "ceph:1",
                      .gap = "hang: poll over its deadline of 5 s",
                      .from = reading.time,
                      .to = reading.time + kMinute};
    const Result<Line> gap_read = parse_reading_line(to_json_line(gap));
    ASSERT_TRUE(gap_read.ok()) << gap_read.error().text();
    EXPECT_EQ(std::get<GapLine>(*gap_read), gap);
  }
}

// Given values as strings or numbers, then each is read exactly or refused, never rounded.
TEST(ReadingJson, NumbersAreExactOrRefused) {
  const auto value_of = [](const std::string& json) {
    const Result<Line> read = parse_reading_line(with_value(json));
    EXPECT_TRUE(read.ok()) << json << ": " << (read.ok() ? "" : read.error().text());
    return read.ok() ? std::get<ReadingLine>(*read).value : 0;
  };
  EXPECT_EQ(value_of("0"), 0U);
  EXPECT_EQ(value_of("\"0\""), 0U);
  EXPECT_EQ(value_of("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(value_of("\"18446744073709551615\""), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(value_of("9007199254740993"), 9'007'199'254'740'993U);
  EXPECT_EQ(value_of("1e3"), 1000U);
  for (const char* wrong :
       {"18446744073709551616", "\"18446744073709551616\"", "-1", "\"-1\"", "1.5", "\"1.5\"",
        "\"\"", "\" 1\"", "\"1 \"", "\"+1\"", "\"0x10\"", "null", "true", "[1]", "{}", "1e300",
        "1e400", "9007199254740993.0", "-0.5"}) {
    EXPECT_FALSE(parse_reading_line(with_value(wrong)).ok()) << wrong;
  }
}

// Given what may be left out, then it has the documented meaning.
TEST(ReadingJson, DefaultsOfWhatIsLeftOut) {
  const Result<Line> read = parse_reading_line(with_value("7") + "\n");
  ASSERT_TRUE(read.ok()) << read.error().text();
  const auto& reading = std::get<ReadingLine>(*read);
  EXPECT_EQ(reading.instance, "p");
  EXPECT_EQ(reading.scope, Scope::shared);
  EXPECT_EQ(reading.kind, Kind::gauge);
  EXPECT_EQ(reading.epoch, 0U);
  EXPECT_EQ(reading.start, 0);
  EXPECT_EQ(to_rfc3339(reading.time), "2026-11-22T14:05:00.500000000Z");
}

// Given a wrong line, then the error says what, and at which column.
TEST(ReadingJson, ErrorsNameTheColumn) {
  EXPECT_EQ(error_of("{\"agent\":1}"), "column 2: \"agent\" is not a string");
  EXPECT_EQ(error_of("{}"), "column 1: \"agent\" is missing");
  EXPECT_EQ(error_of("[]"), "column 1: not a JSON object");
  EXPECT_EQ(error_of("{\"agent\" \"a\"}"), "column 12: not JSON; expected one JSON object a line");
  EXPECT_NE(error_of("").find("not JSON"), std::string::npos);
  EXPECT_NE(error_of("{} {}").find("not JSON"), std::string::npos);
  const std::string unknown = R"({"agent":"a","vlaue":1,)" + with_value("1").substr(13);
  EXPECT_EQ(error_of(unknown), "column 14: \"vlaue\" is not known here");
  const std::string twice = R"({"agent":"a",)" + with_value("1").substr(1);
  EXPECT_NE(error_of(twice).find("\"agent\" stands in it twice"), std::string::npos);
  EXPECT_NE(error_of(R"({"agent":{"a":{"b":{}}}})").find("nested"), std::string::npos);
  EXPECT_NE(error_of(std::string(100'000, '[')).find("column"), std::string::npos);
  EXPECT_NE(error_of(std::string(300'000, ' ')).find("256 KiB"), std::string::npos);
}

// Given a gap that ends before it begins, then it is refused at its `to`.
TEST(ReadingJson, GapsRunForward) {
  EXPECT_EQ(error_of(R"({"agent":"a","plugin":"p","gap":"crash","from":"2026-11-22T15:05:00Z",)"
                     R"("to":"2026-11-22T15:04:59Z"})"),
            "column 71: \"to\" is before \"from\"");
}

// Given label values that are no UTF-8, then the line is valid JSON all the same.
TEST(ReadingJson, ForeignBytesDoNotBreakALine) {
  ReadingLine reading = example();
  reading.info["alias"] = "a\xff\xfe";
  const Result<Line> read = parse_reading_line(to_json_line(reading));
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(std::get<ReadingLine>(*read).info.at("alias"), "a\xef\xbf\xbd\xef\xbf\xbd");
}

// Given lines cut or changed anywhere, then reading them ends with a line or an error.
TEST(ReadingJson, DamagedLinesAreContained) {
  sample::Sample sample(9);
  const std::string line = to_json_line(example());
  for (std::size_t size = 0; size < line.size(); ++size) {
    EXPECT_FALSE(parse_reading_line(std::string_view(line).substr(0, size)).ok());
  }
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = line;
    damaged[sample.below(damaged.size())] = static_cast<char>(sample.below(256));
    const Result<Line> read = parse_reading_line(damaged);
    if (!read.ok()) {
      EXPECT_EQ(read.error().where.substr(0, 7), "column ");
    }
  }
}

}  // namespace
}  // namespace tallyman::wire
