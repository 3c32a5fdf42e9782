// Messages between agent and rater: what goes in comes out; anything else is refused.

#include "wire/message.hpp"

#include <gtest/gtest.h>

#include "sample.hpp"

namespace tallyman::wire {
namespace {

using sample::Sample;

Definitions definitions(Sample& sample) {
  Definitions out{.token = sample.number(), .definitions = {}};
  DefNo number = 0;
  for (std::uint64_t i = sample.below(20); i > 0; --i) {
    number += 1 + sample.below(100);
    out.definitions.push_back(sample.definition(number));
  }
  return out;
}

AgentMessage agent_message(Sample& sample) {
  switch (sample.below(5)) {
    case 0:
      return Hello{sample.text(kMaxNameBytes),
                   sample.bytes<16>(),
                   sample.number(),
                   sample.number(),
                   sample.number(),
                   sample.time(),
                   sample.text(kMaxNameBytes),
                   static_cast<Features>(sample.number())};
    case 1:
      return definitions(sample);
    case 2: {
      Bytes batch(sample.below(300));
      for (std::uint8_t& byte : batch) byte = static_cast<std::uint8_t>(sample.number());
      return BatchMessage{sample.number(), batch};
    }
    case 3: {
      Bytes frame(sample.below(300));
      for (std::uint8_t& byte : frame) byte = static_cast<std::uint8_t>(sample.number());
      return PackedBatch{sample.number(), frame};
    }
    default:
      return Heartbeat{sample.number(), sample.time(), sample.number()};
  }
}

RaterMessage rater_message(Sample& sample) {
  switch (sample.below(3)) {
    case 0:
      return Welcome{sample.number(), sample.number(),
                     sample.number(), sample.bytes<32>(),
                     sample.number(), sample.number(),
                     sample.time(),   sample.time(),
                     sample.number(), static_cast<Features>(sample.number())};
    case 1:
      return Ack{sample.number(), sample.bytes<32>(), sample.number(), sample.time()};
    default:
      return Refused{static_cast<Refusal>(1 + sample.below(10)), sample.text(kMaxTextBytes),
                     sample.number(), sample.bytes<32>()};
  }
}

// Given any message, then it comes back; cut short or with a byte too many, it is refused.
TEST(Message, RandomMessagesComeBackWholeOrNotAtAll) {
  Sample sample(1);
  for (int i = 0; i < 2000; ++i) {
    const AgentMessage to_rater = agent_message(sample);
    Bytes bytes = encode(to_rater);
    const Result<AgentMessage> read = decode_agent_message(bytes);
    ASSERT_TRUE(read.ok()) << read.error().text();
    EXPECT_EQ(*read, to_rater);
    EXPECT_FALSE(decode_agent_message(ByteView(bytes).first(sample.below(bytes.size()))).ok());
    bytes.push_back(0);
    EXPECT_FALSE(decode_agent_message(bytes).ok());

    const RaterMessage to_agent = rater_message(sample);
    bytes = encode(to_agent);
    const Result<RaterMessage> back = decode_rater_message(bytes);
    ASSERT_TRUE(back.ok()) << back.error().text();
    EXPECT_EQ(*back, to_agent);
    EXPECT_FALSE(decode_rater_message(ByteView(bytes).first(sample.below(bytes.size()))).ok());
    EXPECT_FALSE(decode_agent_message(bytes).ok()) << "a rater's message is none of an agent's";
  }
}

// Given messages cut at every byte or with every bit flipped, then decoding ends with a message
// that can be written again, or an error.
TEST(Message, DamageIsContained) {
  Sample sample(2);
  std::size_t accepted = 0;
  for (int i = 0; i < 60; ++i) {
    Bytes bytes = encode(agent_message(sample));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_FALSE(decode_agent_message(ByteView(bytes).first(size)).ok());
    }
    for (std::size_t bit = 0; bit < std::min<std::size_t>(bytes.size(), 2000) * 8; ++bit) {
      bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      const Result<AgentMessage> read = decode_agent_message(bytes);
      if (read.ok()) {
        ++accepted;
        EXPECT_EQ(*decode_agent_message(encode(*read)), *read);
      }
      (void)decode_rater_message(bytes);
      bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    }
  }
  EXPECT_GT(accepted, 1000U);
}

// Given a message of another protocol version or of an unknown type, then the error says so.
TEST(Message, UnknownVersionsAndTypesAreNamed) {
  Bytes bytes = encode(AgentMessage(Heartbeat{}));
  bytes[0] = 2;
  EXPECT_NE(decode_agent_message(bytes).error().text().find("version 2"), std::string::npos);
  bytes[0] = 1;
  bytes[1] = 99;
  EXPECT_NE(decode_agent_message(bytes).error().text().find("type 99"), std::string::npos);
  EXPECT_FALSE(decode_agent_message({}).ok());
  EXPECT_FALSE(decode_rater_message({}).ok());
}

// Given definitions that do not ascend, or an agent's name over its limit, or a clock out of
// range, then the message is refused.
TEST(Message, LimitsHold) {
  const Definition source{5, SourceDef{Scope::host, "host:a"}};
  EXPECT_TRUE(decode_agent_message(encode(AgentMessage(Definitions{1, {source}}))).ok());
  EXPECT_FALSE(decode_agent_message(encode(AgentMessage(Definitions{1, {source, source}}))).ok());
  Hello hello;
  hello.agent = std::string(kMaxNameBytes, 'a');
  EXPECT_TRUE(decode_agent_message(encode(AgentMessage(hello))).ok());
  hello.agent += 'a';
  EXPECT_FALSE(decode_agent_message(encode(AgentMessage(hello))).ok());
  EXPECT_FALSE(decode_agent_message(encode(AgentMessage(Heartbeat{1, -1, 0}))).ok());
  EXPECT_FALSE(decode_agent_message(encode(AgentMessage(Heartbeat{1, kMaxTime, 0}))).ok());
  EXPECT_TRUE(decode_agent_message(encode(AgentMessage(Heartbeat{1, kMaxTime - 1, 0}))).ok());
  const BatchMessage largest{1, Bytes(kMaxBatchBytes)};
  EXPECT_TRUE(decode_agent_message(encode(AgentMessage(largest))).ok());
  const BatchMessage larger{1, Bytes(kMaxBatchBytes + 1)};
  EXPECT_FALSE(decode_agent_message(encode(AgentMessage(larger))).ok());
}

// Given peers that know nothing of features, then what asks for none and grants none is byte for
// byte what they know; and a message that says it asks or grants, and does not, is malformed.
TEST(Message, FeaturesAreNewTypesThatOnlyTheWillingSee) {
  const auto type = [](const auto& message) { return encode(message)[1]; };
  EXPECT_EQ(type(AgentMessage(Hello{})), 1U);
  EXPECT_EQ(type(RaterMessage(Welcome{})), 17U);
  Hello hello;
  hello.asks = kPackedBatches;
  Welcome welcome;
  welcome.can = kPackedBatches;
  Bytes asking = encode(AgentMessage(hello)), granting = encode(RaterMessage(welcome));
  EXPECT_EQ(asking[1], 5U);
  EXPECT_EQ(granting[1], 20U);
  EXPECT_EQ(asking.size(), encode(AgentMessage(Hello{})).size() + 1);
  asking.back() = granting.back() = 0;
  EXPECT_FALSE(decode_agent_message(asking).ok());
  EXPECT_FALSE(decode_rater_message(granting).ok());
  asking.back() = 0x80;  // a feature of later
  EXPECT_TRUE(decode_agent_message(asking).ok());
}

// Given a refusal with a long text, then the text is cut between characters and the message holds.
TEST(Message, LongRefusalsAreCut) {
  std::string text;
  while (text.size() < 2 * kMaxTextBytes) text += "aé€";
  const Result<RaterMessage> read =
      decode_rater_message(encode(RaterMessage(Refused{Refusal::busy, text, 1, kNoHash})));
  ASSERT_TRUE(read.ok());
  const std::string& cut = std::get<Refused>(*read).text;
  EXPECT_GE(cut.size(), kMaxTextBytes - 3);
  EXPECT_EQ(text.substr(0, cut.size()), cut);
  EXPECT_NE(static_cast<std::uint8_t>(text[cut.size()]) & 0xc0U, 0x80U);
}

// Given every refusal there is, then it has a name of its own.
TEST(Message, RefusalsHaveNames) {
  std::vector<std::string> names;
  for (int why = 1; why <= 9; ++why) names.emplace_back(refusal_name(static_cast<Refusal>(why)));
  EXPECT_EQ(names.front(), "malformed");
  EXPECT_EQ(names.back(), "busy");
  std::ranges::sort(names);
  EXPECT_TRUE(std::ranges::adjacent_find(names) == names.end());
}

}  // namespace
}  // namespace tallyman::wire
