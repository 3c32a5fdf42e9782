// libraries: rater_core
// Given any text as a decision in the audit log, or as a resource to waive, then reading it ends
// with an error or with something that its own text reads back to.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "rater/decisions/decisions.hpp"

namespace {

using namespace tallyman::rater;

Decisions read(const char* kind, const std::string& what, bool& ok) {
  Decisions out;
  AuditEntry entry;
  entry.kind = kind;
  entry.what = what;
  ok = take_in(entry, out).ok();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  bool ok = false;
  const Decisions accepted = read(kAnomalyAccept, text, ok);
  if (ok) {
    const AnomalyContent& anomaly = accepted.accepted.at(0);
    if (!(read(kAnomalyAccept, what_of(anomaly), ok).accepted.at(0) == anomaly)) std::abort();
  }
  const Decisions waived = read(kWaive, text, ok);
  if (ok && !waived.waivers.empty()) {
    const Waiver& waiver = waived.waivers.at(0);
    if (!(read(kWaive, what_of(waiver, false), ok).waivers.at(0) == waiver)) std::abort();
  }
  (void)read(kCorrect, text, ok);
  if (const auto waiver = waiver_of(text, 0, 1)) {
    const auto again = waiver_of(resource_text(*waiver), 0, 1);
    if (!again || !(*again == *waiver)) std::abort();
  }
  return 0;
}
