"""People steer plugins: what they decide holds, is told in the ledger, and costs nobody else a poll."""
import json
import os
import pwd
import shutil
import subprocess
import tempfile

import pytest

from harness import BUILD, PATIENCE, seconds_of, wait_for

ME = pwd.getpwuid(os.getuid()).pw_name
WHY = 'disk swap, "rack 4"'
ASK = """
import socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect(sys.argv[1])
link.sendall(sys.argv[2].encode() + b"\\n")
answer = b""
while piece := link.recv(65536):
    answer += piece
print(answer.decode())
"""


@pytest.fixture
def steered(site):
    """netif, and a plugin to steer beside it."""
    site.configure_agent()
    site.configure_rater()
    site.catalogue()
    site.plugin("netif", interval="1s", exclude=[])
    return site


def state_of(site, instance):
    return (site.plugin_status(instance) or {}).get("state")


def wait_state(site, instance, *states):
    wait_for(f"{instance} to be {' or '.join(states)}", lambda: state_of(site, instance) in states)
    return site.plugin_status(instance)


def more_polls(site, instance, polls=5):
    """Waits for so many more polls, good or not."""
    def polled():
        p = site.plugin_status(instance)
        return p and p["gaps"] + p["readings"] // max(p["series"], 1)
    before = wait_for("status", lambda: polled() is not None and polled() + 1) - 1
    wait_for(f"{polls} more polls of {instance}", lambda: (n := polled()) is not None and n >= before + polls)


def dumped(site):
    """What the spool holds of it all, acknowledged by the rater and kept, as JSON documents."""
    site.agent.stop()
    answer = subprocess.run([BUILD / "bin/tallyman", "spool", "dump", site.directory / "state/spool"],
                            capture_output=True, text=True, timeout=PATIENCE)
    assert answer.returncode == 0, answer
    return [json.loads(line) for line in answer.stdout.splitlines()]


def drained(site):
    """The rater's ledger holds every batch so far."""
    sealed = site.status()["spool"]["sealed"]
    wait_for("the rater to hold it", lambda: site.status()["spool"]["acknowledged"] >= sealed)


def test_disabled_across_restarts(steered):
    """Given a plugin that is disabled, then it stays so across a stop and a kill of the agent, each of
    its instants is a gap with who and why until it is enabled, and netif misses nothing meanwhile."""
    steered.plugin("counter")
    steered.start()
    steered.wait_running("netif")
    pid = steered.wait_running("counter")["pid"]
    steered.tallyman("plugin", "disable", "counter", "--why", WHY, check=True)
    counter = wait_state(steered, "counter", "disabled")
    assert (counter["disabled"]["who"], counter["disabled"]["why"]) == (ME, WHY), counter
    assert f"by {ME} at " in counter["why"] and WHY in steered.tallyman("status").stdout
    assert counter["pid"] == 0 and not os.path.exists(f"/proc/{pid}")
    more_polls(steered, "counter")
    netif = steered.plugin_status("netif")
    assert (netif["gaps"], netif["restarts"]) == (0, 0), [
        line for line in dumped(steered) if line.get("instance") == "netif" and "gap" in line]
    assert steered.tallyman("status", "--check").returncode == 0
    for end in (steered.agent.stop, lambda: steered.agent.kill()):
        end()
        steered.start_agent()
        steered.wait_running("netif")
        assert wait_state(steered, "counter", "disabled")["disabled"] == counter["disabled"]
        more_polls(steered, "counter")
    steered.tallyman("plugin", "enable", "counter", check=True)
    steered.wait_running("counter")
    assert steered.plugin_status("counter")["disabled"] is None
    steered.agent.stop()
    steered.start_agent()
    steered.wait_running("counter")
    wait_for("the link", steered.connected)
    drained(steered)
    lines = dumped(steered)
    gaps = [line for line in lines if line.get("instance") == "counter" and "gap" in line]
    ours = [gap for gap in gaps if gap["gap"] == f"disabled: disabled by {ME}: {WHY}"]
    assert len(ours) >= 15, gaps
    # From the first to the last of them every instant is a gap: nothing is missing, none is zero.
    first = min(seconds_of(gap["from"]) for gap in ours)
    last = max(seconds_of(gap["to"]) for gap in ours)
    during = sorted((seconds_of(gap["from"]), seconds_of(gap["to"]), gap["gap"].split(":")[0])
                    for gap in gaps if first <= seconds_of(gap["from"]) <= last)
    assert {cause for _, _, cause in during} <= {"disabled", "agent_down"}, during
    steps = [b[0] - a[1] for a, b in zip(during, during[1:])]
    assert max(steps) < min(steps) * 1.5, during
    assert not [line for line in lines if line.get("instance") == "counter" and "value" in line
                and first <= seconds_of(line["time"]) <= last]
    others = {gap["gap"].split(":")[0] for gap in lines if gap.get("instance") == "netif" and "gap" in gap}
    assert others <= {"agent_down", "starting"}, others


def test_failed_stays_failed_until_reset(steered):
    """Given a plugin that crashed itself into failed, then a restart of the agent does not try it again
    before its time; a reset does at once."""
    steered.plugin("crasher")
    steered.start()
    wait_state(steered, "crasher", "failed")
    steered.agent.stop()
    steered.start_agent()
    steered.wait_running("netif")
    more_polls(steered, "netif")
    crasher = steered.plugin_status("crasher")
    assert (crasher["state"], crasher["pid"], crasher["restarts"]) == ("failed", 0, 0), crasher
    assert "signal 6" in crasher["why"] and crasher["gaps"] > 0, crasher
    steered.tallyman("plugin", "reset", "crasher", check=True)
    crasher = wait_state(steered, "crasher", "starting", "running", "overdue", "back-off")
    wait_for("it to be tried again and again", lambda: (
        steered.plugin_status("crasher")["restarts"] >= 2))


def test_restart_between_two_polls(steered):
    """Given a plugin that is restarted, then another process goes on without a gap or a failure."""
    steered.plugin("counter", interval="4s")
    steered.start()
    before = steered.wait_running("counter")
    for _ in range(2):
        steered.tallyman("plugin", "restart", "counter", check=True)
        after = wait_for("another process to poll", lambda: (
            (p := steered.plugin_status("counter")) and p["pid"] not in (0, before["pid"])
            and p["readings"] > before["readings"] + 1 and p))
        assert (after["gaps"], after["last_cause"], after["state"]) == (0, "", "running"), after
        before = after
    netif = steered.plugin_status("netif")
    assert (netif["gaps"], netif["restarts"]) == (0, 0), netif


def test_temporary_ends_for_good(steered):
    """Given restart = "temporary", then a crash is the end of it, told as such, until it is restarted by
    hand."""
    steered.plugin("crasher", after=2)
    file = steered.directory / "plugins.d/crasher.toml"
    file.write_text('restart = "temporary"\n' + file.read_text())
    steered.start()
    wait_state(steered, "crasher", "ended")
    more_polls(steered, "crasher")
    crasher = steered.plugin_status("crasher")
    assert (crasher["state"], crasher["restarts"], crasher["pid"]) == ("ended", 0, 0), crasher
    assert "signal 6" in crasher["why"]
    steered.tallyman("plugin", "restart", "crasher", check=True)
    wait_for("it to have run again", lambda: steered.plugin_status("crasher")["restarts"] == 1)
    wait_state(steered, "crasher", "ended")
    assert steered.agent.stop() == 0


def test_wrong_wishes(steered):
    """Given an unknown instance, a missing reason or a disabled plugin, then one line says what to do."""
    steered.plugin("counter")
    steered.start()
    steered.wait_running("counter")
    for verb in ("enable", "restart", "reset"):
        unknown = steered.tallyman("plugin", verb, "cuonter")
        assert unknown.returncode == 1 and len(unknown.stderr.splitlines()) == 1, unknown
        assert "cuonter" in unknown.stderr and "counter, netif" in unknown.stderr, unknown
    assert steered.tallyman("plugin", "disable", "counter").returncode == 2
    assert steered.tallyman("plugin", "disable", "counter", "--why", "").returncode == 1
    assert state_of(steered, "counter") == "running"
    steered.tallyman("plugin", "enable", "counter", check=True)
    steered.tallyman("plugin", "disable", "counter", "--why", WHY, check=True)
    refused = steered.tallyman("plugin", "restart", "counter")
    assert refused.returncode == 1 and "plugin enable counter" in refused.stderr, refused


def test_damaged_file_disables_nothing(steered):
    """Given a damaged file of decisions, then the agent starts, says so once, and runs everything."""
    steered.plugin("counter")
    steered.start()
    steered.wait_running("counter")
    steered.tallyman("plugin", "disable", "counter", "--why", WHY, check=True)
    steered.agent.kill()
    file = steered.directory / "state/plugins.state"
    file.write_bytes(file.read_bytes()[:-1])
    steered.start_agent()
    steered.wait_running("counter")
    assert steered.agent.tail().count("plugins.state") == 1, steered.agent.tail()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_others_may_look_only(steered):
    """Given a user who can reach the socket, then it may read, and an attempt to steer is refused."""
    folder = tempfile.mkdtemp(prefix="tallyman-steer-")
    try:
        os.chmod(folder, 0o755)
        steered.agent_socket = f"{folder}/agent.sock"
        steered.configure_agent()
        steered.start()
        steered.wait_running("netif")
        os.chmod(steered.agent_socket, 0o666)

        def ask(request):
            return subprocess.run(["/usr/bin/python3", "-c", ASK, steered.agent_socket, json.dumps(request)],
                                  user=65534, group=65534, cwd="/", capture_output=True, text=True,
                                  timeout=PATIENCE, check=True).stdout

        assert '"instance":"netif"' in ask({"command": "status"})
        for verb in ("disable", "enable", "restart", "reset"):
            answer = ask({"command": f"plugin {verb}", "plugin": "netif", "why": "mischief"})
            assert "may not" in answer and "ask root" in answer, answer
        answer = ask({"command": "reexec"})
        assert "may not reexec" in answer and "ask root" in answer, answer
        netif = steered.plugin_status("netif")
        assert (netif["state"], netif["restarts"]) == ("running", 0), netif
        assert steered.status()["reexecs"] == 0
    finally:
        shutil.rmtree(folder)
