#pragma once
// From what a plugin host says to what the spool keeps. Polls are atomic: nothing of one leaves
// here before its end said OK. The host is not trusted: everything is checked, everything bounded.

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/host_protocol.hpp"
#include "agent/instance/handle_table.hpp"
#include "agent/spool/spool.hpp"
#include "wire/batch.hpp"
#include "wire/model.hpp"

namespace tallyman::agent {

/// Why something a host sent is not taken.
struct Fault {
  wire::Cause cause = wire::Cause::protocol;
  std::string why;
};
using Verdict = std::optional<Fault>;  ///< nothing = taken

struct RecorderLimits {
  std::size_t metrics = 1024;
  std::size_t options = 256;
  std::size_t readings = kMaxPollReadings;        ///< in one poll
  std::size_t handles = kMaxSeries;               ///< known at once
  std::size_t definitions = kMaxPollDefinitions;  ///< handles defined in one poll
  std::size_t parts = kMaxPollGaps;               ///< gaps named by one poll
  std::size_t part_bytes = 1U << 20U;             ///< of the gaps that these become
  std::size_t present = wire::kMaxPollValues;     ///< epochs read, or held by a gap
};

/// When and how a poll ran.
struct PollTimes {
  Ns scheduled = 0, wall = 0, boot = 0;
  bool in_time = true, stepped = false;
};

/// A good poll, ready for one page.
struct RecordedPoll {
  wire::Poll poll;
  std::vector<wire::Gap> gaps;  ///< the parts it named
  std::optional<PluginState> state;
};

/// Of one plugin instance, over all its hosts. Owned by an Instance; main thread.
class Recorder {
 public:
  Recorder(Dictionary& dictionary, std::string agent, std::string instance,
           const RecorderLimits& limits = {});

  /// A host declared its plugin: what the former host defined is forgotten. `definition` is what
  /// polls and gaps are written under from now on.
  [[nodiscard]] Verdict described(const Described& declaration,
                                  const wire::InstanceDef& definition);
  /// The same of a host that has to prove itself: adopt() before finish().
  [[nodiscard]] Verdict declared(const Described& declaration);

  [[nodiscard]] Verdict define(const Define& define);
  [[nodiscard]] Verdict readings(const Readings& readings);
  [[nodiscard]] Verdict part(PartGap&& part);
  [[nodiscard]] Verdict state(State&& state);

  /// The poll's end, when it is OK: everything since the last end is this poll's. What it gives is
  /// fit for a page. On a fault nothing of it counts, but `forgotten` is.
  [[nodiscard]] Verdict finish(const PollTimes& times, const std::vector<Handle>& forgotten,
                               RecordedPoll& out);
  /// The poll's end, when it is not OK.
  void abandon();

  /// What was read last, by whichever version, is known here too: before finish().
  void inherit(const Recorder& before) { present_ = before.present_; }
  /// The host whose recorder, of the same instance, this was is the instance's own from now on:
  /// what it defined, and what finish() gave, goes on here.
  void take_over(Recorder&& host);

  /// What finish() gave is in the spool; or it could not be taken, and never was.
  void committed();
  void lost();

  /// As values while no poll is given out, for a dictionary that holds the same numbers.
  struct Saved {
    wire::InstanceDef definition;
    HandleTable::Saved handles;
    std::map<Handle, wire::LabelValues> fresh_info;
    std::vector<wire::DefNo> sources;
    std::vector<wire::Value> values;
    std::vector<Handle> fresh;
    std::vector<PartGap> parts;
    std::optional<PluginState> state;
    std::size_t defined = 0;
    std::vector<wire::DefNo> present;
  };
  [[nodiscard]] Saved save() const;
  /// Goes on as if it had not been interrupted; `declaration`: of the host that runs, if it has
  /// declared anything. A fault, after which a host may declare anew, when that cannot be.
  [[nodiscard]] Verdict restore(const Saved& saved, const std::optional<Described>& declaration);

  [[nodiscard]] wire::DefNo instance() const { return instance_; }
  [[nodiscard]] const wire::InstanceDef& definition() const { return definition_; }
  /// Under what polls and gaps are written from now on.
  void adopt(const wire::InstanceDef& definition);

 private:
  [[nodiscard]] wire::DefNo source(wire::Scope scope, const std::string& id);
  [[nodiscard]] Verdict check_source(wire::Scope scope, const std::string& id) const;
  [[nodiscard]] Verdict sort_values(std::vector<wire::Value>& values) const;
  [[nodiscard]] Verdict fill(const PollTimes& times, RecordedPoll& out);
  [[nodiscard]] Verdict find_ended(RecordedPoll& out);
  [[nodiscard]] bool covered(wire::DefNo epoch,
                             const std::unordered_set<wire::DefNo>& subjects) const;
  [[nodiscard]] Verdict write_parts(Ns scheduled, std::vector<wire::Gap>& gaps);
  using Part = std::pair<wire::DefNo, wire::DefNo>;  ///< source and metric
  [[nodiscard]] std::map<Part, std::vector<wire::DefNo>> present_series() const;
  void record_info(Ns scheduled);
  [[nodiscard]] std::string epoch_name(wire::DefNo epoch) const;
  [[nodiscard]] bool resolves(const Saved& saved) const;

  Dictionary& dictionary_;
  std::string agent_;
  std::string name_;
  RecorderLimits limits_;
  wire::InstanceDef definition_;
  wire::DefNo instance_ = 0;

  // Of the present host.
  struct Metric {
    wire::DefNo number = 0;
    wire::Kind kind = wire::Kind::counter;
    std::string name;
    std::size_t identity = 0, info = 0;  ///< label counts
  };
  std::vector<Metric> metrics_;
  HandleTable handles_;
  std::unordered_map<Handle, wire::LabelValues> fresh_info_;
  std::unordered_set<wire::DefNo> sources_;  ///< seen from this host

  // Of the poll under way.
  std::vector<wire::Value> values_;
  std::vector<Handle> fresh_;  ///< handles read for the first time
  std::vector<PartGap> parts_;
  std::optional<PluginState> state_;
  std::size_t defined_ = 0;

  std::vector<wire::DefNo> present_;    ///< epochs of the last committed poll, ascending
  std::vector<wire::DefNo> candidate_;  ///< of the poll given out, until committed() or lost()
};

}  // namespace tallyman::agent
