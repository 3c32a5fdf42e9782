#include "agent/spool/dictionary.hpp"

#include <gtest/gtest.h>

namespace tallyman::agent {
namespace {

// Given the same content twice, then one number; given other content, then another.
TEST(Dictionary, ByContent) {
  DefinitionMap map;
  const auto source = map.intern(wire::SourceDef{wire::Scope::host, "host:a"});
  const auto metric = map.intern(
      wire::MetricDef{"x_total", "bytes", "", wire::Kind::counter, 0, {"ifindex"}, {"name"}});
  EXPECT_EQ(source, 1U);
  EXPECT_EQ(map.intern(wire::SourceDef{wire::Scope::host, "host:a"}), source);
  EXPECT_NE(map.intern(wire::SourceDef{wire::Scope::shared, "host:a"}), source);
  const auto series = map.intern(wire::SeriesDef{source, metric, {"3"}});
  EXPECT_EQ(map.intern(wire::SeriesDef{source, metric, {"3"}}), series);
  EXPECT_NE(map.intern(wire::EpochDef{series, 1, 0}), map.intern(wire::EpochDef{series, 2, 0}));
  EXPECT_EQ(map.from(series).front().number, series);
}

// Given a reference to nothing, then no number.
TEST(Dictionary, RefusesUndefined) {
  DefinitionMap map;
  EXPECT_EQ(map.intern(wire::EpochDef{7, 1, 0}), 0U);
  EXPECT_EQ(map.highest(), 0U);
}

// Given info labels that change and change back, then each change is a definition, and the last one
// is known.
TEST(Dictionary, Info) {
  DefinitionMap map;
  const auto source = map.intern(wire::SourceDef{wire::Scope::host, "host:a"});
  const auto metric =
      map.intern(wire::MetricDef{"x_total", "bytes", "", wire::Kind::counter, 0, {}, {"name"}});
  const auto series = map.intern(wire::SeriesDef{source, metric, {}});
  EXPECT_EQ(map.info_of(series), nullptr);
  map.info(series, 10, {"eth0"});
  map.info(series, 20, {"eth0"});
  EXPECT_EQ(map.highest(), 4U);
  map.info(series, 30, {"eth1"});
  map.info(series, 40, {"eth0"});
  EXPECT_EQ(map.highest(), 6U);
  EXPECT_EQ(*map.info_of(series), wire::LabelValues{"eth0"});
}

// Given what was committed and what was skipped, then only later ones are fresh, and skipped
// numbers stay unused.
TEST(Dictionary, FreshAndSkipped) {
  DefinitionMap map;
  (void)map.intern(wire::SourceDef{wire::Scope::host, "a"});
  map.skip(100);
  map.commit(map.highest());
  EXPECT_TRUE(map.fresh().empty());
  EXPECT_EQ(map.intern(wire::SourceDef{wire::Scope::host, "b"}), 101U);
  ASSERT_EQ(map.fresh().size(), 1U);
  DefinitionMap again;
  for (const auto& definition : map.from(1)) again.load(definition);
  EXPECT_EQ(again.from(1), map.from(1));
  EXPECT_EQ(again.intern(wire::SourceDef{wire::Scope::host, "a"}), 1U);
}

// Given definitions of many sizes, then they are cut in order into runs that keep to the limit, but
// for a definition that is larger by itself.
TEST(Dictionary, CutByBytes) {
  DefinitionMap map;
  for (std::size_t i = 0; i < 200; ++i)
    (void)map.intern(
        wire::SourceDef{wire::Scope::host, std::string(1 + i % 97, 'x') + std::to_string(i)});
  const auto all = map.from(1);
  for (const std::size_t limit : {1U, 50U, 300U, 1U << 20U}) {
    std::vector<wire::Definition> joined;
    for (const auto& run : cut_definitions(all, limit)) {
      ASSERT_FALSE(run.empty());
      std::size_t size = 0;
      for (const auto& entry : run) {
        joined.push_back(std::get<wire::Definition>(entry));
        size += wire::encode_definition(joined.back()).size();
      }
      EXPECT_TRUE(run.size() == 1 || size <= limit);
    }
    EXPECT_EQ(joined, all);
  }
  EXPECT_TRUE(cut_definitions({}).empty());
}

}  // namespace
}  // namespace tallyman::agent
