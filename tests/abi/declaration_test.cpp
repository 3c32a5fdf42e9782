// A plugin's table is checked in full before anything of it is used.
#include "agent/host/declaration.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "agent/host/options.hpp"

namespace tallyman::host {
namespace {

const char* const kGood[] = {"id", nullptr};
const char* const kTwice[] = {"id", "id", nullptr};
const char* const kBadName[] = {"a-b", nullptr};

/// A good table, with parts that a test spoils.
struct Table {
  tm_metric metrics[2] = {{"a_total", "bytes", "A", TM_COUNTER, 0, 0, kGood, nullptr},
                          {"b", "bytes", "B", TM_GAUGE, 0, 0, nullptr, kGood}};
  tm_option options[2] = {{"path", "/", "A path"}, {"url", nullptr, "Where"}};
  tm_needs needs = {sizeof(tm_needs), 0, nullptr, nullptr, nullptr};
  tm_plugin_v1 table = {};

  Table() {
    table.size = sizeof table;
    table.name = "good";
    table.version = "1";
    table.metrics = metrics;
    table.n_metrics = 2;
    table.metric_size = sizeof(tm_metric);
    table.options = options;
    table.n_options = 2;
    table.option_size = sizeof(tm_option);
    table.needs = &needs;
    table.create = [](const tm_host_v1*, void**) { return tm_status{TM_OK}; };
    table.poll = [](void*, const tm_poll*) { return tm_status{TM_OK}; };
    table.destroy = [](void*) {};
  }
  Table(const Table&) = delete;
};

// Given a table without a fault, then it is taken as it is.
TEST(Declaration, TakesAGoodTable) {
  const Table good;
  const auto plugin = read_declaration(good.table);
  ASSERT_TRUE(plugin.ok()) << plugin.error().text();
  EXPECT_EQ(plugin->described.metrics.size(), 2U);
  EXPECT_EQ(plugin->described.metrics[0].identity, wire::LabelValues{"id"});
  EXPECT_EQ(plugin->described.options[0].fallback, "/");
}

// Given a table with one fault, then the error says which.
TEST(Declaration, NamesTheFault) {
  static const std::string long_text(5000, 'x');
  static const char* const bad_paths[] = {"relative", nullptr};
  static const char* const unknown_paths[] = {"+@nothing", nullptr};
  static const std::vector<const char*> endless(200, "CAP_X");
  const std::vector<std::pair<const char*, std::function<void(Table&)>>> cases = {
      {"its table has size 8", [](Table& t) { t.table.size = 8; }},
      {"its table has size 4294967295", [](Table& t) { t.table.size = UINT32_MAX; }},
      {"the plugin's name is NULL", [](Table& t) { t.table.name = nullptr; }},
      {"its name is \"Good\"", [](Table& t) { t.table.name = "Good"; }},
      {"its name is \"../x\"", [](Table& t) { t.table.name = "../x"; }},
      {"the plugin's name is over 64", [](Table& t) { t.table.name = long_text.c_str(); }},
      {"version is empty", [](Table& t) { t.table.version = ""; }},
      {"create is NULL", [](Table& t) { t.table.create = nullptr; }},
      {"poll is NULL", [](Table& t) { t.table.poll = nullptr; }},
      {"destroy is NULL", [](Table& t) { t.table.destroy = nullptr; }},
      {"save or restore is NULL", [](Table& t) { t.table.state_version = 1; }},
      {"declares no metric", [](Table& t) { t.table.n_metrics = 0; }},
      {"2 metrics at NULL", [](Table& t) { t.table.metrics = nullptr; }},
      {"4000000000 metrics", [](Table& t) { t.table.n_metrics = 4'000'000'000; }},
      {"one of its metrics is given as 0", [](Table& t) { t.table.metric_size = 0; }},
      {"one of its metrics is given as 57", [](Table& t) { t.table.metric_size = 57; }},
      {"the name of metric 1 is NULL", [](Table& t) { t.metrics[1].name = nullptr; }},
      {"metric 1 is named \"1b\"", [](Table& t) { t.metrics[1].name = "1b"; }},
      {"metric 1 is named \"\"", [](Table& t) { t.metrics[1].name = ""; }},
      {"a_total is declared twice", [](Table& t) { t.metrics[1].name = "a_total"; }},
      {"the unit of a_total is empty", [](Table& t) { t.metrics[0].unit = ""; }},
      {"the help of a_total is NULL", [](Table& t) { t.metrics[0].help = nullptr; }},
      {"the help of a_total is over", [](Table& t) { t.metrics[0].help = long_text.c_str(); }},
      {"the help of a_total is not UTF-8", [](Table& t) { t.metrics[0].help = "two\nlines"; }},
      {"the kind of b is 3", [](Table& t) { t.metrics[1].kind = 3; }},
      {"the resolution of b", [](Table& t) { t.metrics[1].resolution_ns = UINT64_MAX; }},
      {"\"id\" stands there twice", [](Table& t) { t.metrics[0].identity = kTwice; }},
      {"\"id\" stands there twice", [](Table& t) { t.metrics[0].info = kGood; }},
      {"\"a-b\" is no name", [](Table& t) { t.metrics[0].info = kBadName; }},
      {"2 options at NULL", [](Table& t) { t.table.options = nullptr; }},
      {"one of its options is given as 8", [](Table& t) { t.table.option_size = 8; }},
      {"has the key \"A\"", [](Table& t) { t.options[0].key = "A"; }},
      {"the option url is declared twice", [](Table& t) { t.options[0].key = "url"; }},
      {"the help of option url is NULL", [](Table& t) { t.options[1].help = nullptr; }},
      {"its needs have size 3", [](Table& t) { t.needs.size = 3; }},
      {"needs.network is 2", [](Table& t) { t.needs.network = 2; }},
      {"\"relative\", expected an absolute path", [](Table& t) { t.needs.paths = bad_paths; }},
      {"\"@nothing\", expected an absolute", [](Table& t) { t.needs.paths = unknown_paths; }},
      {"more than 64 capabilities", [](Table& t) { t.needs.capabilities = endless.data(); }},
  };
  for (const auto& [words, spoil] : cases) {
    Table table;
    spoil(table);
    const auto plugin = read_declaration(table.table);
    ASSERT_FALSE(plugin.ok()) << words;
    EXPECT_NE(plugin.error().text().find(words), std::string::npos) << plugin.error().text();
  }
}

// Given the most metrics a plugin may have, each with the longest help, then the declaration is
// refused in words, not sent in a frame that the agent would refuse.
TEST(Declaration, RefusesOneOverAFrame) {
  const std::string help(1024, 'h');
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("metric_" + std::to_string(i));
  std::vector<tm_metric> metrics;
  for (const std::string& name : names) {
    metrics.push_back({name.c_str(), "bytes", help.c_str(), TM_GAUGE, 0, 0, nullptr, nullptr});
  }
  Table table;
  table.table.metrics = metrics.data();
  table.table.n_metrics = 1000;
  const auto plugin = read_declaration(table.table);
  ASSERT_FALSE(plugin.ok());
  EXPECT_NE(plugin.error().what.find("its declaration is over"), std::string::npos);
}

// Given options with and without values, then what is declared is there with its fallback, lists
// keep their order, and every fault is named at once.
TEST(Options, ResolvesAgainstTheDeclaration) {
  const std::vector<OptionDef> declared = {
      {"must", std::nullopt, "needed"}, {"with", "x", "h"}, {"without", "", "h"}};
  const auto good = resolve_options(declared, {{"must", {"1", "2"}}});
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, (OptionValues{{"must", {"1", "2"}}, {"with", {"x"}}, {"without", {}}}));
  const auto bad = resolve_options(declared, {{"with", {"a"}}, {"with", {"b"}}, {"wiht", {}}});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().text(),
            "option \"with\" is given twice; unknown option \"wiht\"; missing option \"must\" "
            "(needed); known are: must, with, without");
}

}  // namespace
}  // namespace tallyman::host
