// Handles for what plugins emit, and the hash that epochs are made of.
#include "agent/host/series_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <tallyman/epoch.hpp>
#include <tuple>

namespace tallyman::host {
namespace {

/// What a key says, as a value: the model that the table is held against.
using Content =
    std::tuple<std::uint32_t, std::uint32_t, std::uint64_t, Ns, std::string, std::string>;

struct Model {
  Handle handle = 0;
  std::uint64_t used = 0;
};

// Given random emissions over many polls, some failed, then equal content has one handle, different
// content different ones, handles ascend, and exactly those not used in a good poll are forgotten.
TEST(SeriesTable, AgreesWithAMap) {
  std::mt19937_64 random(7);
  SeriesTable table;
  std::map<Content, Model> model;
  Handle highest = 0;
  for (std::uint64_t poll = 1; poll <= 300; ++poll) {
    const std::size_t emissions = random() % 400;
    for (std::size_t i = 0; i < emissions; ++i) {
      // Few values, so that content recurs; labels that would run together if joined carelessly.
      static const char* const kTexts[] = {"", "a", "ab", "b", "ba", "a_longer_label_0123456789"};
      const char* identity[] = {kTexts[random() % 6]};
      const char* info[] = {kTexts[random() % 6]};
      const SeriesKey key{static_cast<std::uint32_t>(random() % 3),
                          static_cast<std::uint32_t>(random() % 2),
                          random() % 3,
                          static_cast<Ns>(random() % 2),
                          identity,
                          info};
      Model& expected = model[{key.metric, key.source, key.epoch, key.start, identity[0], info[0]}];
      SeriesTable::Entry* entry = table.find(key);
      ASSERT_EQ(entry != nullptr, expected.handle != 0);
      if (entry == nullptr) {
        entry = &table.add(key);
        ASSERT_GT(entry->handle, highest);
        highest = expected.handle = entry->handle;
      }
      ASSERT_EQ(entry->handle, expected.handle);
      entry->used = expected.used = poll;
    }
    if (random() % 4 == 0) continue;
    const std::size_t most = random() % 2 == 0 ? 10 : 100'000;
    const std::vector<Handle> forgotten = table.forget_unused(poll, most);
    EXPECT_TRUE(std::is_sorted(forgotten.begin(), forgotten.end()));
    std::size_t unused = 0;
    for (auto it = model.begin(); it != model.end();) {
      const bool gone = std::binary_search(forgotten.begin(), forgotten.end(), it->second.handle);
      unused += it->second.used != poll ? 1 : 0;
      EXPECT_TRUE(!gone || it->second.used != poll);
      it = gone ? model.erase(it) : std::next(it);
    }
    EXPECT_EQ(forgotten.size(), std::min(unused, most));
    EXPECT_EQ(table.size(), model.size());
  }
}

// Given known parts, then epoch gives these numbers for ever: plugins' counters hang on them.
TEST(Epoch, IsPinned) {
  using plugin::epoch;
  static_assert(epoch("boot", 3) == epoch(std::string_view("boot"), 3ULL));
  EXPECT_EQ(epoch(), 0xefd01f60ba992926ULL);
  EXPECT_EQ(epoch("a"), 0xdea13a43162696b9ULL);
  EXPECT_EQ(epoch("a", "b"), 0x8fdf27bff1143c00ULL);
  EXPECT_EQ(epoch(std::uint8_t{7}), 0x2212b5982a9d27bdULL);
  EXPECT_EQ(epoch(-1), 0x7400b8e6d6dd7890ULL);
  EXPECT_EQ(epoch("boot-id", 4026531840U, 3, std::string("eth0")), 0x113e4dd0ba9fa924ULL);
  EXPECT_NE(epoch("ab"), epoch("a", "b"));
  EXPECT_NE(epoch("a", ""), epoch("", "a"));
}

}  // namespace
}  // namespace tallyman::host
