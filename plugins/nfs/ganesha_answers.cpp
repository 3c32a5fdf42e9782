#include "ganesha_answers.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

namespace nfs {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMaxSeconds = (std::uint64_t{1} << 62U) / 1'000'000'000;
constexpr std::size_t kLongestAddress = 256;
/// How versions of Ganesha say that there is no such export or client.
constexpr std::array<const char*, 3> kGone{"Export id not found", "No export available",
                                           "Client IP address not found"};

/// A (tt); nothing when it is none, or no instant that a reading could have.
std::optional<std::int64_t> instant(const Values* pair) {
  if (pair == nullptr) return {};
  const auto* seconds = at<std::uint64_t>(*pair, 0);
  const auto* nanoseconds = at<std::uint64_t>(*pair, 1);
  if (seconds == nullptr || nanoseconds == nullptr) return {};
  if (*seconds == 0 || *seconds >= kMaxSeconds || *nanoseconds >= kSecond) return {};
  return static_cast<std::int64_t>(*seconds) * kSecond + static_cast<std::int64_t>(*nanoseconds);
}

/// Which protocol versions a struct of (s, b) names as active; false when it is no such struct.
bool read_flags(const Values* flags, Listed& into) {
  if (flags == nullptr) return false;
  std::array<bool, kVersions> named{};
  for (const Value& flag : *flags) {
    const Values* pair = flag.members();
    const auto* name = pair == nullptr ? nullptr : at<std::string>(*pair, 0);
    const auto* active = pair == nullptr ? nullptr : at<bool>(*pair, 1);
    if (name == nullptr || active == nullptr) return false;
    for (std::size_t v = 0; v < kVersions; ++v) {
      if (*name != kVersionNames[v].flag) continue;
      named[v] = true;
      into.active[v] = *active;
    }
  }
  // A version that is not named may have counted nevertheless: it is asked for.
  for (std::size_t v = 0; v < kVersions; ++v) {
    into.unnamed[v] = !named[v];
    into.active[v] = into.active[v] || !named[v];
  }
  return true;
}

std::optional<Listed> read_export(const Values& fields) {
  Listed out;
  const auto* id = at<std::uint64_t>(fields, 0);
  const auto* path = at<std::string>(fields, 1);
  if (id == nullptr || *id > 0xffffU || path == nullptr) return {};
  out.id = static_cast<std::uint16_t>(*id);
  out.name = *path;
  if (!read_flags(at<Values>(fields, 2), out)) return {};
  return out;
}

std::optional<Listed> read_client(const Values& fields) {
  Listed out;
  const auto* address = at<std::string>(fields, 0);
  if (address == nullptr || address->empty() || address->size() > kLongestAddress) return {};
  out.name = *address;
  if (!read_flags(at<Values>(fields, 1), out)) return {};
  return out;
}

template <typename Read, typename Key>
std::variant<std::vector<Listed>, Fault> list_of(const Values& answer, const char* what, Read read,
                                                 Key key) {
  const Values* items = at<Values>(answer, 1);
  if (items == nullptr || !instant(at<Values>(answer, 0))) {
    return Fault{std::string("its list of ") + what + " is not as expected"};
  }
  if (items->size() > kMaxListed) return Fault{std::string("it lists too many ") + what};
  std::vector<Listed> out;
  std::set<std::string> seen;
  for (const Value& item : *items) {
    const Values* fields = item.members();
    std::optional<Listed> one = fields == nullptr ? std::nullopt : read(*fields);
    if (!one) return Fault{std::string("its list of ") + what + " has an entry it should not"};
    if (!seen.insert(key(*one)).second) {
      return Fault{std::string("it lists one of its ") + what + " twice"};
    }
    out.push_back(*std::move(one));
  }
  return out;
}

/// transferred bytes and operations of a (tttttt).
bool read_direction(const Values* io, std::uint64_t& bytes, std::uint64_t& operations) {
  if (io == nullptr) return false;
  const auto* transferred = at<std::uint64_t>(*io, 1);
  const auto* total = at<std::uint64_t>(*io, 2);
  if (transferred == nullptr || total == nullptr) return false;
  bytes = *transferred;
  operations = *total;
  return true;
}

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

std::variant<std::vector<Listed>, Fault> decode_exports(const Values& answer) {
  return list_of(answer, "exports", read_export,
                 [](const Listed& one) { return std::to_string(one.id); });
}

std::variant<std::vector<Listed>, Fault> decode_clients(const Values& answer) {
  return list_of(answer, "clients", read_client, [](const Listed& one) { return one.name; });
}

bool says_gone(const std::string& text) {
  return std::any_of(kGone.begin(), kGone.end(),
                     [&](const char* gone) { return says(text, gone); });
}

std::variant<ExportPaths, Fault> decode_paths(const Values& answer) {
  const auto* full = at<std::string>(answer, 1);
  if (full == nullptr) return Fault{"its answer about an export's path is not as expected"};
  ExportPaths out{*full, {}, {}};
  if (const auto* pseudo = at<std::string>(answer, 2)) out.pseudo = *pseudo;
  if (const auto* tag = at<std::string>(answer, 3)) out.tag = *tag;
  return out;
}

std::variant<Statistics, Fault> decode_statistics(const Values& answer) {
  const auto* good = at<bool>(answer, 0);
  const auto* why = at<std::string>(answer, 1);
  if (good != nullptr && !*good && why != nullptr) return Fault{"it says: " + *why};
  const Values* nfs = at<Values>(answer, 2);
  const auto* on = nfs == nullptr ? nullptr : at<bool>(*nfs, 0);
  const auto since = nfs == nullptr ? std::nullopt : instant(at<Values>(*nfs, 1));
  if (good == nullptr || on == nullptr) return Fault{"its state of statistics is not as expected"};
  if (!*on) return Statistics{};
  if (!since) return Fault{"it does not say since when it keeps statistics"};
  return Statistics{true, *since};
}

IoAnswer decode_io(const Values& answer) {
  const auto* good = at<bool>(answer, 0);
  const auto* text = at<std::string>(answer, 1);
  if (good == nullptr || text == nullptr) return Fault{"its traffic is not as expected"};
  if (says(*text, "disabled")) return Fault{"it says: " + *text};
  if (!*good) {
    if (says(*text, "does not have any")) return NoActivity{};
    if (says_gone(*text)) return NotThere{};
    return Fault{"it says: " + *text};
  }
  Counted out;
  const auto since = instant(at<Values>(answer, 2));
  Traffic& traffic = out.traffic;
  if (!since ||
      !read_direction(at<Values>(answer, 3), traffic.read_bytes, traffic.read_operations) ||
      !read_direction(at<Values>(answer, 4), traffic.written_bytes, traffic.write_operations)) {
    return Fault{"its traffic is not as expected"};
  }
  out.since = *since;
  return out;
}

}  // namespace nfs
