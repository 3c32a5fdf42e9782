#include "wire/message.hpp"

#include <algorithm>

#include "wire/definition.hpp"
#include "wire/pack.hpp"

namespace tallyman::wire {
namespace {

constexpr std::uint8_t kProtocol = 1;

enum class Type : std::uint8_t {
  hello = 1,
  definitions = 2,
  batch = 3,
  heartbeat = 4,
  hello_that_asks = 5,
  packed_batch = 6,
  welcome = 17,
  ack = 18,
  refused = 19,
  welcome_that_can = 20,
};

template <std::size_t N>
std::array<std::uint8_t, N> take_array(ByteReader& in) {
  std::array<std::uint8_t, N> out{};
  const ByteView bytes = in.raw(N);
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

Ns take_time(ByteReader& in) {
  const Ns time = in.i64();
  if (!valid_time(time)) in.fail();
  return time;
}

ByteWriter begin(Bytes& out, Type type) {
  ByteWriter writer(out);
  writer.u8(kProtocol);
  writer.u8(static_cast<std::uint8_t>(type));
  return writer;
}

void put(Bytes& bytes, const Hello& m) {
  ByteWriter out = begin(bytes, m.asks == 0 ? Type::hello : Type::hello_that_asks);
  out.text(m.agent);
  out.raw(m.incarnation);
  out.u64(m.token);
  out.u64(m.ledger);
  out.u64(m.last_sealed);
  out.i64(m.wall);
  out.text(m.software);
  if (m.asks != 0) out.u8(m.asks);
}

Features take_features(ByteReader& in) {
  const Features features = in.u8();
  if (features == 0) in.fail();
  return features;
}

Hello take_hello(ByteReader& in) {
  Hello m;
  m.agent = in.text(kMaxNameBytes);
  m.incarnation = take_array<16>(in);
  m.token = in.u64();
  m.ledger = in.u64();
  m.last_sealed = in.u64();
  m.wall = take_time(in);
  m.software = in.text(kMaxNameBytes);
  return m;
}

Hello take_hello_that_asks(ByteReader& in) {
  Hello m = take_hello(in);
  m.asks = take_features(in);
  return m;
}

void put(Bytes& bytes, const Definitions& m) {
  ByteWriter out = begin(bytes, Type::definitions);
  out.u64(m.token);
  out.varint(m.definitions.size());
  for (const Definition& definition : m.definitions) put_definition(out, definition);
}

Definitions take_definitions(ByteReader& in) {
  Definitions m;
  m.token = in.u64();
  const std::size_t count = in.count(3);
  DefNo last = 0;
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    m.definitions.push_back(take_definition(in));
    const DefNo number = m.definitions.back().number;
    if (number <= last) in.fail();
    last = number;
  }
  return m;
}

void put(Bytes& bytes, const BatchMessage& m) {
  bytes.reserve(m.batch.size() + 24);
  ByteWriter out = begin(bytes, Type::batch);
  out.u64(m.token);
  out.blob(m.batch);
}

BatchMessage take_batch(ByteReader& in) {
  BatchMessage m;
  m.token = in.u64();
  const ByteView batch = in.blob(kMaxBatchBytes);
  m.batch.assign(batch.begin(), batch.end());
  return m;
}

void put(Bytes& bytes, const PackedBatch& m) {
  bytes.reserve(m.frame.size() + 24);
  ByteWriter out = begin(bytes, Type::packed_batch);
  out.u64(m.token);
  out.blob(m.frame);
}

PackedBatch take_packed_batch(ByteReader& in) {
  PackedBatch m;
  m.token = in.u64();
  const ByteView frame = in.blob(kMaxBatchBytes);
  m.frame.assign(frame.begin(), frame.end());
  return m;
}

void put(Bytes& bytes, const Heartbeat& m) {
  ByteWriter out = begin(bytes, Type::heartbeat);
  out.u64(m.token);
  out.i64(m.wall);
  out.u64(m.last_sealed);
}

Heartbeat take_heartbeat(ByteReader& in) {
  Heartbeat m;
  m.token = in.u64();
  m.wall = take_time(in);
  m.last_sealed = in.u64();
  return m;
}

void put(Bytes& bytes, const Welcome& m) {
  ByteWriter out = begin(bytes, m.can == 0 ? Type::welcome : Type::welcome_that_can);
  out.u64(m.ledger);
  out.u64(m.token);
  out.u64(m.mark);
  out.raw(m.mark_hash);
  out.u64(m.highest_definition);
  out.u64(m.credit);
  out.i64(m.slot);
  out.i64(m.wall);
  out.u64(m.moved_from);
  if (m.can != 0) out.u8(m.can);
}

Welcome take_welcome(ByteReader& in) {
  Welcome m;
  m.ledger = in.u64();
  m.token = in.u64();
  m.mark = in.u64();
  m.mark_hash = take_array<32>(in);
  m.highest_definition = in.u64();
  m.credit = in.u64();
  m.slot = take_time(in);
  m.wall = take_time(in);
  m.moved_from = in.u64();
  return m;
}

Welcome take_welcome_that_can(ByteReader& in) {
  Welcome m = take_welcome(in);
  m.can = take_features(in);
  return m;
}

void put(Bytes& bytes, const Ack& m) {
  ByteWriter out = begin(bytes, Type::ack);
  out.u64(m.mark);
  out.raw(m.mark_hash);
  out.u64(m.credit);
  out.i64(m.wall);
}

Ack take_ack(ByteReader& in) {
  Ack m;
  m.mark = in.u64();
  m.mark_hash = take_array<32>(in);
  m.credit = in.u64();
  m.wall = take_time(in);
  return m;
}

void put(Bytes& bytes, const Refused& m) {
  ByteWriter out = begin(bytes, Type::refused);
  out.u8(static_cast<std::uint8_t>(m.why));
  out.text(cut_text(m.text, kMaxTextBytes));
  out.u64(m.mark);
  out.raw(m.mark_hash);
}

Refused take_refused(ByteReader& in) {
  Refused m;
  const std::uint8_t why = in.u8();
  if (why < static_cast<std::uint8_t>(Refusal::malformed) ||
      why > static_cast<std::uint8_t>(Refusal::other_agent)) {
    in.fail();
  }
  m.why = static_cast<Refusal>(why);
  m.text = in.text(kMaxTextBytes);
  m.mark = in.u64();
  m.mark_hash = take_array<32>(in);
  return m;
}

/// The type of a message whose body the reader is left at.
Result<Type> take_type(ByteReader& in) {
  const std::uint8_t version = in.u8();
  const std::uint8_t type = in.u8();
  if (!in.ok()) return Error{"a message of less than two bytes", "", ""};
  if (version != kProtocol) {
    return Error{"a message of protocol version " + std::to_string(version), "",
                 "this side speaks version " + std::to_string(kProtocol) + " only"};
  }
  return static_cast<Type>(type);
}

/// Takes the body and demands that it was all there is.
template <typename Message, typename Take>
Result<Message> take_whole(ByteReader& in, Take take, const char* name) {
  Result<Message> message(take(in));
  if (!in.ok()) return Error{std::string("a malformed message, type ") + name, "", ""};
  if (!in.at_end()) return Error{std::string("bytes left over after a ") + name, "", ""};
  return message;
}

Error unknown_type(Type type) {
  return {"a message of unknown type " + std::to_string(static_cast<unsigned>(type)), "", ""};
}

}  // namespace

const char* refusal_name(Refusal refusal) {
  switch (refusal) {
    case Refusal::malformed:
      return "malformed";
    case Refusal::no_session:
      return "no_session";
    case Refusal::fenced:
      return "fenced";
    case Refusal::diverged:
      return "diverged";
    case Refusal::out_of_order:
      return "out_of_order";
    case Refusal::other_ledger:
      return "other_ledger";
    case Refusal::revoked:
      return "revoked";
    case Refusal::pending:
      return "pending";
    case Refusal::busy:
      return "busy";
    case Refusal::other_agent:
      return "other_agent";
  }
  return "unknown";
}

Bytes encode(const AgentMessage& message) {
  Bytes out;
  std::visit([&](const auto& m) { put(out, m); }, message);
  return out;
}

Bytes encode(const RaterMessage& message) {
  Bytes out;
  std::visit([&](const auto& m) { put(out, m); }, message);
  return out;
}

Result<AgentMessage> decode_agent_message(ByteView bytes) {
  ByteReader in(bytes);
  const Result<Type> type = take_type(in);
  if (!type.ok()) return type.error();
  switch (*type) {
    case Type::hello:
      return take_whole<AgentMessage>(in, take_hello, "hello");
    case Type::hello_that_asks:
      return take_whole<AgentMessage>(in, take_hello_that_asks, "hello");
    case Type::definitions:
      if (bytes.size() > kMaxBatchBytes) return Error{"a definitions message too long", "", ""};
      return take_whole<AgentMessage>(in, take_definitions, "definitions");
    case Type::batch:
      return take_whole<AgentMessage>(in, take_batch, "batch");
    case Type::packed_batch:
      return take_whole<AgentMessage>(in, take_packed_batch, "packed batch");
    case Type::heartbeat:
      return take_whole<AgentMessage>(in, take_heartbeat, "heartbeat");
    default:
      return unknown_type(*type);
  }
}

Result<RaterMessage> decode_rater_message(ByteView bytes) {
  ByteReader in(bytes);
  const Result<Type> type = take_type(in);
  if (!type.ok()) return type.error();
  switch (*type) {
    case Type::welcome:
      return take_whole<RaterMessage>(in, take_welcome, "welcome");
    case Type::welcome_that_can:
      return take_whole<RaterMessage>(in, take_welcome_that_can, "welcome");
    case Type::ack:
      return take_whole<RaterMessage>(in, take_ack, "ack");
    case Type::refused:
      return take_whole<RaterMessage>(in, take_refused, "refused");
    default:
      return unknown_type(*type);
  }
}

std::size_t message_weight(ByteView bytes) {
  ByteReader in(bytes);
  const Result<Type> type = take_type(in);
  if (!type.ok() || *type != Type::packed_batch) return bytes.size();
  in.u64();
  const Result<std::size_t> claimed = packed_size(in.blob(kMaxBatchBytes));
  return claimed.ok() ? std::max(*claimed, bytes.size()) : bytes.size();
}

}  // namespace tallyman::wire
