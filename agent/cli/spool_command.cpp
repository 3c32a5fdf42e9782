#include "agent/cli/spool_command.hpp"

#include <unistd.h>

#include <cstdio>

#include "agent/cli/spool_view.hpp"
#include "agent/spool/spool_mend.hpp"
#include "app/exit.hpp"
#include "app/table.hpp"
#include "base/clock.hpp"

namespace tallyman::cli {
namespace {

constexpr std::uint64_t kWorthProgress = 64U << 20U;

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int refuse(const Error& error, app::Exit exit = app::kUsage) {
  app::complain("tallyman", error);
  return exit;
}

/// On a terminal, for large spools.
agent::SpoolProgress progress() {
  if (isatty(STDERR_FILENO) != 1) return {};
  return [](std::uint64_t done, std::uint64_t total) {
    if (total < kWorthProgress) return;
    std::fprintf(stderr, "\r%s of %s%s", app::human_bytes(done).c_str(),
                 app::human_bytes(total).c_str(), done >= total ? "\r\x1b[K" : "\x1b[K");
  };
}

int left_out(const agent::DumpDone& done) {
  for (const auto& what : done.left_out)
    std::fprintf(stderr, "tallyman: left out: %s\n", what.c_str());
  if (done.unknown > 0)
    std::fprintf(stderr, "tallyman: left out: %llu readings and gaps whose definitions are lost\n",
                 static_cast<unsigned long long>(done.unknown));
  return done.left_out.empty() && done.unknown == 0 ? app::kDone : app::kFound;
}

}  // namespace

int spool_ls(const SpoolCommand& command) {
  const auto report = agent::verify_spool(real_files(), command.directory, progress());
  if (!report) return refuse(report.error());
  print(command.json ? spool_json(*report) + "\n"
                     : spool_table(*report, RealClock().wall(), app::stdout_has_colour()));
  return app::kDone;
}

int spool_verify(const SpoolCommand& command) {
  const auto report = agent::verify_spool(real_files(), command.directory, progress());
  if (!report) return refuse(report.error());
  if (command.json) {
    print(spool_json(*report) + "\n");
    return report->damages == 0 ? app::kDone : app::kFound;
  }
  for (const auto& finding : report->findings)
    print((finding.damage ? "damage: " : "note: ") + finding_text(finding) + "\n");
  print(command.directory + ": " + std::to_string(report->segments.size()) + " segments, " +
        std::to_string(report->batches) + " batches, " + app::human_bytes(report->bytes) + ": " +
        (report->damages == 0 ? "whole\n" : std::to_string(report->damages) + " damages\n"));
  return report->damages == 0 ? app::kDone : app::kFound;
}

int spool_dump(const SpoolCommand& command) {
  const auto done =
      command.raw ? agent::dump_batches(
                        real_files(), command.directory, command.range,
                        [](const agent::DumpedBatch& batch) { print(batch_json(batch) + "\n"); })
                  : agent::dump_readings(real_files(), command.directory, command.range,
                                         [](const std::string& line) { print(line + "\n"); });
  if (!done) return refuse(done.error());
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    return refuse({"cannot write the dump", "standard output", "see that there is room for it"},
                  app::kFound);
  return left_out(*done);
}

int spool_repair(const SpoolCommand& command) {
  const auto looked = agent::look_at_spool(real_files(), command.directory);
  if (!looked) return refuse(looked.error());
  const auto mended =
      agent::mend_spool(real_files(), command.directory, RealClock(), command.dry_run);
  if (!mended) return refuse(mended.error(), app::kFound);
  const std::string would = command.dry_run ? "would: " : "";
  for (const auto& note : mended->notes) print(would + note + "\n");
  for (const auto& path : mended->removed)
    print(would + path + ": acknowledged as a whole, and removed\n");
  if (mended->quarantined > 0)
    print(would + std::to_string(mended->quarantined) + " files set aside in " + command.directory +
          "/quarantine\n");
  if (mended->notes.empty() && mended->removed.empty())
    print(command.directory + ": nothing to repair\n");
  return app::kDone;
}

}  // namespace tallyman::cli
