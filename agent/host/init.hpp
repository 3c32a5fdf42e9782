#pragma once
// The first process of a PID namespace.

namespace tallyman::host {

/// Where this process is the first of a PID namespace (the agent makes one for each host where it
/// may): forks, and returns in the child, the plugin's process. The parent, which signals from
/// within cannot touch, reaps whatever ends until that child does, writes an ExitReport to
/// descriptor kHostReport, and exits; with it the kernel ends all that is left. Elsewhere it only
/// returns. Before anything of the plugin is loaded.
void leave_first_process();

}  // namespace tallyman::host
