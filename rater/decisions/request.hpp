#pragma once
// What people ask of billing, as the socket carries it: plain values.
//
//   catalogue apply   files, adjust           catalogue diff   files
//   catalogue log                             audit log        from (the number to begin after)
//   review            period, against, unattributed ("" = without its series)
//   anomaly ls        open ("" = all)         anomaly accept | reject   id (it may be cut short)
//   waive             resource, from, to, withdraw ("" = no)
//   correct           record (an id, maybe cut short), quantity ("" = as computed after all)
//   outbox skip       id (it may be cut short)
//   outbox resend     id (the same; or a period's name: all of it)

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "rater/decisions/audit_log.hpp"
#include "rater/rating/catalogue.hpp"

namespace tallyman::rater {

struct DecisionRequest {
  std::string command;
  std::map<std::string, std::string> fields;
  bool adjust = false;
  std::vector<CatalogueFile> files;
  Decision decision;
  std::vector<std::string> mistakes;  ///< of the files, in answer: "file:line:column: …"

  /// Of texts that came with it.
  [[nodiscard]] std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& [name, value] : fields) sum += name.size() + value.size();
    for (const CatalogueFile& file : files) sum += file.name.size() + file.text.size();
    return sum;
  }
  [[nodiscard]] std::string field(const std::string& name) const {
    const auto it = fields.find(name);
    return it == fields.end() ? std::string() : it->second;
  }
};

}  // namespace tallyman::rater
