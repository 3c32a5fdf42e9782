#pragma once
// The rater's Unix socket: {"command":NAME, …} in, one JSON document a line out.
//
//   status {"follow":bool}          status.hpp; with follow one each second until the client goes
//   usage {"customer","period"}     billing.hpp, as are the following; "" or absent = its default
//   statement {"customer","period"}
//   close | release {"period","why"} · review {"period","against","unattributed"}
//   periods · records {"period"} · outbox
//   import {"file","agent","kind","why"}
//                                   import_job.hpp: a regular file of readings of at most 1 GiB, by
//                                   its absolute path; first {"mistake":TEXT} for each line that is
//                                   wrong. With a "progress" also {"progress":{"what","done",
//                                   "total"}}, a few times a second. A client that goes ends it
//   agent ls · agent ls pending     status.hpp
//   agent approve {"whom","as","why"} | agent revoke {"whom","why"}
//   agent replace {"agent","key","why"} | agent move | agent retire {"agent","why"}
//                                   intake/key_table.hpp
//   catalogue apply {"files":[{"name","text"}],"adjust":bool,"why"} | diff {"files"} | log
//   anomaly ls {"open"} | accept {"id","why"} | reject {"id","why"}
//   waive {"resource","from","to","withdraw","why"} · correct {"record","quantity","why"}
//   outbox retry · outbox skip {"id","why"}
//   audit log {"from"}              decisions/request.hpp; first {"mistake":TEXT} for each mistake
//                                   in the files. Their text is sent, and no path: the rater reads
//                                   nothing for people that these may not read themselves
//
// close, release, import, apply, waive, correct, outbox retry, skip and resend, and the decisions
// on agents and anomalies are for those whom control_rights.hpp allows, are logged with the user's
// name and, but for retry, want a "why"; the rest is for everybody who may connect. A request is
// one line of at most 32 MiB, of 64 KiB where it has no files; those that are being sent have at
// most 64 MiB together, and so have the questions that wait, and the decisions.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/control.hpp"
#include "app/loop.hpp"
#include "rater/import_job.hpp"
#include "rater/status.hpp"

namespace tallyman::rater {

/// Owned by the daemon, on the loop's thread; everything it is handed outlives it.
class Control {
 public:
  static Result<std::unique_ptr<Control>> open(app::EventLoop& loop, const std::string& path,
                                               StatusParts parts);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

 private:
  Control(app::EventLoop& loop, StatusParts parts) : loop_(loop), parts_(std::move(parts)) {}
  void answer(const std::shared_ptr<app::ControlSession>& session, std::string_view request);
  void follow();
  void begin_import(const std::shared_ptr<app::ControlSession>& session,
                    const ImportRequest& request, bool progress);

  app::EventLoop& loop_;
  StatusParts parts_;
  std::unique_ptr<app::ControlServer> server_;
  std::vector<std::shared_ptr<app::ControlSession>> followers_;
  app::TimerId timer_ = 0;
  std::unique_ptr<ImportJob> import_;  ///< the last one
};

}  // namespace tallyman::rater
