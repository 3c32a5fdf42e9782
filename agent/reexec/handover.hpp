#pragma once
// One program of the agent's process after the other: executing the next one, and what is left of
// the one before. Main thread only: an exec ends all other threads, and the parent-death signal of
// the plugin hosts is sent when the thread that forked them ends, which the main thread does not.

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

/// The path that this process's program was executed by, made absolute. By this path, not by the
/// file behind it, a package's new program is found. Called before the working directory changes.
[[nodiscard]] std::string own_program();

/// Executes `program` with `arguments` (argv[0] left out) in place of this one, with no descriptor
/// above stderr but those of `keep`. Returns only when that failed: then nothing has changed.
[[nodiscard]] Error execute(const std::string& program, const std::vector<std::string>& arguments,
                            const std::vector<int>& keep);

/// A descriptor of this process that is open on the file; −1 = none.
[[nodiscard]] int descriptor_of(const std::string& path);

/// For a program that cannot read what the one before handed over: closes every descriptor above
/// stderr, and ends every child that leads a session, as plugin hosts do. Returns how many.
std::size_t end_former_hosts();

}  // namespace tallyman::agent
