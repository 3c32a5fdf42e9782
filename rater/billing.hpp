#pragma once
// Billing as the daemon sees it: one object that derives, closes, releases and publishes in bounded
// steps, and answers the command line.
//
// Tables: catalogue(n, version, applied, text), append-only · period(id, start, end, state, …) with
// period_stream (its cut) and record (its records, drafts until the period is released) ·
// outbox(n, id, …): what has to go onto the bus, in order.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "rater/bus/amqp_options.hpp"
#include "rater/decisions/request.hpp"
#include "rater/intake/intake.hpp"
#include "rater/ledger/ledger.hpp"

namespace tallyman::rater {

struct BillingOptions {
  Ns slot = 5 * kMinute;
  bool close_automatically = false;
  Ns grace = kHour;  ///< after a period's end, before it closes without those still awaited
  bool release_automatically = false;
  std::string bus_type = "file";  ///< or "amqp"; or "none": what is released goes nowhere
  std::string bus_file;           ///< file bus: where records are appended
  AmqpOptions amqp;               ///< amqp bus
  std::string catalogue_path;     ///< may be empty: nothing is rated
  /// What is committed is derived so much later, or before a period is closed or released: each
  /// time costs a row for every series that it brings, and the derivation's snapshot. 0 = at every
  /// tick.
  Ns derive_every = 0;
  Ns close_step = 50 * kMillisecond;  ///< so long what rates keeps the loop busy at a time
  std::size_t batches_per_tick = 64;
  std::size_t messages_per_tick = 256;
};

/// Owned by the daemon, on the loop's thread, between transactions. Ledger, Intake and Clock
/// outlive it. Everything it answers is one JSON document.
class Billing {
 public:
  /// Makes its tables, begins to read the catalogue and opens the bus. Until it is read, and when
  /// it cannot be, the one that was in force last is, and status_json() shows why; only where there
  /// was none yet it is read before this returns, and is an Error if it cannot be, which lists
  /// every mistake in it, a line each. What a crash left half-published is finished by the first
  /// tick().
  static Result<std::unique_ptr<Billing>> open(Ledger& ledger, Intake& intake,
                                               BillingOptions options, const Clock& clock);
  ~Billing();
  Billing(const Billing&) = delete;
  Billing& operator=(const Billing&) = delete;

  /// Reads the catalogue's file again; on any mistake the one in force stays, and status_json()
  /// shows why. Once a period is closed, period rule and zones cannot change, and what would alter
  /// a released period's records is refused. A file that is as it was when it last came into force
  /// changes nothing: people have decided since. It takes its turn, as do those below; `done` is
  /// told once how it ended.
  void reload_catalogue(std::function<void(const Status&)> done);
  /// Bounded steps: derive, close what is due, release when automatic, publish. One that fails
  /// keeps none of the others from running, is logged once, shown by status_json() and tried again
  /// at the next tick. By itself a draft is released once it is what would be rated now, and either
  /// nobody's data is awaited or the grace has passed; until then it is closed again as they come.
  void tick();
  /// True when the last tick left work behind: call it again soon, else once a second.
  [[nodiscard]] bool more_to_do() const;
  /// Called when something was begun between ticks, and wants the next one soon.
  void on_work(std::function<void()> wake);

  /// An import that commits, block by block: of a period that begins before the latest instant it
  /// tells of, nothing is closed, adjusted or released by itself meanwhile (a counter's first
  /// reading may reach back to its last one before). `running` is asked for it at any time;
  /// nothing: there is none.
  struct Importing {
    std::string file;
    Ns to = 0;
  };
  void while_importing(std::function<std::optional<Importing>()> running);

  /// What rates, or changes what is rated by, takes its turn, and is done in bounded steps, of
  /// which tick() does the further ones: the answer is told once, in this call or a later tick();
  /// never, when the rater ends before. What only asks, and decides nothing, is dropped without an
  /// answer once `wanted` says no; empty: it is wanted.
  using Wanted = std::function<bool()>;
  using Answer = std::function<void(const Result<std::string>&)>;
  using DecisionAnswer = std::function<void(const DecisionRequest&, const Result<std::string>&)>;
  void close(const std::string& period, const Decision& decision, Answer answer);
  void release(const std::string& period, const Decision& decision, Answer answer);
  void decide(const DecisionRequest& request, const DecisionAnswer& answer, Wanted wanted = {});
  void usage_json(const std::string& customer, const std::string& period, Answer answer,
                  Wanted wanted = {});
  void statement_json(const std::string& customer, const std::string& period, Answer answer,
                      Wanted wanted = {});

  /// Those below are answered in the call: of those above after all that waits before them.
  ///
  [[nodiscard]] Status reload_catalogue();
  /// Makes drafts of a period that has ended, and remakes those of a draft; "" = the earliest one
  /// that is not released. It does not wait: who is missing stands on the records and in the
  /// answer.
  [[nodiscard]] Result<std::string> close(const std::string& period,
                                          const Decision& decision = by_itself());
  /// Makes a draft immutable and queues it for the bus; "" = the earliest draft. Refused when
  /// rating would give something else now: the catalogue has changed, or usage has come.
  [[nodiscard]] Result<std::string> release(const std::string& period,
                                            const Decision& decision = by_itself());
  /// Every customer of a period with quantity, coverage and amount; unattributed usage; conflicts;
  /// who is awaited. "" = the latest one that is closed.
  [[nodiscard]] Result<std::string> review(const std::string& period);

  /// People's decisions, and what they look at first: request.hpp. Mistakes of a catalogue come
  /// back in the request, a line each.
  [[nodiscard]] Result<std::string> decide(DecisionRequest& request);

  /// Running figures of one customer, or "" = all of them, for a period ("" = the running one).
  [[nodiscard]] Result<std::string> usage_json(const std::string& customer,
                                               const std::string& period);
  /// One customer's statement (views/statement.hpp) of a closed period, or the running figures of
  /// one that is not ("" = the running one).
  [[nodiscard]] Result<std::string> statement_json(const std::string& customer,
                                                   const std::string& period);
  /// {"periods":[{"id","start","end","state","records",…}]}, earliest first.
  [[nodiscard]] Result<std::string> periods_json();
  /// {"records":[…]} of one period, as they stand on the bus or would.
  [[nodiscard]] Result<std::string> records_json(const std::string& period);
  /// {"outbox":[{"n","id","routing_key","period","state"}]}: what has not been confirmed yet.
  [[nodiscard]] Result<std::string> outbox_json();
  /// Tries at once what the bus would try later; the state of the bus comes back.
  [[nodiscard]] Result<std::string> retry_outbox();
  /// A descriptor that is readable when the bus has something for the next tick(); -1: none.
  [[nodiscard]] int bus_news() const;
  /// For `tallyman-rater status`: catalogue, running period, who is awaited, outbox, bus, error.
  [[nodiscard]] Result<std::string> status_json();

 private:
  struct State;
  explicit Billing(std::unique_ptr<State> state);
  [[nodiscard]] static Decision by_itself();
  [[nodiscard]] Status start_catalogue();
  [[nodiscard]] Result<std::string> at_once(const std::function<void(Answer)>& begin);
  std::unique_ptr<State> state_;
};

}  // namespace tallyman::rater
