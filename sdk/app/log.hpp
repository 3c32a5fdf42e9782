#pragma once
// Log lines to stderr: "2026-11-22T15:05:00.123Z info  …" on a pipe, coloured on a terminal. spdlog
// is included by log.cpp only: one spdlog call in a file costs seconds of compiling.

#include <fmt/core.h>

#include <string_view>

namespace tallyman::log {

enum class Level { debug, info, warning, error };

/// Once, at the start of main. Lines below `level` are dropped. Thread-safe afterwards.
void start(Level level);
void write(Level level, std::string_view line);
[[nodiscard]] bool enabled(Level level);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tallyman::log
