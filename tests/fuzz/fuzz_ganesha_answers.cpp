// clang-format off
// sources: plugins/nfs/ganesha_answers.cpp plugins/nfs/ganesha_part.cpp plugins/nfs/book.cpp plugins/nfs/book_state.cpp
// clang-format on
// Whatever a Ganesha answers: a snapshot or a failure, soon; told again,
// nothing of it counts anew, nor after its state was written and read.

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "nfs/book.hpp"
#include "nfs/ganesha_part.hpp"

namespace {

using nfs::Value;
using nfs::Values;

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr const char* kWords[] = {"",
                                  "OK",
                                  "NFSv3",
                                  "NFSv40",
                                  "NFSv41",
                                  "NFSv42",
                                  "/srv/a",
                                  "10.0.0.1",
                                  "NFS stat counting disabled",
                                  "Export does not have any NFSv3 activity",
                                  "Export id not found",
                                  "No export available"};

/// Values made of bytes, shallow and few.
class Maker {
 public:
  Maker(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  [[nodiscard]] bool empty() const { return left_ == 0; }
  std::uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  Values values(unsigned depth) {
    Values out;
    for (unsigned n = byte() % 9U; n > 0 && left_ > 0; --n) out.push_back(value(depth));
    return out;
  }

 private:
  Value value(unsigned depth) {
    switch (byte() % 7U) {
      case 0:
        return Value(byte() % 2U == 0);
      case 1:
        return Value(std::uint64_t{byte()});
      case 2: {
        std::uint64_t n = 0;
        for (int i = 0; i < 8; ++i) n = n << 8U | byte();
        return Value(n);
      }
      case 3:
        return Value(kWords[byte() % std::size(kWords)]);
      case 4:
        return Value(0.5);
      default:
        return depth > 4 ? Value() : Value(values(depth + 1));
    }
  }
  const std::uint8_t* data_;
  std::size_t left_;
};

class Fuzzed : public nfs::Caller {
 public:
  Fuzzed(const std::uint8_t* data, std::size_t size) : maker_(data, size) {}
  std::variant<Values, nfs::Failure> call(const nfs::Call& call) override {
    if (++calls_ > 1000) return nfs::Failure{nfs::Failure::failed, "enough"};
    const std::uint8_t how = maker_.byte();
    if (how == 0) return nfs::Failure{nfs::Failure::unknown, "unknown"};
    if (how == 1) return nfs::Failure{nfs::Failure::absent, "absent"};
    // As a good server would begin, so that what follows is looked at.
    const Values since{std::uint64_t{5}, std::uint64_t{7}};
    if (how < 128 && std::strcmp(call.method, "StatusStats") == 0) {
      return Values{true, "OK", Values{true, since}};
    }
    if (how < 128 && std::strncmp(call.method, "Show", 4) == 0) {
      return Values{since, maker_.values(0)};
    }
    if (how < 128 && std::strncmp(call.method, "GetNFS", 6) == 0) {
      return Values{true, "OK", since, maker_.values(3), maker_.values(3)};
    }
    return maker_.values(0);
  }

 private:
  Maker maker_;
  int calls_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > (16U << 10U)) return 0;
  Fuzzed server(data, size);
  const auto read = nfs::read_ganesha(server, true);
  const auto* snapshot = std::get_if<nfs::Snapshot>(&read);
  if (snapshot == nullptr) return 0;
  constexpr std::int64_t kNow = 1'000'000'000'000;
  nfs::State state;
  look_for(state, {.exports = true}, kNow);
  const auto seen = sightings(snapshot->exports, snapshot->since, true);
  auto first = advance(state.books[0], seen, kNow);
  require(first.lives.size() == seen.size());
  for (const nfs::Life& life : first.lives) require(life.start() <= kNow);
  state.books[0] = first.next;
  const auto bytes = std::get<std::string>(nfs::encode_state(state));
  const auto again = std::get<nfs::State>(nfs::decode_state(nfs::kStateVersion, bytes));
  require(again == state);
  const auto second = advance(again.books[0], seen, kNow + 1000);
  require(second.lives == first.lives);
  return 0;
}
