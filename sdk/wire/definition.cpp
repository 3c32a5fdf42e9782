#include "wire/definition.hpp"

#include <string>
#include <type_traits>

namespace tallyman::wire {
namespace {

using Texts = std::vector<std::string>;

void put_texts(ByteWriter& out, const Texts& texts) {
  out.varint(texts.size());
  for (const std::string& text : texts) out.text(text);
}

Texts take_texts(ByteReader& in, std::size_t max_bytes) {
  const std::size_t count = in.count();
  if (count > kMaxLabels) {
    in.fail();
    return {};
  }
  Texts texts;
  texts.reserve(count);
  for (std::size_t i = 0; i < count && in.ok(); ++i) texts.push_back(in.text(max_bytes));
  return texts;
}

void put_time(ByteWriter& out, Ns time) { out.varint(static_cast<std::uint64_t>(time)); }
Ns take_time(ByteReader& in) { return static_cast<Ns>(in.varint()); }

void put_body(ByteWriter& out, const InstanceDef& body) {
  out.text(body.instance);
  out.text(body.plugin);
  out.text(body.version);
  out.raw(body.digest);
  put_time(out, body.interval);
}

void put_body(ByteWriter& out, const SourceDef& body) {
  out.u8(static_cast<std::uint8_t>(body.scope));
  out.text(body.id);
}

void put_body(ByteWriter& out, const MetricDef& body) {
  out.text(body.name);
  out.text(body.unit);
  out.text(cut_text(body.help, kMaxTextBytes));
  out.u8(static_cast<std::uint8_t>(body.kind));
  put_time(out, body.resolution);
  put_texts(out, body.identity);
  put_texts(out, body.info);
}

void put_body(ByteWriter& out, const SeriesDef& body) {
  out.varint(body.source);
  out.varint(body.metric);
  put_texts(out, body.identity);
}

void put_body(ByteWriter& out, const EpochDef& body) {
  out.varint(body.series);
  out.u64(body.epoch);
  put_time(out, body.start);
}

void put_body(ByteWriter& out, const InfoDef& body) {
  out.varint(body.series);
  put_time(out, body.from);
  put_texts(out, body.values);
}

DefBody take_body(ByteReader& in, std::uint8_t type) {
  switch (type) {
    case 1: {
      InstanceDef body;
      body.instance = in.text(kMaxNameBytes);
      body.plugin = in.text(kMaxNameBytes);
      body.version = in.text(kMaxNameBytes);
      for (std::uint8_t& byte : body.digest) byte = in.u8();
      body.interval = take_time(in);
      return body;
    }
    case 2: {
      SourceDef body;
      body.scope = static_cast<Scope>(in.u8());
      body.id = in.text(kMaxValueBytes);
      return body;
    }
    case 3: {
      MetricDef body;
      body.name = in.text(kMaxNameBytes);
      body.unit = in.text(kMaxNameBytes);
      body.help = in.text(kMaxTextBytes);
      body.kind = static_cast<Kind>(in.u8());
      body.resolution = take_time(in);
      body.identity = take_texts(in, kMaxNameBytes);
      body.info = take_texts(in, kMaxNameBytes);
      return body;
    }
    case 4: {
      SeriesDef body;
      body.source = in.varint();
      body.metric = in.varint();
      body.identity = take_texts(in, kMaxValueBytes);
      return body;
    }
    case 5: {
      EpochDef body;
      body.series = in.varint();
      body.epoch = in.u64();
      body.start = take_time(in);
      return body;
    }
    case 6: {
      InfoDef body;
      body.series = in.varint();
      body.from = take_time(in);
      body.values = take_texts(in, kMaxValueBytes);
      return body;
    }
    default:
      in.fail();
      return SourceDef{};
  }
}

bool fits(const std::string& text, std::size_t max) { return text.size() <= max; }
bool fit(const Texts& texts, std::size_t max) {
  if (texts.size() > kMaxLabels) return false;
  for (const std::string& text : texts) {
    if (!fits(text, max)) return false;
  }
  return true;
}

bool refers(DefNo to, DefNo from) { return to != 0 && to < from; }

const char* wrong(DefNo, const InstanceDef& body) {
  if (!fits(body.instance, kMaxNameBytes) || !fits(body.plugin, kMaxNameBytes) ||
      !fits(body.version, kMaxNameBytes)) {
    return "an instance's name, plugin or version is too long";
  }
  return valid_time(body.interval) ? nullptr : "an instance's interval is out of range";
}

const char* wrong(DefNo, const SourceDef& body) {
  if (body.scope != Scope::host && body.scope != Scope::shared) return "an unknown scope";
  return fits(body.id, kMaxValueBytes) ? nullptr : "a source's id is too long";
}

const char* wrong(DefNo, const MetricDef& body) {
  if (body.kind != Kind::counter && body.kind != Kind::gauge) return "an unknown kind of metric";
  if (!fits(body.name, kMaxNameBytes) || !fits(body.unit, kMaxNameBytes)) {
    return "a metric's name or unit is too long";
  }
  if (!fit(body.identity, kMaxNameBytes) || !fit(body.info, kMaxNameBytes)) {
    return "a metric has too many label names, or one that is too long";
  }
  return valid_time(body.resolution) ? nullptr : "a metric's resolution is out of range";
}

const char* wrong(DefNo number, const SeriesDef& body) {
  if (!refers(body.source, number) || !refers(body.metric, number)) {
    return "a series refers to a definition that is not before it";
  }
  return fit(body.identity, kMaxValueBytes)
             ? nullptr
             : "a series has too many identity labels, or one that is too long";
}

const char* wrong(DefNo number, const EpochDef& body) {
  if (!refers(body.series, number)) return "an epoch refers to a series that is not before it";
  return valid_time(body.start) ? nullptr : "an epoch's start is out of range";
}

const char* wrong(DefNo number, const InfoDef& body) {
  if (!refers(body.series, number)) return "info labels refer to a series that is not before them";
  if (!fit(body.values, kMaxValueBytes)) return "too many info labels, or one that is too long";
  return valid_time(body.from) ? nullptr : "an instant of info labels is out of range";
}

}  // namespace

std::string_view cut_text(std::string_view text, std::size_t max) {
  if (text.size() <= max) return text;
  std::size_t size = max;
  while (size > 0 && max - size < 3 && (static_cast<std::uint8_t>(text[size]) & 0xc0U) == 0x80U) {
    --size;
  }
  return text.substr(0, size);
}

void put_definition(ByteWriter& out, const Definition& definition) {
  out.varint(definition.number);
  out.u8(static_cast<std::uint8_t>(definition.body.index() + 1));
  std::visit([&](const auto& body) { put_body(out, body); }, definition.body);
}

Definition take_definition(ByteReader& in) {
  Definition definition;
  definition.number = in.varint();
  const std::uint8_t type = in.u8();
  definition.body = take_body(in, type);
  if (in.ok() && !check_definition(definition).ok()) in.fail();
  return definition;
}

Status check_definition(const Definition& definition) {
  if (definition.number == 0) return Error{"a definition without a number", "", ""};
  const char* found =
      std::visit([&](const auto& body) { return wrong(definition.number, body); }, definition.body);
  if (found == nullptr) return {};
  return Error{found, "definition " + std::to_string(definition.number), ""};
}

}  // namespace tallyman::wire
