// Prints what batches hold, for the crash campaign's own reckoning. Standard input: batches of one
// stream in order, each after its length (u32, little-endian). Standard output, a line each:
//
//   poll SEQUENCE INSTANCE SCHEDULED DIGEST  of the plugin's version that made it
//   value SEQUENCE METRIC LABEL VALUE        of a series whose first label is an argument
//   gap SEQUENCE INSTANCE FROM TO WHY        of a whole instance
//   kind SEQUENCE LAST                       a batch that is not a normal one
//
// Exit status 1 and a line on standard error for bytes that are no batch.

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/hash.hpp"
#include "wire/batch.hpp"

namespace {

using namespace tallyman;

class Printer {
 public:
  explicit Printer(std::vector<std::string> labels) : labels_(std::move(labels)) {}

  void print(const wire::Batch& batch) {
    const auto sequence = static_cast<unsigned long long>(batch.head.sequence);
    if (batch.head.kind != wire::BatchKind::normal)
      std::printf("kind %llu %llu\n", sequence, static_cast<unsigned long long>(batch.head.last));
    for (const auto& entry : batch.entries) {
      if (const auto* definition = std::get_if<wire::Definition>(&entry)) {
        definitions_.insert_or_assign(definition->number, definition->body);
      } else if (const auto* poll = std::get_if<wire::Poll>(&entry)) {
        const auto* made = find<wire::InstanceDef>(poll->instance);
        std::printf("poll %llu %s %lld %s\n", sequence, instance(poll->instance).c_str(),
                    static_cast<long long>(poll->scheduled),
                    made == nullptr ? "-" : to_hex(made->digest).c_str());
        for (const auto& value : poll->values) print(sequence, value);
      } else if (const auto& gap = std::get<wire::Gap>(entry); gap.subject == 0) {
        std::printf("gap %llu %s %lld %lld %s\n", sequence, instance(gap.instance).c_str(),
                    static_cast<long long>(gap.from), static_cast<long long>(gap.to),
                    gap.why.c_str());
      }
    }
  }

 private:
  template <typename Def>
  const Def* find(wire::DefNo number) const {
    const auto found = definitions_.find(number);
    return found == definitions_.end() ? nullptr : std::get_if<Def>(&found->second);
  }
  std::string instance(wire::DefNo number) const {
    const auto* found = find<wire::InstanceDef>(number);
    return found == nullptr ? "undefined" : found->instance;
  }
  void print(unsigned long long sequence, const wire::Value& value) const {
    const auto* epoch = find<wire::EpochDef>(value.epoch);
    const auto* series = epoch == nullptr ? nullptr : find<wire::SeriesDef>(epoch->series);
    const auto* metric = series == nullptr ? nullptr : find<wire::MetricDef>(series->metric);
    if (metric == nullptr) {
      std::printf("value %llu undefined - %llu\n", sequence,
                  static_cast<unsigned long long>(value.value));
      return;
    }
    const std::string label = series->identity.empty() ? "-" : series->identity[0];
    if (std::find(labels_.begin(), labels_.end(), label) == labels_.end()) return;
    std::printf("value %llu %s %s %llu\n", sequence, metric->name.c_str(), label.c_str(),
                static_cast<unsigned long long>(value.value));
  }

  std::vector<std::string> labels_;
  std::map<wire::DefNo, wire::DefBody> definitions_;
};

/// The next `count` bytes; fewer at the end.
Bytes take(std::size_t count) {
  Bytes out(count);
  std::cin.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(count));
  out.resize(static_cast<std::size_t>(std::cin.gcount()));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  Printer printer(std::vector<std::string>(argv + 1, argv + argc));
  for (;;) {
    const Bytes length = take(4);
    if (length.empty()) return 0;
    const std::uint32_t size = ByteReader(length).u32();
    const Bytes bytes = take(std::min<std::size_t>(size, wire::kMaxBatchBytes));
    const auto batch = wire::decode_batch(bytes);
    if (!batch.ok()) {
      std::fprintf(stderr, "crash_readings: %s\n", batch.error().text().c_str());
      return 1;
    }
    printer.print(*batch);
  }
}
