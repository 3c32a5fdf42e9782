#include "rater/cli/statement.hpp"

#include <cstdio>

#include "app/exit.hpp"
#include "app/table.hpp"
#include "rater/views/statement.hpp"

namespace tallyman::rater::cli {
namespace {

int show(const Target& target, const std::string& customer, const std::string& period,
         const std::string& format) {
  const auto answer =
      call(target.socket, "statement", {{"customer", customer}, {"period", period}});
  Status done = answer.ok() ? Status() : Status(answer.error());
  std::string text;
  if (answer.ok() && format == "json") {
    text = *answer + "\n";
  } else if (answer.ok()) {
    const auto statement = read_statement(*answer);
    if (!statement.ok()) {
      done = statement.error();
    } else if (format == "html") {
      text = statement_html(*statement);
    } else {
      text = format == "usage" ? usage_text(*statement, app::stdout_has_colour())
                               : statement_text(*statement, app::stdout_has_colour());
    }
  }
  if (!done.ok()) {
    app::complain("tallyman-rater", done.error());
    return app::kFound;
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return app::kDone;
}

}  // namespace

int statement(const Target& target, const std::string& customer, const std::string& period,
              const std::string& format) {
  return show(target, customer, period, target.json ? "json" : format);
}

int usage_of_customer(const Target& target, const std::string& customer,
                      const std::string& period) {
  return show(target, customer, period, target.json ? "json" : "usage");
}

}  // namespace tallyman::rater::cli
