#pragma once
// Seeded random values of the data model, as a correct agent could write them.

#include <algorithm>
#include <random>
#include <string>

#include "wire/batch.hpp"

namespace tallyman::wire::sample {

class Sample {
 public:
  explicit Sample(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  /// All magnitudes alike: 0, small, 64 bits.
  std::uint64_t number() { return random_() >> below(65) % 64; }
  Ns time() { return static_cast<Ns>(number() % static_cast<std::uint64_t>(kMaxTime)); }

  template <std::size_t N>
  std::array<std::uint8_t, N> bytes() {
    std::array<std::uint8_t, N> out{};
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(random_());
    return out;
  }

  std::string text(std::size_t max) {
    std::string out(one_in(20) ? max : below(12), ' ');
    for (char& c : out) c = static_cast<char>('a' + below(26));
    return out;
  }

  std::vector<std::string> texts(std::size_t max_bytes) {
    std::vector<std::string> out(one_in(20) ? kMaxLabels : below(4));
    for (std::string& s : out) s = text(max_bytes);
    return out;
  }

  Definition definition(DefNo number_of) {
    const auto earlier = [&] { return 1 + below(number_of - 1); };
    switch (below(number_of > 1 ? 6 : 3)) {
      case 0:
        return {number_of, InstanceDef{text(kMaxNameBytes), text(kMaxNameBytes),
                                       text(kMaxNameBytes), bytes<32>(), time()}};
      case 1:
        return {number_of, SourceDef{one_in(2) ? Scope::host : Scope::shared, text(1024)}};
      case 2:
        return {number_of, MetricDef{text(kMaxNameBytes), text(kMaxNameBytes), text(kMaxTextBytes),
                                     one_in(2) ? Kind::counter : Kind::gauge, time(),
                                     texts(kMaxNameBytes), texts(kMaxNameBytes)}};
      case 3:
        return {number_of, SeriesDef{earlier(), earlier(), texts(1024)}};
      case 4:
        return {number_of, EpochDef{earlier(), number(), time()}};
      default:
        return {number_of, InfoDef{earlier(), time(), texts(1024)}};
    }
  }

  /// A poll whose list is mostly that of `before`, its values mostly near them.
  Poll poll(const Poll* before) {
    Poll out;
    out.instance = 1 + below(3);
    out.scheduled = time();
    out.wall = time();
    out.boot = time();
    out.in_time = !one_in(4);
    out.stepped = one_in(4);
    if (before != nullptr && !one_in(3)) {
      out.instance = before->instance;
      out.values = before->values;
      for (Value& value : out.values) change(value);
    } else {
      DefNo epoch = 0;
      for (std::uint64_t i = below(40); i > 0; --i) {
        epoch += one_in(10) ? number() % (1U << 30U) : below(3);
        out.values.push_back({std::max<DefNo>(epoch, 1), number(), one_in(5) ? time() : 0});
      }
      std::ranges::stable_sort(out.values, {}, &Value::epoch);
    }
    for (std::uint64_t i = one_in(3) ? below(5) : 0; i > 0; --i) {
      out.ended.push_back(number() | 1U);
    }
    return out;
  }

  Gap gap() {
    const Ns a = time();
    const Ns b = time();
    return {1 + below(5),   one_in(2) ? 0 : number(),          std::min(a, b),
            std::max(a, b), static_cast<Cause>(1 + below(13)), text(kMaxTextBytes)};
  }

  std::vector<Entry> entries(std::size_t count) {
    std::vector<Entry> out;
    std::optional<Poll> last;
    for (std::size_t i = 0; i < count; ++i) {
      if (one_in(4)) {
        out.emplace_back(definition(1 + number() % (1U << 20U)));
      } else if (one_in(4)) {
        out.emplace_back(gap());
      } else {
        last = poll(last ? &*last : nullptr);
        out.emplace_back(*last);
      }
    }
    return out;
  }

  BatchHead head() {
    BatchHead out;
    out.kind = static_cast<BatchKind>(1 + below(3));
    out.agent = text(kMaxNameBytes);
    out.incarnation = bytes<16>();
    out.sequence = 1 + number() / 2;
    out.previous = bytes<32>();
    out.boot = bytes<16>();
    out.opened = time();
    out.last = out.sequence;
    if (out.kind != BatchKind::normal) {
      out.original = bytes<32>();
      out.why = text(kMaxTextBytes);
    }
    if (out.kind == BatchKind::stand_in) out.last += below(1000);
    return out;
  }

 private:
  void change(Value& value) {
    if (one_in(2)) value.value += below(1U << 20U);
    if (one_in(10)) value.value = number();
    value.time = one_in(20) ? time() : 0;
  }

  std::mt19937_64 random_;
};

}  // namespace tallyman::wire::sample
