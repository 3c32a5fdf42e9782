// tallyman-plugin-host: the process around one plugin. Links as little as it can: its memory is
// paid once per plugin.

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/host/channel.hpp"
#include "agent/host/confine.hpp"
#include "agent/host/declaration.hpp"
#include "agent/host/init.hpp"
#include "agent/host/instance.hpp"
#include "agent/host/library.hpp"
#include "agent/utf8.hpp"
#include "base/clock.hpp"
#include "base/footprint.hpp"

namespace tallyman::host {
namespace {

constexpr const char* kUsage =
    "usage: tallyman-plugin-host PLUGIN_FILE             serve the agent on descriptor 3\n"
    "       tallyman-plugin-host --describe PLUGIN_FILE  print what the plugin declares\n"
    "       tallyman-plugin-host --help | --version\n"
    "  --opened   first: the file stands open on descriptor 5\n"
    "  --ruleset  then: load it under the Landlock ruleset on descriptor 6\n";

int complain(const Error& error) {
  std::fprintf(stderr, "tallyman-plugin-host: %s\n", error.text().c_str());
  return 1;
}

/// What to load, and how.
struct Wish {
  std::string file;
  bool opened = false;   ///< on kHostPlugin
  bool ruleset = false;  ///< on kHostRuleset
};

Result<Declaration> load(const Wish& wish) {
  if (wish.ruleset) {
    if (Status confined = enter_ruleset(); !confined) return confined.error();
  }
  const std::string& file = wish.file;
  const Result<const tm_plugin_v1*> table = load_plugin(file, wish.opened);
  if (!table) return table.error();
  Result<Declaration> plugin = read_declaration(**table);
  if (!plugin) return Error{plugin.error().what, file, plugin.error().todo};
  return plugin;
}

/// Answers the agent until it says stop or is gone. An error is a breach of the protocol.
Status serve(const Declaration& plugin, Channel& channel) {
  const RealClock clock;
  Instance instance(plugin, channel, clock);
  bool polled = false;
  channel.send(plugin.described);
  channel.flush();
  while (!channel.hung_up()) {
    Result<std::optional<ToHost>> frame = channel.receive();
    if (!frame) return frame.error();
    if (!*frame || std::holds_alternative<Stop>(**frame)) break;
    if (const auto* configure = std::get_if<Configure>(&**frame)) {
      if (instance.polled()) return Error{"configured after a poll", "agent", {}};
      channel.send(instance.configure(*configure));
      channel.flush();
    } else {
      if (!instance.exists()) return Error{"asked to poll before it was configured", "agent", {}};
      instance.poll(std::get<PollRequest>(**frame));
      if (!std::exchange(polled, true)) give_back_what_the_start_took();
    }
  }
  return {};
}

/// Keeps stdout to ourselves and lets the plugin print to stderr instead.
int take_stdout() {
  std::fflush(stdout);
  const int own = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, kHostSocket + 1);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  return own;
}

int describe_main(const Wish& wish) {
  const int out = take_stdout();
  const Result<Declaration> plugin = load(wish);
  if (!plugin) return complain(plugin.error());
  const std::string text = describe(plugin->described);
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(out, text.data() + done, text.size() - done);
    if (n <= 0) return complain(errno_error("cannot print", "stdout", errno));
    done += static_cast<std::size_t>(n);
  }
  return 0;
}

int serve_main(const Wish& wish) {
  prctl(PR_SET_NAME, "tallyman-plugin", 0, 0, 0);  // executed by descriptor, it has none
  if (fcntl(kHostSocket, F_SETFD, FD_CLOEXEC) != 0) {
    complain(Error{"descriptor 3 is not open", {}, "this program is started by tallyman-agent"});
    return 2;
  }
  leave_first_process();
  close(take_stdout());
  Channel channel(kHostSocket);
  const Result<Declaration> plugin = load(wish);
  if (!plugin) {
    channel.send(Created{CallStatus::bad_config,
                         plain_text(plugin.error().text(), wire::kMaxTextBytes), false});
    channel.flush();
    return complain(plugin.error());
  }
  const Status served = serve(*plugin, channel);
  return served ? 0 : complain(served.error());
}

int run(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (argc == 2 && first == "--help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (argc == 2 && first == "--version") {
    std::printf("tallyman-plugin-host %s (plugin ABI 1.%u)\n", TALLYMAN_VERSION,
                TM_PLUGIN_V1_MINOR);
    return 0;
  }
  std::vector<std::string_view> words(argv + 1, argv + argc);
  auto take = [&](std::string_view word) {
    const bool there = !words.empty() && words.front() == word;
    if (there) words.erase(words.begin());
    return there;
  };
  Wish wish;
  wish.opened = take("--opened");
  wish.ruleset = take("--ruleset");
  const bool described = take("--describe");
  if (words.size() == 1 && !words[0].empty() && (described || words[0][0] != '-')) {
    wish.file = words[0];
    return described ? describe_main(wish) : serve_main(wish);
  }
  std::fputs(kUsage, stderr);
  return 2;
}

}  // namespace
}  // namespace tallyman::host

int main(int argc, char** argv) {
  const int status = tallyman::host::run(argc, argv);
  std::fflush(nullptr);
  // Not exit(): handlers a plugin registered are no part of our end.
  std::_Exit(status);
}
