#include "rater/cli/import.hpp"

#include <unistd.h>

#include <filesystem>

#include "app/exit.hpp"
#include "base/clock.hpp"
#include "rater/cli/progress.hpp"
#include "rater/import.hpp"

namespace tallyman::rater::cli {
namespace {

constexpr std::uint64_t kWorthIt = std::uint64_t{1} << 20U;  ///< bytes, to tell progress of
constexpr Ns kClocksDiffer = kMinute;  ///< the daemon's clock decides: it may lead this one

}  // namespace

int import_file(const Target& target, const std::string& file, const std::string& agent,
                const std::string& kind, const std::string& why) {
  if (::access(file.c_str(), R_OK) == 0) {
    const RealClock clock{};
    const auto as = kind == "slots" ? ImportKind::slots : ImportKind::readings;
    ProgressTeller teller;
    const auto tell = [&](const Error& error) {
      teller.wipe();
      app::complain("tallyman-rater", error);
    };
    std::error_code none;
    const std::uint64_t size = std::filesystem::file_size(file, none);
    const auto progress = [&](std::uint64_t bytes) {
      if (size >= kWorthIt && !target.json) teller.tell("bytes checked", bytes, size);
      return true;
    };
    const auto looked = check_import(file, agent, as, clock.wall() + kClocksDiffer, tell, progress);
    teller.wipe();
    if (!looked.ok() || looked->errors != 0) {
      app::complain("tallyman-rater", looked.ok()
                                          ? Error{std::to_string(looked->errors) +
                                                      " lines are wrong; nothing was imported",
                                                  file, "mend them and import again"}
                                          : looked.error());
      return app::kFound;
    }
  }
  Fields fields{{"file", file}, {"agent", agent}, {"kind", kind}, {"why", why}};
  if (!target.json) fields.emplace_back("progress", "yes");
  return ask(target, "import", fields);
}

}  // namespace tallyman::rater::cli
