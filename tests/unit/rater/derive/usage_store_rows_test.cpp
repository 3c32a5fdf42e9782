#include "rater/derive/usage_store_rows.hpp"

#include <gtest/gtest.h>

namespace tallyman::rater {
namespace {

// Given any view key, when encoded, then it decodes to itself; other bytes are an error.
TEST(UsageStoreRows, ViewKeysRoundTrip) {
  ViewKey key;
  key.series = {"shared:\0x", wire::Scope::shared, "m",
                "bytes",      wire::Kind::gauge,   {{"a", ""}, {"b", "\xff|,"}}};
  key.agent = "h";
  key.instance = "i";
  const Bytes bytes = encode_view_key(key);
  EXPECT_EQ(*decode_view_key(bytes), key);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(decode_view_key(ByteView(bytes).first(n)).ok());
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_view_key(longer).ok());
}

}  // namespace
}  // namespace tallyman::rater
