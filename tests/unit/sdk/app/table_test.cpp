#include "app/table.hpp"

#include <gtest/gtest.h>

namespace tallyman::app {
namespace {

// Given cells of different widths, some not ASCII, then columns align and lines end without blanks.
TEST(Table, aligns_columns) {
  Table table({"PLUGIN", ">BYTES", "WHY"});
  table.row({{"netif"}, {"5"}, {"–"}});
  table.row({{"größe", Colour::bad}, {"12345678"}});
  EXPECT_EQ(table.text(false),
            "PLUGIN     BYTES  WHY\n"
            "netif          5  –\n"
            "größe   12345678\n");
}

// Given colour, then only the text is painted, not its padding.
TEST(Table, paints_texts_only) {
  Table table({"A", "B"});
  table.row({{"x", Colour::good}, {"y"}});
  EXPECT_EQ(table.text(true), "\x1b[2mA\x1b[0m  \x1b[2mB\x1b[0m\n\x1b[32mx\x1b[0m  y\n");
}

// Given quantities at the edges of units, then people read the right unit.
TEST(Table, words_quantities) {
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(~0ULL), "15.9 EiB");
  EXPECT_EQ(human_seconds(0), "0s");
  EXPECT_EQ(human_seconds(59), "59s");
  EXPECT_EQ(human_seconds(3600), "1h");
  EXPECT_EQ(human_seconds(93784), "1d2h");
}

}  // namespace
}  // namespace tallyman::app
