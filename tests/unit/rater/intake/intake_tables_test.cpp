#include "rater/intake/intake_tables.hpp"

#include <gtest/gtest.h>

#include <random>

#include "rater/intake/intake.hpp"
#include "rater/intake/raw_tables.hpp"
#include "stream_maker.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;
using testing::StreamMaker;

/// The intake's tables as the first version had them.
constexpr const char* kFirstVersion =
    "CREATE TABLE agent(name TEXT PRIMARY KEY, token INTEGER NOT NULL, used INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE stream(id INTEGER PRIMARY KEY, agent TEXT NOT NULL, incarnation BLOB NOT NULL,"
    " mark INTEGER NOT NULL, mark_hash BLOB NOT NULL, definitions INTEGER NOT NULL,"
    " watermark INTEGER NOT NULL, claimed INTEGER NOT NULL, first_received INTEGER NOT NULL,"
    " last_received INTEGER NOT NULL, batches INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " UNIQUE(agent, incarnation));"
    "CREATE TABLE definition(stream INTEGER NOT NULL REFERENCES stream(id),"
    " number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY(stream, number)) WITHOUT ROWID;"
    "CREATE TABLE batch(stream INTEGER NOT NULL REFERENCES stream(id), sequence INTEGER NOT NULL,"
    " last INTEGER NOT NULL, hash BLOB NOT NULL, day INTEGER NOT NULL, received INTEGER NOT NULL,"
    " watermark INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY(stream, sequence))"
    " WITHOUT ROWID";

std::vector<std::string> columns(Ledger& ledger) {
  std::vector<std::string> out;
  for (const char* table : {"agent", "stream", "definition", "batch"}) {
    auto query = ledger.database().prepare(
        "SELECT name, type, \"notnull\", coalesce(dflt_value, ''), pk FROM pragma_table_info(?)");
    query.bind(1, std::string_view(table));
    while (*query.step()) {
      out.push_back(std::string(table) + "." + query.text(0) + " " + query.text(1) + " " +
                    std::to_string(query.integer(2)) + query.text(3) +
                    std::to_string(query.integer(4)));
    }
  }
  return out;
}

/// A batch as the first version stored it.
void store_first(Ledger& ledger, std::int64_t stream, const testing::Made& made, Ns received) {
  ASSERT_TRUE(store_raw(ledger.database(), raw_day(received), stream, made.first, made.bytes).ok());
  ASSERT_TRUE(ledger.database()
                  .prepare("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, 0, 1)")
                  .bind(1, stream)
                  .bind_u64(2, made.first)
                  .bind_u64(3, made.last)
                  .bind(4, ByteView(made.hash))
                  .bind(5, raw_day(received))
                  .bind(6, received)
                  .done()
                  .ok());
}

// Given batches of several streams while the clock stands and goes back, with stand-ins among them,
// then their arrival counts them in the order they came, refused and repeated ones not, and each
// one's content is the hash of its own bytes.
TEST(IntakeTables, ArrivalAndContentOfEveryBatch) {
  FakeClock clock(kNoon + kHour, kHour);
  auto ledger = *Ledger::open(":memory:", clock);
  auto intake = *Intake::open(*ledger, clock);
  std::mt19937_64 random(7);
  std::vector<StreamMaker> makers{StreamMaker("a"), StreamMaker("a", 2), StreamMaker("b")};
  std::map<std::string, std::uint64_t> expected;
  for (std::uint64_t arrival = 1; arrival <= 60; ++arrival) {
    if (random() % 3 == 0) clock.step_wall(-kMinute);
    StreamMaker& maker = makers[random() % makers.size()];
    const bool stands_in = maker.last() != 0 && arrival % 5 == 0;
    const auto made = stands_in ? maker.range(2) : maker.next(arrival);
    expected[to_hex(wire::batch_hash(made.bytes))] = arrival;
    for (const auto outcome : {Accepted::Outcome::applied, Accepted::Outcome::repeat}) {
      const auto accepted = intake->commit_batch(maker.agent(), maker.life(), made.bytes);
      ASSERT_TRUE(accepted.ok()) << accepted.error().text();
      ASSERT_EQ(accepted->outcome, outcome) << accepted->text;
    }
    ASSERT_TRUE(intake->commit_batch(maker.agent(), maker.life(), as_bytes("nonsense")).ok());
  }
  std::size_t seen = 0;
  for (const Stream& stream : *intake->streams()) {
    for (const StoredBatch& batch : *intake->batches_after(stream.id, 0, 1000)) {
      ++seen;
      EXPECT_EQ(batch.content, wire::batch_hash(batch.bytes));
      EXPECT_EQ(batch.arrival, expected[to_hex(batch.content)]);
    }
  }
  EXPECT_EQ(seen, 60U);
}

// Given a stream of an agent and one of an import of the same agent, then each says what it is, and
// hello alone makes a stream without batches.
TEST(IntakeTables, StreamsSayWhoFillsThem) {
  FakeClock clock(kNoon + kHour, kHour);
  auto ledger = *Ledger::open(":memory:", clock);
  auto intake = *Intake::open(*ledger, clock);
  StreamMaker live("h", 1);
  StreamMaker file("h", 2);
  ASSERT_TRUE(intake->open_stream("h", live.life()).ok());
  ASSERT_TRUE(intake->commit_batch("h", file.life(), file.next(1).bytes, StreamKind::import).ok());
  const auto streams = *intake->streams();
  ASSERT_EQ(streams.size(), 2U);
  EXPECT_FALSE(streams[0].imported);
  EXPECT_EQ(streams[0].batches, 0U);
  EXPECT_TRUE(streams[1].imported);
  EXPECT_TRUE(intake->open_stream("h", file.life())->imported);
}

// Given a ledger of the first version, when it is opened, then its tables equal new ones, its
// batches have arrived in the order of their receipt, contents are known as far as the bytes are
// there, and the next batch follows.
TEST(IntakeTables, TheFirstVersionIsBroughtUp) {
  FakeClock clock(kNoon + kHour, kHour);
  auto ledger = *Ledger::open(":memory:", clock);
  ASSERT_TRUE(ledger->prepare_part("intake", 1, kFirstVersion).ok());
  StreamMaker maker("h", 1);
  const auto first = maker.next(1);
  const auto range = maker.range(3);
  const auto dropped = maker.range(2);
  const std::string row = "INSERT INTO stream VALUES (1, 'h', x'" + to_hex(maker.life()) +
                          "', 6, x'" + to_hex(maker.hash()) + "', 5, 0, 0, 1, 1, 3, 9)";
  ASSERT_TRUE(ledger->database().run(row).ok());
  store_first(*ledger, 1, first, kNoon + 3);
  store_first(*ledger, 1, range, kNoon + 2);
  store_first(*ledger, 1, dropped, kNoon + kDay);
  ASSERT_TRUE(ledger->database().run("DROP TABLE " + raw_table(raw_day(kNoon + kDay))).ok());
  for (const auto& definition : testing::definitions()) {
    ASSERT_TRUE(ledger->database()
                    .prepare("INSERT INTO definition VALUES (1, ?, ?)")
                    .bind_u64(1, definition.number)
                    .bind(2, ByteView(wire::encode_definition(definition)))
                    .done()
                    .ok());
  }

  auto opened = Intake::open(*ledger, clock);
  ASSERT_TRUE(opened.ok()) << opened.error().text();
  const auto fresh = *Ledger::open(":memory:", clock);
  ASSERT_TRUE(prepare_intake(*fresh).ok());
  EXPECT_EQ(columns(*ledger), columns(*fresh));
  const auto next = (*opened)->commit_batch("h", maker.life(), maker.next(2).bytes);
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(next->outcome, Accepted::Outcome::applied) << next->text;
  const auto batches = *(*opened)->batches_after(1, 0, 10);
  ASSERT_EQ(batches.size(), 4U);
  const std::vector<std::uint64_t> arrivals{2, 1, 3, 4};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(batches[i].arrival, arrivals[i]);
  EXPECT_EQ(batches[1].hash, range.hash);
  EXPECT_EQ(batches[1].content, wire::batch_hash(range.bytes));
  EXPECT_EQ(batches[2].content, dropped.hash);
  EXPECT_FALSE((*opened)->stream(1)->imported);
}

}  // namespace
}  // namespace tallyman::rater
