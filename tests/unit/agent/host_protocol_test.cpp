#include "agent/host_protocol.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "agent/utf8.hpp"

namespace tallyman::agent {
namespace {

/// Makes frames of every type, with fields from empty to their limits.
class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  std::uint64_t any() {
    switch (below(4)) {
      case 0:
        return below(3);
      case 1:
        return std::numeric_limits<std::uint64_t>::max() - below(3);
      default:
        return random_() >> below(64);
    }
  }
  std::uint32_t any32() { return static_cast<std::uint32_t>(any()); }
  Ns instant() { return static_cast<Ns>(any()); }
  std::string text(std::size_t max) {
    static const std::vector<std::string> kPieces = {"a", "_", "9", "ä", "€", "𝄞", " ", "\"", "\\"};
    std::string out;
    const std::size_t length = below(8) == 0 ? max : below(std::min<std::size_t>(max, 40) + 1);
    while (out.size() + 4 <= length) out += kPieces[below(kPieces.size())];
    while (out.size() < length) out += 'x';
    return out;
  }
  std::vector<std::string> texts(std::size_t count, std::size_t max) {
    std::vector<std::string> out(below(count + 1));
    for (std::string& s : out) s = text(max);
    return out;
  }
  Bytes bytes(std::size_t max) {
    Bytes out(below(8) == 0 ? max : below(50));
    for (std::uint8_t& b : out) b = static_cast<std::uint8_t>(random_());
    return out;
  }
  bool flag() { return below(2) == 0; }
  CallStatus status() { return static_cast<CallStatus>(below(5)); }
  wire::Scope scope() { return flag() ? wire::Scope::host : wire::Scope::shared; }

  ToHost to_host() {
    switch (below(3)) {
      case 0: {
        Configure f;
        for (std::size_t i = below(5); i > 0; --i) f.options.push_back({text(256), texts(3, 4096)});
        f.state_version = any32();
        f.state = bytes(kMaxState);
        return f;
      }
      case 1:
        return PollRequest{any(), instant(), instant()};
      default:
        return Stop{};
    }
  }

  FromHost from_host() {
    switch (below(8)) {
      case 0:
        return described();
      case 1:
        return Created{status(), text(1024), flag()};
      case 2:
        return Define{any32(),        any32(),        scope(), text(1024),
                      texts(4, 1024), texts(4, 1024), any(),   instant()};
      case 3: {
        Readings f;
        for (std::size_t i = below(200); i > 0; --i) {
          f.values.push_back({any32(), any(), flag() ? 0 : instant()});
        }
        return f;
      }
      case 4:
        return PartGap{flag(), any32(), text(1024), scope(), flag(), texts(4, 1024), text(1024)};
      case 5:
        return LogLine{static_cast<std::uint8_t>(below(4)), text(1024)};
      case 6:
        return State{any32(), bytes(kMaxState)};
      default: {
        PollDone f{any(), status(), text(1024), {}, instant()};
        for (std::size_t i = below(100); i > 0; --i) f.forgotten.push_back(any32());
        return f;
      }
    }
  }

 private:
  Described described() {
    Described f;
    f.name = text(256);
    f.version = text(256);
    f.abi_minor = any32();
    f.state_version = any32();
    for (std::size_t i = below(6); i > 0; --i) {
      f.metrics.push_back({text(256), text(256), text(1024),
                           flag() ? wire::Kind::counter : wire::Kind::gauge, instant(),
                           texts(5, 256), texts(5, 256)});
    }
    for (std::size_t i = below(6); i > 0; --i) {
      OptionDef option{text(256), std::nullopt, text(1024)};
      if (flag()) option.fallback = text(4096);
      f.options.push_back(std::move(option));
    }
    f.needs = {text(256), texts(3, 256), texts(3, 4096), flag()};
    return f;
  }

  std::mt19937_64 random_;
};

ByteView body_of(const Bytes& frame) { return ByteView(frame).subspan(4); }

// Given frames of every type with random fields, then each decodes to what was encoded.
TEST(HostProtocol, RoundTripsRandomFrames) {
  Maker make(1);
  for (int i = 0; i < 3000; ++i) {
    const ToHost down = make.to_host();
    const auto down_again = decode_to_host(body_of(encode_frame(down)));
    ASSERT_TRUE(down_again.ok()) << down_again.error().text();
    EXPECT_EQ(*down_again, down);
    const FromHost up = make.from_host();
    const auto up_again = decode_from_host(body_of(encode_frame(up)));
    ASSERT_TRUE(up_again.ok()) << up_again.error().text() << " index " << up.index();
    EXPECT_EQ(*up_again, up);
  }
}

// Given a good body cut short anywhere, or with a byte behind its end, then it does not decode.
TEST(HostProtocol, RefusesTruncatedAndExtendedBodies) {
  Maker make(2);
  for (int i = 0; i < 200; ++i) {
    const Bytes frame = encode_frame(make.from_host());
    const ByteView body = body_of(frame);
    const std::size_t step = std::max<std::size_t>(1, body.size() / 64);
    for (std::size_t n = 0; n < body.size(); n += step) {
      EXPECT_FALSE(decode_from_host(body.first(n)).ok()) << "cut at " << n;
    }
    Bytes longer(body.begin(), body.end());
    longer.push_back(0);
    EXPECT_FALSE(decode_from_host(longer).ok());
  }
}

// Given good bodies with a few bytes changed, and bodies of noise, then decoding ends, and what it
// accepts survives a round trip.
TEST(HostProtocol, SurvivesNoise) {
  Maker make(3);
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    Bytes body = make.bytes(60);
    if (make.flag()) {
      const Bytes frame = encode_frame(make.from_host());
      body.assign(frame.begin() + 4, frame.end());
      for (std::size_t n = make.below(3) + 1; n > 0; --n) {
        body[make.below(body.size())] = static_cast<std::uint8_t>(make.any());
      }
    }
    const auto frame = decode_from_host(body);
    if (frame) {
      ++accepted;
      const auto again = decode_from_host(body_of(encode_frame(*frame)));
      ASSERT_TRUE(again.ok()) << again.error().text();
      EXPECT_EQ(*again, *frame);
    }
    if (const auto down = decode_to_host(body)) {
      EXPECT_EQ(*decode_to_host(body_of(encode_frame(*down))), *down);
    }
  }
  EXPECT_GT(accepted, 100);
}

// Given text that is no UTF-8, holds a control character, or is over its limit, then the frame is
// refused: nothing behind the decoder has to think of it.
TEST(HostProtocol, RefusesTextThatIsNotPlain) {
  for (const std::string& bad : {std::string("\xff"), std::string("a\nb"), std::string("\0", 1),
                                 std::string("\xed\xa0\x80"), std::string(1025, 'x')}) {
    EXPECT_FALSE(decode_from_host(body_of(encode_frame(FromHost(LogLine{1, bad})))).ok());
  }
  EXPECT_TRUE(
      decode_from_host(body_of(encode_frame(FromHost(LogLine{1, std::string(1024, 'x')})))).ok());
}

// Given a status, level, kind or scope that is none, and a list that claims more than the body can
// hold, then the frame is refused and no memory is spent on it.
TEST(HostProtocol, RefusesWhatIsOutOfRange) {
  for (const Bytes& bad : {
           Bytes{},
           Bytes{0},
           Bytes{99},
           Bytes{17, 5, 0, 0},
           Bytes{17, 0, 0, 2},
           Bytes{21, 4, 0},
           Bytes{18, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
           Bytes{19, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 1, 1},
           Bytes{19, 1, 1, 0, 0},
       }) {
    EXPECT_FALSE(decode_from_host(bad).ok());
  }
  State big{1, Bytes(kMaxState + 1)};
  EXPECT_FALSE(decode_from_host(body_of(encode_frame(FromHost(big)))).ok());
}

// Given random frames as one stream that arrives in random pieces, then the cutter gives exactly
// the bodies, in order, and nothing more.
TEST(FrameCutter, CutsAStreamThatArrivesInPieces) {
  Maker make(4);
  for (int round = 0; round < 50; ++round) {
    Bytes stream;
    std::vector<Bytes> expected, seen;
    for (int i = 0; i < 20; ++i) {
      const Bytes frame = encode_frame(make.from_host());
      if (frame.size() - 4 > kMaxFrame) continue;
      stream.insert(stream.end(), frame.begin(), frame.end());
      expected.emplace_back(frame.begin() + 4, frame.end());
    }
    FrameCutter cutter;
    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t n = std::min<std::size_t>(make.below(5000) + 1, stream.size() - at);
      cutter.feed(ByteView(stream).subspan(at, n));
      at += n;
      for (;;) {
        auto body = cutter.next();
        ASSERT_TRUE(body.ok());
        if (!*body) break;
        seen.push_back(std::move(**body));
      }
    }
    EXPECT_EQ(seen, expected);
  }
}

// Given a length of zero or over the limit, then the stream is beyond repair, at once and for ever.
TEST(FrameCutter, RefusesImpossibleLengths) {
  for (const Bytes& head : {Bytes{0, 0, 0, 0}, Bytes{1, 0, 4, 0}, Bytes{0xff, 0xff, 0xff, 0xff}}) {
    FrameCutter cutter;
    cutter.feed(head);
    EXPECT_FALSE(cutter.next().ok());
    cutter.feed(encode_frame(ToHost(Stop{})));
    EXPECT_FALSE(cutter.next().ok());
  }
}

// Given well-formed and malformed UTF-8, then exactly the well-formed is plain, and plain_text
// makes plain text of anything within its limit.
TEST(PlainText, TellsAndMakesPlainText) {
  for (const char* good : {"", "abc", "ä€𝄞", "\xf4\x8f\xbf\xbf"}) EXPECT_TRUE(is_plain_text(good));
  for (const char* bad :
       {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "tab\t", "\x7f"}) {
    EXPECT_FALSE(is_plain_text(bad)) << bad;
  }
  EXPECT_EQ(plain_text("a\nb\xffz", 100), "a b\xef\xbf\xbdz");
  EXPECT_EQ(plain_text("aä", 2), "a");
  Maker make(5);
  for (int i = 0; i < 2000; ++i) {
    const Bytes noise = make.bytes(300);
    const std::string made = plain_text(as_text(noise), 100);
    EXPECT_TRUE(is_plain_text(made));
    EXPECT_LE(made.size(), 100U);
  }
}

}  // namespace
}  // namespace tallyman::agent
