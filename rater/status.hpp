#pragma once
// What `tallyman-rater status` shows, as one JSON document. Pure but for reading the ledger.

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "rater/billing.hpp"
#include "rater/intake/intake.hpp"
#include "rater/intake/key_table.hpp"
#include "rater/intake/session_table.hpp"
#include "rater/ledger/ledger.hpp"

namespace tallyman::rater {

struct StatusParts {
  Ledger& ledger;
  Intake& intake;
  KeyTable& keys;
  Billing& billing;
  const SessionTable& sessions;
  std::string listen;
  bool encrypted = false;
  Ns slot = 0;
  Ns started_boot = 0;
};

/// {"program","version","pid","time","uptime_seconds","listen","encrypted","slot","ledger":{"path","id",
/// "bytes"},"agents":[{"agent","state","incarnation","incarnations","software","mark","watermark",
/// "last_received","last_heard","clock_offset_ms","clock","batches","bytes","refused","note","noted"}],"pending",
/// "billing","trouble"}. Ids and counts of bytes are decimal strings; an instant that is not known
/// is left out. `state`: connected · silent (in session, nothing heard for 30 s) · refused · absent
/// (not heard since the rater runs; imports too). `clock`: good · off (> 1 s) · wrong (> 30 s).
[[nodiscard]] Result<std::string> status_json(const StatusParts& parts, const Clock& clock);

/// {"keys":[{"agent","state","key","first_seen","last_seen","decided","by","why"}],"moves":[{"agent",
/// "decided","by","why"}]}; with `pending` the keys that wait alone.
[[nodiscard]] Result<std::string> agents_json(KeyTable& keys, bool pending);
/// One key as above.
[[nodiscard]] std::string agent_json(const AgentKey& key);

}  // namespace tallyman::rater
