#include "app/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

namespace tallyman::log {
namespace {

std::atomic<Level> g_level{Level::info};

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

/// Made at the first use, so that a line before start() is not lost. Never destroyed: a thread may
/// log while the process exits.
spdlog::logger& logger() {
  static auto* made = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v", spdlog::pattern_time_type::utc));
    auto* out = new spdlog::logger("tallyman", sink);
    out->set_level(spdlog::level::debug);
    return out;
  }();
  return *made;
}

}  // namespace

void start(Level level) { g_level = level; }

void write(Level level, std::string_view line) {
  if (enabled(level)) logger().log(to_spdlog(level), line);
}

bool enabled(Level level) { return level >= g_level.load(std::memory_order_relaxed); }

}  // namespace tallyman::log
