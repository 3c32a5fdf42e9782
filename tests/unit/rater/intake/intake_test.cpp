#include "rater/intake/intake.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "rater/intake/raw_tables.hpp"
#include "stream_maker.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

using testing::incarnation;
using testing::kNoon;
using testing::Made;
using testing::StreamMaker;
using Outcome = Accepted::Outcome;

struct Desk {
  explicit Desk(const std::string& path = ":memory:")
      : clock(kNoon + kHour, kHour),
        ledger(*Ledger::open(path, clock)),
        intake(*Intake::open(*ledger, clock)) {}

  Accepted commit(const StreamMaker& maker, const Bytes& bytes) {
    auto out = intake->commit_batch(maker.agent(), maker.life(), bytes);
    EXPECT_TRUE(out.ok()) << out.error().text();
    return *out;
  }
  std::vector<StoredBatch> stored(std::int64_t stream = 1) {
    auto out = intake->batches_after(stream, 0, 1000);
    EXPECT_TRUE(out.ok()) << out.error().text();
    return *out;
  }

  FakeClock clock;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Intake> intake;
};

// Given batches in order, then they stand in the ledger byte for byte with mark, hash, definitions
// and watermark, and those in the future of the rater's clock raise the watermark only to its now.
TEST(Intake, StoresWhatCame) {
  Desk desk;
  StreamMaker maker;
  std::vector<Made> made;
  for (std::uint64_t i = 0; i < 100; ++i) {
    made.push_back(maker.next(i * 1000));
    const Accepted accepted = desk.commit(maker, made.back().bytes);
    ASSERT_EQ(accepted.outcome, Outcome::applied) << accepted.text;
  }
  const auto streams = *desk.intake->streams();
  ASSERT_EQ(streams.size(), 1U);
  EXPECT_EQ(streams[0].mark, 100U);
  EXPECT_EQ(streams[0].mark_hash, made.back().hash);
  EXPECT_EQ(streams[0].highest_definition, 5U);
  EXPECT_EQ(streams[0].batches, 100U);
  EXPECT_EQ(streams[0].watermark, kNoon + kHour);
  EXPECT_EQ(streams[0].claimed_watermark, kNoon + 99 * kMinute);
  EXPECT_EQ(*desk.intake->definitions(1), testing::definitions());
  EXPECT_EQ(desk.intake->definitions_after(1, 3)->size(), 2U);
  const auto stored = desk.stored();
  ASSERT_EQ(stored.size(), made.size());
  for (std::size_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(stored[i].sequence, made[i].first);
    EXPECT_EQ(stored[i].hash, made[i].hash);
    EXPECT_EQ(stored[i].bytes, made[i].bytes);
    EXPECT_EQ(stored[i].watermark, std::min(kNoon + static_cast<Ns>(i) * kMinute, kNoon + kHour));
  }
  EXPECT_EQ(desk.intake->batches_after(1, 97, 2)->front().sequence, 98U);
  EXPECT_EQ(desk.intake->batches_after(1, 97, 2)->size(), 2U);
  EXPECT_TRUE(desk.intake->batches_after(1, ~0ULL, 2)->empty());
}

// Given batches received over several days, then each day has its table, reading goes over all of
// them, and a day whose table was dropped gives rows without bytes.
TEST(Intake, OneRawTableADay) {
  Desk desk;
  StreamMaker maker;
  for (int day = 0; day < 3; ++day) {
    ASSERT_EQ(desk.commit(maker, maker.next(1).bytes).outcome, Outcome::applied);
    desk.clock.advance(kDay);
  }
  EXPECT_EQ(raw_table(raw_day(kNoon)), "raw_20261122");
  for (const auto& batch : desk.stored()) EXPECT_FALSE(batch.bytes.empty());
  ASSERT_TRUE(desk.ledger->database().run("DROP TABLE raw_20261123").ok());
  const auto stored = desk.stored();
  ASSERT_EQ(stored.size(), 3U);
  EXPECT_FALSE(stored[0].bytes.empty());
  EXPECT_TRUE(stored[1].bytes.empty());
  EXPECT_FALSE(stored[2].bytes.empty());
}

// Given a batch that refers to what was never defined, has another agent's name, other labels than
// its metric, or bytes that are no batch, then it is refused as malformed and nothing of it stays.
TEST(Intake, RefusesWhatCannotBeUnderstood) {
  Desk desk;
  const StreamMaker maker;
  std::vector<wire::Batch> wrong;
  const auto add = [&](std::vector<wire::Entry> entries) {
    wire::Batch batch{maker.head(), {}, {kNoon, 1}};
    for (const auto& definition : testing::definitions()) batch.entries.emplace_back(definition);
    batch.entries.insert(batch.entries.end(), entries.begin(), entries.end());
    wrong.push_back(batch);
  };
  wire::Poll strange = testing::poll(kNoon, 1);
  strange.values.push_back({6, 1, 0});
  add({strange});
  strange = testing::poll(kNoon, 1);
  strange.instance = 2;
  add({strange});
  strange = testing::poll(kNoon, 1);
  strange.ended = {4};
  add({strange});
  add({wire::Gap{1, 9, kNoon, kNoon, wire::Cause::hang, "late"}});
  add({wire::Gap{1, 1, kNoon, kNoon, wire::Cause::hang, "late"}});
  add({wire::Definition{6, wire::SeriesDef{2, 3, {"3", "4"}}}});
  add({wire::Definition{6, wire::SeriesDef{3, 3, {"3"}}}});
  add({wire::Definition{6, wire::EpochDef{7, 1, 0}}});
  add({wire::Definition{6, wire::InfoDef{4, kNoon, {}}}});
  wrong.push_back({maker.head(), {wire::Entry{testing::poll(kNoon, 1)}}, {kNoon, 1}});
  wire::Batch other{maker.head(), {}, {kNoon, 0}};
  other.head.agent = "stor-02";
  wrong.push_back(other);
  for (const wire::Batch& batch : wrong) {
    const Accepted accepted = desk.commit(maker, wire::encode_batch(batch));
    EXPECT_EQ(accepted.outcome, Outcome::refused);
    EXPECT_EQ(accepted.why, wire::Refusal::malformed) << accepted.text;
    EXPECT_FALSE(accepted.text.empty());
  }
  EXPECT_EQ(desk.commit(maker, {1, 2, 3}).why, wire::Refusal::malformed);
  EXPECT_TRUE(desk.stored().empty());
  EXPECT_TRUE(desk.intake->definitions(1)->empty());
  EXPECT_EQ(desk.intake->stream(1)->mark, 0U);
  StreamMaker good;
  EXPECT_EQ(desk.commit(good, good.next(1).bytes).outcome, Outcome::applied);
}

// Given definitions sent beside the chain, then batches may refer to them, sending them again
// changes nothing, other content under a held number is a divergence, and the highest number told
// has none missing below it.
TEST(Intake, DefinitionsBesideTheChain) {
  Desk desk;
  StreamMaker maker;
  ASSERT_EQ(desk.intake->open_stream(maker.agent(), maker.life())->id, 1);
  const auto all = testing::definitions();
  EXPECT_EQ(desk.intake->accept_definitions(1, {all[0], all[1]})->outcome, Outcome::applied);
  EXPECT_EQ(desk.intake->accept_definitions(1, {all[0]})->outcome, Outcome::repeat);
  EXPECT_EQ(desk.intake->stream(1)->highest_definition, 2U);
  wire::Definition far = all[2];
  far.number = 9;
  EXPECT_EQ(desk.intake->accept_definitions(1, {far})->outcome, Outcome::applied);
  EXPECT_EQ(desk.intake->stream(1)->highest_definition, 2U);
  wire::Definition other = all[1];
  std::get<wire::SourceDef>(other.body).id = "host:stor-02";
  const auto diverged = *desk.intake->accept_definitions(1, {other});
  EXPECT_EQ(diverged.outcome, Outcome::refused);
  EXPECT_EQ(diverged.why, wire::Refusal::diverged);
  EXPECT_EQ(desk.commit(maker, maker.next(1).bytes).outcome, Outcome::applied);
  EXPECT_EQ(desk.intake->stream(1)->highest_definition, 5U);
  EXPECT_EQ(desk.intake->definitions(1)->size(), 6U);
}

// Given a transaction that is dropped before its commit, as when the rater is killed, then a ledger
// opened again holds what was committed and takes the same batch as new.
TEST(Intake, UncommittedIsNotHeld) {
  const testing::TempFolder folder;
  StreamMaker maker;
  const Made first = maker.next(1), second = maker.next(2);
  {
    Desk desk(folder.file("ledger.db"));
    ASSERT_EQ(desk.commit(maker, first.bytes).outcome, Outcome::applied);
    const Transaction transaction(desk.ledger->database());
    ASSERT_EQ(desk.intake->accept_batch(1, second.bytes)->outcome, Outcome::applied);
  }
  Desk desk(folder.file("ledger.db"));
  EXPECT_EQ(desk.intake->stream(1)->mark, 1U);
  EXPECT_EQ(desk.stored().size(), 1U);
  EXPECT_EQ(desk.commit(maker, second.bytes).outcome, Outcome::applied);
  EXPECT_EQ(desk.commit(maker, second.bytes).outcome, Outcome::repeat);
}

// Given tokens, then they are kept per agent with all 62 bits.
TEST(Intake, KeepsFences) {
  Desk desk;
  EXPECT_FALSE(desk.intake->fence("a")->has_value());
  ASSERT_TRUE(desk.intake->put_fence("a", {kMaxNumber, 3}).ok());
  ASSERT_TRUE(desk.intake->put_fence("a", {kMaxNumber + 1, 4}).ok());
  ASSERT_TRUE(desk.intake->put_fence("b", {1, 0}).ok());
  EXPECT_EQ((*desk.intake->fence("a"))->issued, kMaxNumber + 1);
  EXPECT_EQ((*desk.intake->fence("a"))->used, 4U);
}

/// What the ledger must hold, told without a ledger: the chain hash under each number it knows.
struct Model {
  std::uint64_t mark = 0;
  Hash mark_hash = kNoHash;
  std::map<std::uint64_t, Hash> known;
  std::vector<Bytes> applied;

  std::string expect(const Made& made, const Hash& previous) {
    if (made.last <= mark) {
      const auto it = known.find(made.last);
      return it == known.end() || it->second == made.hash ? "repeat" : "diverged";
    }
    if (made.first > mark + 1) return "out_of_order";
    const auto before = made.first == 1 ? std::pair(true, kNoHash)
                        : known.contains(made.first - 1)
                            ? std::pair(true, known[made.first - 1])
                            : std::pair(made.first == mark + 1, mark_hash);
    if (before.first && before.second != previous) return "diverged";
    mark = made.last;
    mark_hash = known[mark] = made.hash;
    applied.push_back(made.bytes);
    return "applied";
  }
};

std::string told(const Accepted& accepted) {
  if (accepted.outcome == Outcome::applied) return "applied";
  if (accepted.outcome == Outcome::repeat) return "repeat";
  return wire::refusal_name(accepted.why);
}

// Given random sequences of batches and ranges, sent in order, again, out of order, and from a
// second history of the same incarnation, then each is answered as a plain model says, and the
// ledger's content is the model's, batch for batch.
TEST(Intake, RandomHistoriesEqualTheModel) {
  std::map<std::string, int> tally;
  for (unsigned seed = 1; seed <= 30; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](std::size_t n) { return random() % static_cast<std::uint32_t>(n); };
    Desk desk;
    std::map<Hash, Hash> previous;  // of each batch by the hash of its bytes
    std::vector<Made> pool;
    for (std::uint64_t history = 0; history < 2; ++history) {
      StreamMaker maker;
      for (int i = 0; i < 20; ++i) {
        const Hash before = maker.hash();
        // The histories share their first batches and then part.
        const std::uint64_t value = i < 5 ? 7 : history * 100 + static_cast<std::uint64_t>(i);
        StreamMaker fork = maker;
        pool.push_back(i == 12 ? maker.range(3) : maker.next(value));
        previous[wire::batch_hash(pool.back().bytes)] = before;
        if (i == 8) {  // a range as well, over what may be held in part
          pool.push_back(fork.range(4));
          previous[wire::batch_hash(pool.back().bytes)] = before;
        }
      }
    }
    Model model;
    std::size_t at = 0;
    for (int step = 0; step < 120; ++step) {
      const Made& made = below(3) == 0 ? pool[below(pool.size())] : pool[at];
      if (below(4) != 0) at = (at + 1) % pool.size();
      const std::string expected = model.expect(made, previous[wire::batch_hash(made.bytes)]);
      const auto accepted = desk.intake->commit_batch("stor-01", incarnation(1), made.bytes);
      ASSERT_TRUE(accepted.ok()) << accepted.error().text();
      ++tally[expected];
      ASSERT_EQ(told(*accepted), expected)
          << "seed " << seed << " step " << step << " batch " << made.first << "-" << made.last
          << ": " << accepted->text;
    }
    const auto stream = *desk.intake->stream(1);
    EXPECT_EQ(stream.mark, model.mark);
    EXPECT_EQ(stream.mark_hash, model.mark_hash);
    const auto stored = desk.stored();
    ASSERT_EQ(stored.size(), model.applied.size());
    std::uint64_t next = 1;
    for (std::size_t i = 0; i < stored.size(); ++i) {
      EXPECT_EQ(stored[i].bytes, model.applied[i]);
      EXPECT_EQ(stored[i].sequence, next);
      next = stored[i].last + 1;
    }
  }
  for (const char* outcome : {"applied", "repeat", "diverged", "out_of_order"}) {
    EXPECT_GT(tally[outcome], 50) << outcome << " is hardly tried";
  }
}

}  // namespace
}  // namespace tallyman::rater
