#pragma once
// What a poll learns of one Ganesha, and how it is told. Pure but for whom it asks.
//
// All exports, or nothing: an answer that is missing makes the whole source a gap. An export that
// one poll lacked would otherwise seem to be made anew in the next. Likewise all clients, or none.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "book.hpp"
#include "caller.hpp"
#include "ganesha_answers.hpp"
#include "outlet.hpp"

namespace nfs {

/// An export or a client, with what it has moved by each protocol version.
struct Seen {
  Listed listed;
  ExportPaths paths;  ///< of an export; the full one is empty when Ganesha does not tell
  std::array<Traffic, kVersions> traffic{};
};

struct Snapshot {
  std::int64_t since = 0;  ///< when Ganesha's statistics began
  std::vector<Seen> exports, clients;
  std::string no_clients;  ///< why there are none, where they are not known
};

/// Asks for everything, anew when Ganesha was restarted, or its statistics reset, in between.
[[nodiscard]] std::variant<Snapshot, Failure> read_ganesha(Caller& caller, bool clients);

/// As the book wants them.
[[nodiscard]] std::vector<Sighting> sightings(const std::vector<Seen>& seen, std::int64_t since,
                                              bool exports);

/// Emits what was seen, with the lives that the book gave them.
void tell_exports(Outlet& out, const Snapshot& snapshot, const std::vector<Life>& lives,
                  std::uint32_t source);
void tell_clients(Outlet& out, const Snapshot& snapshot, const std::vector<Life>& lives,
                  std::uint32_t source);

}  // namespace nfs
