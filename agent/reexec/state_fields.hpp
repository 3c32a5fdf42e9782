#pragma once
// The fields of everything in an AgentState, in the order in which they are written. A change here
// is a change of kStateVersion.

#include "agent/reexec/fields.hpp"
#include "agent/reexec/spool_fields.hpp"
#include "agent/reexec/state.hpp"

// Above every value of each enum.
namespace tallyman::wire {

constexpr std::int64_t end_of(Cause) { return static_cast<int>(Cause::clock) + 1; }
constexpr std::int64_t end_of(Kind) { return static_cast<int>(Kind::gauge) + 1; }
constexpr std::int64_t end_of(Scope) { return static_cast<int>(Scope::shared) + 1; }

}  // namespace tallyman::wire

namespace tallyman::agent {

constexpr std::int64_t end_of(PluginPhase) { return kPluginPhases; }
constexpr std::int64_t end_of(PluginEvent) { return kPluginEvents; }
constexpr std::int64_t end_of(Strategy) { return 3; }

// ---- configuration ------------------------------------------------------------------------------

template <typename Archive>
void fields(Archive& archive, HostOption& option) {
  auto& [key, values] = option;
  archive(key, values);
}

template <typename Archive>
void fields(Archive& archive, Limits& limits) {
  auto& [memory, descriptors, processes, cpu, readings, bytes, log_lines] = limits;
  archive(memory, descriptors, processes, cpu, readings, bytes, log_lines);
}

template <typename Archive>
void fields(Archive& archive, Needs& needs) {
  auto& [user, capabilities, paths, network] = needs;
  archive(user, capabilities, paths, network);
}

template <typename Archive>
void fields(Archive& archive, User& user) {
  auto& [uid, gid, name] = user;
  archive(uid, gid, name);
}

template <typename Archive>
void fields(Archive& archive, InstanceConfig& config) {
  auto& [name, file, plugin, enabled, interval, deadline, limits, grants, user, restart, options] =
      config;
  archive(name, file, plugin, enabled, interval, deadline, limits, grants, user, restart, options);
}

// ---- what a host said ---------------------------------------------------------------------------

template <typename Archive>
void fields(Archive& archive, wire::MetricDef& metric) {
  auto& [name, unit, help, kind, resolution, identity, info] = metric;
  archive(name, unit, help, kind, resolution, identity, info);
}

template <typename Archive>
void fields(Archive& archive, OptionDef& option) {
  auto& [key, fallback, help] = option;
  archive(key, fallback, help);
}

template <typename Archive>
void fields(Archive& archive, Described& described) {
  auto& [name, version, abi_minor, state_version, metrics, options, needs] = described;
  archive(name, version, abi_minor, state_version, metrics, options, needs);
}

template <typename Archive>
void fields(Archive& archive, KnownNeeds& known) {
  auto& [digest, needs, options] = known;
  archive(digest, needs, options);
}

template <typename Archive>
void fields(Archive& archive, PathAccess& path) {
  auto& [granted, rest, write] = path;
  archive(granted, rest, write);
}

template <typename Archive>
void fields(Archive& archive, Access& access) {
  auto& [capabilities, paths, network] = access;
  archive(capabilities, paths, network);
}

template <typename Archive>
void fields(Archive& archive, Confined& confined) {
  auto& [access, words, weaker] = confined;
  archive(access, words, weaker);
}

template <typename Archive>
void fields(Archive& archive, PartGap& part) {
  auto& [all_metrics, metric, source, scope, all_series, identity, why] = part;
  archive(all_metrics, metric, source, scope, all_series, identity, why);
}

// ---- polls --------------------------------------------------------------------------------------

template <typename Archive>
void fields(Archive& archive, wire::InstanceDef& definition) {
  auto& [instance, plugin, version, digest, interval] = definition;
  archive(instance, plugin, version, digest, interval);
}

template <typename Archive>
void fields(Archive& archive, wire::Value& value) {
  auto& [epoch, number, time] = value;
  archive(epoch, number, time);
}

template <typename Archive>
void fields(Archive& archive, wire::Poll& poll) {
  auto& [instance, scheduled, wall, boot, in_time, stepped, values, ended] = poll;
  archive(instance, scheduled, wall, boot, in_time, stepped, values, ended);
}

template <typename Archive>
void fields(Archive& archive, wire::Gap& gap) {
  auto& [instance, subject, from, to, cause, why] = gap;
  archive(instance, subject, from, to, cause, why);
}

template <typename Archive>
void fields(Archive& archive, HandleTable::Slot& slot) {
  auto& [epoch, series, fresh] = slot;
  archive(epoch, series, fresh);
}

template <typename Archive>
void fields(Archive& archive, HandleTable::Entry& entry) {
  auto& [handle, slot] = entry;
  archive(handle, slot);
}

template <typename Archive>
void fields(Archive& archive, HandleTable::Saved& saved) {
  auto& [entries, next] = saved;
  archive(entries, next);
}

template <typename Archive>
void fields(Archive& archive, Recorder::Saved& saved) {
  auto& [definition, handles, fresh_info, sources, values, fresh, parts, state, defined, present] =
      saved;
  archive(definition, handles, fresh_info, sources, values, fresh, parts, state, defined, present);
}

template <typename Archive>
void fields(Archive& archive, Flight& flight) {
  // A trial hinders a re-exec.
  auto& [number, scheduled, boot, deadline, late, stepped, trial, readings] = flight;
  archive(number, scheduled, boot, deadline, late, stepped, readings);
}

template <typename Archive>
void fields(Archive& archive, HeldPoll& held) {
  auto& [scheduled, stepped] = held;
  archive(scheduled, stepped);
}

template <typename Archive>
void fields(Archive& archive, Schedule::Saved& saved) {
  auto& [next, highest, offset, stepped] = saved;
  archive(next, highest, offset, stepped);
}

// ---- processes ----------------------------------------------------------------------------------

template <typename Archive>
void fields(Archive& archive, OutputLines::Saved& saved) {
  auto& [line, dropped] = saved;
  archive(line, dropped);
}

template <typename Archive>
void fields(Archive& archive, HostState& host) {
  auto& [pid, pid_namespace, exit_notice, socket, output, report, partial, unsent, garbled, killed,
         printed, received, group, confined] = host;
  archive(pid, pid_namespace, exit_notice, socket, output, report, partial, unsent, garbled, killed,
          printed, received, group, confined);
}

template <typename Archive>
void fields(Archive& archive, Usage& usage) {
  auto& [memory, descriptors, processes, cpu, plugin] = usage;
  archive(memory, descriptors, processes, cpu, plugin);
}

template <typename Archive>
void fields(Archive& archive, Supervisor::Saved& saved) {
  auto& [phase, delay, due, held, spawns, failures, good_polls, ends, random] = saved;
  archive(phase, delay, due, held, spawns, failures, good_polls, ends, random);
}

template <typename Archive>
void fields(Archive& archive, Disabled& disabled) {
  auto& [who, why, when] = disabled;
  archive(who, why, when);
}

template <typename Archive>
void fields(Archive& archive, Fault& fault) {
  auto& [cause, why] = fault;
  archive(cause, why);
}

// ---- the whole ----------------------------------------------------------------------------------

template <typename Archive>
void fields(Archive& archive, StoredPlugin& plugin) {
  auto& [file, path, digest, note] = plugin;
  archive(file, path, digest, note);
}

template <typename Archive>
void fields(Archive& archive, InstanceState& state) {
  auto& [config, supervisor, covered, since, disabled, asked, schedule, recorder, host, since_why,
         version, next, ran, before, pinned, refused, described, needs, surplus, flight, polls_sent,
         plugin_pid, phase_due, phase_event, waiting, stuck_since, stuck, host_pid, recycling, held,
         recycled, recycled_why, first_usage, cpu_before, received_before, cpu, output_dropped,
         failure, last_cause, spawned, latest, last_took, readings, gaps] = state;
  archive(config, supervisor, covered, since, disabled, asked, schedule, recorder, host, since_why,
          version, next, ran, before, pinned, refused, described, needs, surplus, flight,
          polls_sent, plugin_pid, phase_due, phase_event, waiting, stuck_since, stuck, host_pid,
          recycling, held, recycled, recycled_why, first_usage, cpu_before, received_before, cpu,
          output_dropped, failure, last_cause, spawned, latest, last_took, readings, gaps);
}

template <typename Archive>
void fields(Archive& archive, AgentState& state) {
  auto& [program, agent, spool_directory, socket, incarnation, started, frozen, reexecs, lock,
         segment, listener, asker, instances, spool, durable_definitions, retired] = state;
  archive(program, agent, spool_directory, socket, incarnation, started, frozen, reexecs, lock,
          segment, listener, asker, instances, spool, durable_definitions, retired);
}

}  // namespace tallyman::agent
