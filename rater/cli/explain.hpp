#pragma once
// `tallyman-rater explain`: asks no daemon; reads the ledger's file as it stands.

#include <string>
#include <vector>

#include "rater/views/explain.hpp"

namespace tallyman::rater::cli {

struct ExplainQuestion {
  std::vector<std::string> record;  ///< an id, or customer, meter and period
  std::string slot;                 ///< RFC 3339: all intervals of the slot that holds this instant
  bool full = false;                ///< all intervals of all slots
  bool json = false;
};

/// The exit status: 0 when the record's quantity is reproduced and the chain is whole.
int explain(const std::string& ledger, const ExplainQuestion& question);

/// Sections for people; what differs is marked.
[[nodiscard]] std::string explanation_text(const Explanation& explanation, bool colour);
/// The same as one JSON document, with every slot.
[[nodiscard]] std::string explanation_json(const Explanation& explanation);

/// "stor-01/0a1b2c3d batch 17", of a reading.
[[nodiscard]] std::string origin_of(const Explanation& explanation, std::uint32_t stream,
                                    std::uint64_t batch);

}  // namespace tallyman::rater::cli
