#include "agent/instance/limits.hpp"

#include "app/table.hpp"
#include "base/time_text.hpp"

namespace tallyman::agent {
namespace {

using app::human_bytes;

/// `value` in proportion to `whole`, in percent; the products stay far below 2^64.
bool reaches(std::uint64_t value, std::uint64_t percent, std::uint64_t whole) {
  return value * 100 >= whole * percent;
}

bool leaks(std::uint64_t limit, std::uint64_t first, std::uint64_t now) {
  return reaches(now, 80, limit) && now > first && reaches(now - first, 10, limit);
}

}  // namespace

std::string over_limit(const Limits& limits, const Usage& usage) {
  if (kMemoryIsLimited && usage.memory > limits.memory) {
    return "memory: it holds " + human_bytes(usage.memory) + ", " + human_bytes(limits.memory) +
           " are allowed";
  }
  if (usage.descriptors >= limits.descriptors) {
    return "descriptors: " + std::to_string(usage.descriptors) + " are open, " +
           std::to_string(limits.descriptors) + " are allowed";
  }
  if (usage.processes > limits.processes) {
    return "processes: " +
           (usage.processes > kMostProcesses ? "over " + std::to_string(kMostProcesses)
                                             : std::to_string(usage.processes)) +
           " run, " + std::to_string(limits.processes) + " are allowed";
  }
  if (usage.cpu > limits.cpu) {
    return "cpu: it used " + to_duration_text(usage.cpu) + " for a poll or between two, " +
           to_duration_text(limits.cpu) + " are allowed";
  }
  return {};
}

std::string grown(const Limits& limits, const Usage& first, const Usage& usage) {
  if (kMemoryIsLimited && leaks(limits.memory, first.memory, usage.memory)) {
    return "memory grew to " + human_bytes(usage.memory) + " of " + human_bytes(limits.memory);
  }
  if (leaks(limits.descriptors, first.descriptors, usage.descriptors)) {
    return "descriptors grew to " + std::to_string(usage.descriptors) + " of " +
           std::to_string(limits.descriptors);
  }
  return {};
}

std::string died_of_memory(const Limits& limits, std::uint64_t peak, const std::string& words) {
  if (!kMemoryIsLimited || !reaches(peak, 90, limits.memory)) return {};
  return "memory: it held " + human_bytes(peak) + ", " + human_bytes(limits.memory) +
         " are allowed; " + words;
}

std::string allocation_refused(const Limits& limits) {
  return "memory: an allocation was refused that would take it over the " +
         human_bytes(limits.memory) + " that are allowed";
}

std::string over_readings(const Limits& limits, std::uint64_t readings) {
  if (readings <= limits.readings) return {};
  return "readings: over " + std::to_string(limits.readings) + " in a poll";
}

std::string over_bytes(const Limits& limits, std::uint64_t bytes) {
  if (bytes <= limits.bytes) return {};
  return "bytes: it sent " + human_bytes(bytes) + " in a poll or between two, " +
         human_bytes(limits.bytes) + " are allowed";
}

std::string isolation_text(const Limits& limits, bool pid_namespace, const std::string& confined,
                           const std::string& weaker) {
  std::string text = "own process and session, ";
  if (pid_namespace) text += "own PID namespace, ";
  if (!confined.empty()) text += confined + ", ";
  text += "no new privileges, no core files, ";
  if (kMemoryIsLimited) text += "memory " + human_bytes(limits.memory) + " (rlimit and measured), ";
  text += std::to_string(limits.descriptors) + " descriptors (rlimit), " +
          std::to_string(limits.processes) + " processes and " + to_duration_text(limits.cpu) +
          " of CPU in a poll (measured)";
  std::string less = weaker;
  auto add = [&](const char* words) { less += (less.empty() ? "" : ", ") + std::string(words); };
  if (!pid_namespace) {
    add("no PID namespace (the agent may not make one): what leaves its session survives it");
  }
  if (!kMemoryIsLimited) add("memory unlimited under a sanitizer");
  return less.empty() ? text : text + "; weaker: " + less;
}

}  // namespace tallyman::agent
