#include "rater/decisions/import_entry.hpp"

namespace tallyman::rater {

Result<bool> ImportEntry::noted(const ImportContent& content) {
  Statement select = log_.database().prepare(
      "SELECT 1 FROM audit WHERE kind = ? AND json_extract(what, '$.stream') = ?"
      " AND json_extract(what, '$.agent') = ? LIMIT 1");
  select.bind(1, std::string_view(kImport)).bind(2, content.stream).bind(3, content.agent);
  return select.step();
}

Status ImportEntry::note(const ImportContent& content, Ns at) {
  const Result<bool> there = noted(content);
  if (!there) return there.error();
  if (*there) return {};
  const Result<AuditMark> kept = log_.append(kImport, what_of(content), decision_, at);
  return kept ? Status() : kept.error();
}

}  // namespace tallyman::rater
