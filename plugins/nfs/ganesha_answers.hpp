#pragma once
// What NFS-Ganesha answers over D-Bus, decoded, pure: a tree of values → exports, clients,
// counters.
//
// Seen with Ganesha 4.3; what later versions append to a struct is left alone.
//
//   ShowExports      (tt), a of (q id, s path, (of (s protocol, b has been active)), (tt))
//   ShowClients      (tt), a of (s address, (of (s protocol, b has been active)), (tt))
//   DisplayExport    q id, s full path, s pseudo path, s tag, …
//   StatusStats      b, s, (b NFS statistics are on, (tt) since), …
//   GetNFSvXIO       b, s, (tt) since, (t requested, t transferred, t operations, t errors, …)
//                    read, the same written; or b false, s why
//
// Of an export that has gone DisplayExport is a D-Bus error, InvalidArgs, with the text as below.
//
// (tt) are seconds and nanoseconds since 1970. Statistics that are off are only told by StatusStats
// or by the text of an answer that may otherwise look good; then nothing is known.

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "fault.hpp"
#include "value.hpp"

namespace nfs {

/// Protocol versions, in the order of kVersionNames.
constexpr std::size_t kVersions = 4;
struct VersionName {
  const char* label;   ///< as our label says it
  const char* flag;    ///< as ShowExports names it
  const char* method;  ///< that asks for its traffic
};
inline constexpr std::array<VersionName, kVersions> kVersionNames{
    {{"3", "NFSv3", "GetNFSv3IO"},
     {"4.0", "NFSv40", "GetNFSv40IO"},
     {"4.1", "NFSv41", "GetNFSv41IO"},
     {"4.2", "NFSv42", "GetNFSv42IO"}}};

/// An export, or a client, of ShowExports or ShowClients.
struct Listed {
  std::uint16_t id = 0;  ///< of an export
  std::string name;      ///< an export's path as Ganesha shows it, a client's address
  std::array<bool, kVersions> active{};   ///< it has moved something, or may have
  std::array<bool, kVersions> unnamed{};  ///< it may: the version is not named
  friend bool operator==(const Listed&, const Listed&) = default;
};

struct ExportPaths {
  std::string full, pseudo, tag;
  friend bool operator==(const ExportPaths&, const ExportPaths&) = default;
};

/// Whether NFS statistics are kept, and since when; nanoseconds since 1970.
struct Statistics {
  bool on = false;
  std::int64_t since = 0;
  friend bool operator==(const Statistics&, const Statistics&) = default;
};

struct Traffic {
  std::uint64_t read_bytes = 0, written_bytes = 0, read_operations = 0, write_operations = 0;
  friend bool operator==(const Traffic&, const Traffic&) = default;
};

/// An answer to GetNFSvXIO.
struct Counted {
  std::int64_t since = 0;
  Traffic traffic;
  friend bool operator==(const Counted&, const Counted&) = default;
};
struct NoActivity {};  ///< zero, known
struct NotThere {};    ///< no such export or client: it has ended
using IoAnswer = std::variant<Counted, NoActivity, NotThere, Fault>;

constexpr std::size_t kMaxListed = 65'536;

[[nodiscard]] std::variant<std::vector<Listed>, Fault> decode_exports(const Values& answer);
[[nodiscard]] std::variant<std::vector<Listed>, Fault> decode_clients(const Values& answer);
[[nodiscard]] std::variant<ExportPaths, Fault> decode_paths(const Values& answer);
[[nodiscard]] std::variant<Statistics, Fault> decode_statistics(const Values& answer);
[[nodiscard]] IoAnswer decode_io(const Values& answer);
/// Whether this says that there is no such export or client.
[[nodiscard]] bool says_gone(const std::string& text);

}  // namespace nfs
