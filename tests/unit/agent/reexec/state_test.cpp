#include "agent/reexec/state.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "reexec/field_filler.hpp"

namespace tallyman::agent {
namespace {

/// The hash that makes what stands before it whole.
void seal(Bytes& bytes) {
  const Hash hash = hash_of(ByteView(bytes).first(bytes.size() - sizeof(Hash)));
  std::copy(hash.begin(), hash.end(), bytes.end() - sizeof(Hash));
}

// Given any state, then its bytes give it again, through a memory file too.
TEST(ReexecState, comes_back_as_it_was) {
  for (std::uint32_t seed = 0; seed < 300; seed++) {
    const AgentState state = random_state(seed);
    const Bytes bytes = encode_state(state);
    const Result<AgentState> again = decode_state(bytes);
    ASSERT_TRUE(again.ok()) << seed << ": " << again.error().text();
    EXPECT_EQ(encode_state(*again), bytes) << seed;
    EXPECT_EQ(again->descriptors(), state.descriptors());
    const Result<Fd> file = store_state(bytes);
    ASSERT_TRUE(file.ok());
    const Result<AgentState> read = load_state(file->get());
    ASSERT_TRUE(read.ok()) << read.error().text();
    EXPECT_EQ(encode_state(*read), bytes);
  }
}

// Given a state with any one bit flipped, cut short anywhere, or with bytes behind it, then it is
// refused as a whole.
TEST(ReexecState, any_damage_is_seen) {
  const Bytes whole = encode_state(random_state(7));
  for (std::size_t i = 0; i < whole.size(); i++) {
    Bytes bytes = whole;
    bytes[i] ^= static_cast<std::uint8_t>(1U << (i % 8));
    EXPECT_FALSE(decode_state(bytes).ok()) << i;
    EXPECT_FALSE(decode_state(ByteView(whole).first(i)).ok()) << i;
  }
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_FALSE(decode_state(longer).ok());
  EXPECT_FALSE(load_state(-1).ok());
  const Fd empty(memfd_create("empty", MFD_CLOEXEC));
  EXPECT_FALSE(load_state(empty.get()).ok());
}

// Given bytes that are wrong beneath a hash that is right, then decoding is total: an error, or a
// state that can be written again.
TEST(ReexecState, decoding_is_total) {
  std::mt19937 random(11);
  for (int round = 0; round < 20'000; round++) {
    Bytes bytes = encode_state(random_state(static_cast<std::uint32_t>(round % 50)));
    for (std::uint64_t i = random() % 4; i < 4; i++) {
      bytes[8 + random() % (bytes.size() - 8)] = static_cast<std::uint8_t>(random());
    }
    if (random() % 4 == 0) bytes.resize(40 + random() % (bytes.size() - 39));
    seal(bytes);
    const Result<AgentState> state = decode_state(bytes);
    if (state) {
      EXPECT_TRUE(decode_state(encode_state(*state)).ok());
    }
  }
}

// Given a state of another version, then the words say which, not that it is damaged.
TEST(ReexecState, names_another_version) {
  Bytes bytes = encode_state(random_state(3));
  bytes[4] = 99;
  seal(bytes);
  const Result<AgentState> state = decode_state(bytes);
  ASSERT_FALSE(state.ok());
  EXPECT_NE(state.error().what.find("version 99"), std::string::npos) << state.error().text();
}

// Given a state that names a descriptor twice, or one of the standard ones, then it is refused:
// closing it would close another's.
TEST(ReexecState, descriptors_are_each_somebodys) {
  for (const int number : {0, 1, 2, 9}) {
    AgentState state;
    state.lock = 9;
    state.listener = number;
    EXPECT_FALSE(decode_state(encode_state(state)).ok()) << number;
  }
}

}  // namespace
}  // namespace tallyman::agent
