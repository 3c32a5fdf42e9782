// Given any bytes as a list of received records, then each line is an error that names its place,
// or an id of 64 digits; and reconciling them with a period tells each id at most once per kind.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string>

#include "rater/views/reconcile.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tallyman::rater;
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  const Received list = read_received(in);
  for (const auto& error : list.errors) {
    if (error.where.find(':') == std::string::npos) std::abort();
  }
  for (const ReceivedId& line : list.lines) {
    if (line.id.size() != 64) std::abort();
  }
  const Reconciliation done = reconcile({}, &list.lines);
  std::set<std::string> unknown;
  for (const Unreconciled& finding : done.findings) {
    if (finding.what == Unreconciled::What::two_contents) continue;
    if (finding.what != Unreconciled::What::unknown) std::abort();
    if (!unknown.insert(finding.id).second) std::abort();
  }
  if (unknown.size() + done.elsewhere + done.repeated != list.lines.size()) std::abort();
  return 0;
}
