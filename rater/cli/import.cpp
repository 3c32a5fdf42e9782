#include "rater/cli/import.hpp"

#include <unistd.h>

#include "app/exit.hpp"
#include "base/clock.hpp"
#include "rater/import.hpp"

namespace tallyman::rater::cli {
namespace {

constexpr Ns kClocksDiffer = kMinute;  ///< the daemon's clock decides: it may lead this one

}  // namespace

int import_file(const Target& target, const std::string& file, const std::string& agent,
                const std::string& kind) {
  if (::access(file.c_str(), R_OK) == 0) {
    const RealClock clock{};
    const auto as = kind == "slots" ? ImportKind::slots : ImportKind::readings;
    const auto tell = [](const Error& error) { app::complain("tallyman-rater", error); };
    const auto looked = check_import(file, agent, as, clock.wall() + kClocksDiffer, tell);
    if (!looked.ok() || looked->errors != 0) {
      app::complain("tallyman-rater", looked.ok()
                                          ? Error{std::to_string(looked->errors) +
                                                      " lines are wrong; nothing was imported",
                                                  file, "mend them and import again"}
                                          : looked.error());
      return app::kFound;
    }
  }
  return ask(target, "import", {{"file", file}, {"agent", agent}, {"kind", kind}});
}

}  // namespace tallyman::rater::cli
