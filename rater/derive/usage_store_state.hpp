#pragma once
// The usage store's inside. Private to usage_store*.cpp.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "rater/derive/usage_store.hpp"

namespace tallyman::rater {

struct UsageStore::State {
  /// How far a stream has been derived.
  struct Done {
    std::uint64_t sequence = 0;
    Hash hash = kNoHash;
    Ns watermark = 0;
    wire::DefNo defined = 0;  ///< definitions given to the Deriver since it was loaded
    std::map<wire::DefNo, wire::InstanceDef> instances{};  ///< of those
    bool dirty = false;
  };
  struct Agent {
    explicit Agent(Deriver loaded) : deriver(std::move(loaded)) {}
    Deriver deriver;
    std::unordered_map<std::uint64_t, std::int64_t>
        views;  ///< the Deriver's number → usage_view.id
    /// A view that has witnesses.
    struct Shared {
      SeriesKey series;
      Ns resolution = 0;
      std::int64_t told = -1;  ///< slots before this one can count against others; -1 = unknown
    };
    std::unordered_map<std::uint64_t, Shared> shared;  ///< by the Deriver's number
    std::map<std::string, Ns> beats;         ///< by instance: the longest told since it was loaded
    std::map<std::string, Ns> longer_beats;  ///< of those, what is not kept yet
    bool dirty = false;
  };
  /// One stream with batches to derive.
  struct Work {
    std::int64_t stream = 0;
    std::uint64_t until = 0;  ///< no batch beyond this sequence number
    bool imported = false;
    std::deque<StoredBatch> fetched{};
    std::uint64_t fetched_to = 0;
    bool exhausted = false;
  };

  State(Ledger& ledger_in, Intake& intake_in, Ns slot_in)
      : ledger(ledger_in), intake(intake_in), slot(slot_in) {}

  Ledger& ledger;
  Intake& intake;
  Ns slot;
  std::map<std::int64_t, Done> done;                     ///< by stream
  std::map<std::string, std::unique_ptr<Agent>> agents;  ///< those met since the start
  std::map<std::string, Error> stuck;  ///< agents whose next batch cannot be derived
  Kept kept;                           ///< told what an advance() may change; may be empty
  std::uint64_t comparing = 0;         ///< series
  std::optional<Span> touched{};       ///< by what a transaction keeps
  std::string next;  ///< the agent to begin with: none waits behind another for ever

  Status check_slot();
  Status load_marks();
  Result<Progress> advance(const std::map<std::int64_t, std::uint64_t>* until,
                           std::size_t max_batches);
  /// Forgets what was derived but not kept.
  Status rolled_back();

  Result<std::map<std::string, std::vector<Work>>> waiting(
      const std::map<std::int64_t, std::uint64_t>* until);
  /// Adds to `batches` what it derived, up to `limit`; an error leaves that as it is.
  Status derive(const std::string& name, std::vector<Work>& work, std::size_t limit,
                std::size_t& batches);
  void stop(const std::string& agent, const Error& error);
  Status fetch(Work& work);
  Status apply(Agent& agent, Work& work);
  /// How often the instances poll that the batch tells of.
  static void learn_beats(Agent& agent, const Done& stream, const wire::Batch& batch);
  Result<Agent*> agent(const std::string& name);

  /// Some of what witnesses have to be compared in anew.
  Status compare_past();
  Status count_to_compare();
  /// Before the past is compared: how often instances poll, as they told when they were derived.
  Status recall_beats();
  Status persist();
  /// Widens `touched` by what was derived.
  void touch(const Derived& derived);
  void touch(Ns from, Ns to);
  Status persist(const std::string& name, Agent& agent);
  Status persist_views(Agent& agent, const Derived& derived);
  Status persist_seen(Agent& agent, const Derived& derived);
  Status persist_usage(Agent& agent, const Derived& derived);
  /// Views, when they were seen, and their slots.
  Status keep_slots(Agent& agent, const Derived& derived);
  /// The same; witnesses of shared series are compared again.
  Status persist_slots(const std::string& name, Agent& agent, const Derived& derived);
  Status persist_events(const std::string& name, Agent& agent, const Derived& derived);
};

}  // namespace tallyman::rater
