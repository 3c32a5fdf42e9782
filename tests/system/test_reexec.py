"""The agent replaces itself by its new program: no poll missed, nothing doubled, the same plugin
processes; and a program that is no good is refused, and the old one goes on."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from harness import BUILD, Daemon, PATIENCE, ROOT, SANITIZED, begin_of_period, seconds_of, wait_for
from reexec_site import (A_FEW, ROUNDS, assert_each_instant_once, descriptors, dumped, pids, put, reexec,
                         resident_kib, spool, start, steady)  # noqa: F401


def test_many_under_short_polls(steady):
    """Given the agent re-executed again and again while the rater is killed and started, then every
    instant has its poll once, the plugins keep their processes, nothing leaks, and the spool is whole."""
    start(steady)
    before = pids(steady)
    agent = steady.agent.process.pid
    reexec(steady)
    wait_for("the link", steady.connected)
    open_then, memory_then = descriptors(steady), resident_kib(steady)
    took = []
    for i in range(ROUNDS):
        if i % 3 == 0:
            steady.rater.kill()
        took.append(reexec(steady)["took_ms"])
        if i % 3 == 1:
            steady.start_rater()
        assert pids(steady) == before, steady.agent.tail()
        polled = steady.plugin_status("counter")["readings"]
        wait_for("two more polls", lambda: steady.plugin_status("counter")["readings"] >= polled + 2)
    if not steady.rater.running():
        steady.start_rater()
    status = steady.status()
    assert (status["pid"], status["reexecs"]) == (agent, ROUNDS + 1)
    print(f"{ROUNDS} re-execs, ms without polls: median {sorted(took)[len(took) // 2]}, most {max(took)}")
    for plugin in status["plugins"]:
        assert (plugin["gaps"], plugin["restarts"]) == (0, 0), (plugin, steady.agent.tail())
    wait_for("the link", steady.connected)
    wait_for("no more descriptors than a few", lambda: descriptors(steady) <= open_then + A_FEW)
    assert resident_kib(steady) < memory_then + (8 << 10) * (8 if SANITIZED else 1)
    sealed = steady.status()["spool"]["sealed"]
    wait_for("the rater to hold it", lambda: steady.status()["spool"]["acknowledged"] >= sealed)
    assert steady.agent.stop() == 0, steady.agent.tail()
    spool(steady, "verify")
    assert assert_each_instant_once(steady) > 2 * ROUNDS


def test_usage_is_exact(site, namespaces):
    """Given traffic, re-execs and a killed rater between each other, then the record has every byte once."""
    site.namespace = namespaces.a
    site.configure_agent()
    site.configure_rater()
    site.catalogue(period="20s")
    site.plugin("netif")
    site.start()
    pid = site.wait_running("netif")["pid"]
    instant = begin_of_period(20, 14)
    sent = 0
    for i in range(4):
        sent += namespaces.send(250)
        if i == 1:
            site.rater.kill()
        reexec(site)
    site.start_rater()
    sent += namespaces.send(42)
    assert site.wait_running("netif")["pid"] == pid
    record = site.record_of("acme", instant)
    assert record["exact"]["billed"] == str(sent), site.agent.tail() + site.rater.tail()
    others = [r for r in site.records("acme") if r["key"] != record["key"]]
    assert all(r["exact"]["billed"] == "0" for r in others)


def test_poll_in_flight(steady):
    """Given a poll that takes long, half of its readings given already, then its answer to the next
    program counts, at its instant."""
    interval, takes = 4, 2
    steady.plugin("dawdler", interval=f"{interval}s", takes=takes * 1000, series=6000)
    start(steady, "dawdler", "counter")
    first = steady.plugin_status("dawdler")
    caught = 0
    for _ in range(10):
        wait_for("a poll to be under way", lambda: 0.3 < time.time() % interval < 1)
        reexec(steady)
        caught += time.time() % interval < takes
        if caught == 2:
            break
    assert caught == 2, "the poll was always over before the program was"
    after = wait_for("its answers", lambda: (
        (p := steady.plugin_status("dawdler")) and p["readings"] >= first["readings"] + 2 * 6000 and p))
    assert (after["gaps"], after["restarts"], after["pid"]) == (0, 0, first["pid"]), after
    steady.agent.stop()
    readings = [line for line in dumped(steady, "dawdler") if "value" in line]
    polls = {}
    for line in readings:
        polls.setdefault(seconds_of(line["time"]), []).append(line)
    instants = sorted(polls)
    assert all(len(lines) == 6000 for lines in polls.values())
    assert all(at % interval == 0 for at in instants), "not at its scheduled instant"
    assert [b - a for a, b in zip(instants, instants[1:])] == [interval] * (len(instants) - 1)
    assert_each_instant_once(steady)


def test_what_does_not_run_stays_so(steady):
    """Given plugins that failed, are disabled or quarantined, then the next program knows it all, and
    what follows is as before: a killed host is started again, a dead agent takes its hosts along."""
    steady.plugin("crasher")
    steady.plugin("failer")
    steady.plugin("nowhere")
    start(steady)
    wait_for("it to have failed", lambda: steady.plugin_status("crasher")["state"] == "failed")
    steady.tallyman("plugin", "disable", "failer", "--why", "rack 4", check=True)
    wait_for("it to be disabled", lambda: steady.plugin_status("failer")["state"] == "disabled")
    what = ("state", "why", "restarts", "last_cause", "pid", "disabled", "isolation", "version")
    before = {p["instance"]: [p[key] for key in what] for p in steady.status()["plugins"]}
    reexec(steady)
    after = {p["instance"]: [p[key] for key in what] for p in steady.status()["plugins"]}
    assert after == before
    assert steady.plugin_status("nowhere")["state"] == "quarantined"
    pid = pids(steady)["counter"]
    os.kill(pid, signal.SIGKILL)
    restarted = wait_for("another process", lambda: (
        (p := steady.plugin_status("counter"))["pid"] not in (0, pid) and p["state"] == "running" and p))
    assert "signal 9" in restarted["last_cause"] and restarted["restarts"] == 1, restarted
    steady.tallyman("plugin", "enable", "failer", check=True)
    wait_for("it to try", lambda: "error" in steady.plugin_status("failer")["last_cause"])
    left = [pid for pid in pids(steady).values() if pid]
    steady.agent.kill()
    wait_for("its hosts to be gone", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in left))


def test_new_configuration(steady):
    """Given a plugin's file that has changed, then it alone gets a new process, with what is new; a
    change that takes a restart is refused, and named."""
    start(steady)
    before = pids(steady)
    steady.plugin("counter", interval="2s")
    steady.plugin("dawdler", interval="2s", takes=1)
    (steady.directory / "plugins.d/netif.toml").touch()
    reexec(steady)
    assert pids(steady)["netif"] == before["netif"]
    counter = wait_for("the new process", lambda: (
        (p := steady.wait_running("counter"))["pid"] != before["counter"] and p))
    assert counter["interval_seconds"] == 2
    steady.wait_running("dawdler")
    file = steady.directory / "agent.toml"
    file.write_text(file.read_text().replace("/state", "/elsewhere"))
    refused = steady.tallyman("reexec")
    assert refused.returncode == 1 and "state_directory" in refused.stderr, refused
    file.write_text("agent = 7\n")
    refused = steady.tallyman("reexec")
    assert refused.returncode == 1 and "agent.toml:1" in refused.stderr, refused
    assert pids(steady)["netif"] == before["netif"]


STATE_VERSION = re.search(r"kStateVersion = (\d+)", (ROOT / "agent/reexec/state.hpp").read_text())[1].encode()
READY = b"echo ready " + STATE_VERSION + b" 9.9 >&4; exit 0"
GOOD = b'#!/bin/sh\ncase "$*" in *--rehearse*) %s ;; esac\nexit 1\n'
REFUSED = {
    "false": (lambda: pathlib.Path("/bin/false"), "exited with status 1"),
    "nonsense": (lambda: b"#!/bin/sh\necho ready when you are >&4\nexit 0\n", "not that it is ready"),
    "silent": (lambda: b"#!/bin/sh\nexit 0\n", "without saying that it is ready"),
    "older": (lambda: b"#!/bin/sh\necho ready 0 0.0.9 >&4\nexit 0\n", "takes states of version 0"),
    "truncated": (lambda: (BUILD / "bin/tallyman-agent").read_bytes()[:5000], "is refused"),
    "no program": (lambda: b"what is this\n", "cannot be executed"),
    "signal": (lambda: b"#!/bin/sh\nkill -9 $$\n", "signal 9"),
    "complains": (lambda: b"#!/bin/sh\necho no such library >&2\nexit 3\n", "status 3: no such library"),
    "hangs": (lambda: b"#!/bin/sh\nsleep 600 & wait\n", "not ready within 10s"),
    "vanishes": (lambda: GOOD % (b'rm -f "$0"; ' + READY), "No such file"),
    "no longer executable": (lambda: GOOD % (b'chmod a-x "$0"; ' + READY), "Permission denied"),
    "no longer a program": (lambda: GOOD % (b'echo x >"$0.x"; chmod 755 "$0.x"; mv "$0.x" "$0"; '
                                    + READY), "Exec format error"),
}


def test_no_good_is_refused(steady):
    """Given in turn every kind of program that is no good, then one line says why, and the old program
    goes on without a missed poll; the right one put there again is taken."""
    start(steady)
    before, open_then = pids(steady), descriptors(steady)
    for name, (program, why) in REFUSED.items():
        put(steady, program())
        refused = steady.tallyman("reexec")
        assert refused.returncode == 1 and why in refused.stderr, (name, refused)
        assert len(refused.stderr.splitlines()) == 1 and "goes on" in refused.stderr, (name, refused)
        assert pids(steady) == before, name
    status = steady.status()
    assert status["reexecs"] == 0
    wait_for("no more descriptors than a few", lambda: descriptors(steady) <= open_then + A_FEW)
    for plugin in status["plugins"]:
        assert (plugin["gaps"], plugin["restarts"]) == (0, 0), (plugin, steady.agent.tail())
    put(steady, BUILD / "bin/tallyman-agent")
    words = steady.tallyman("reexec", check=True).stdout
    assert "re-executed: version" in words and "2 plugin processes kept" in words, words
    assert pids(steady) == before
    for plugin in steady.status()["plugins"]:
        assert (plugin["gaps"], plugin["restarts"]) == (0, 0), (plugin, steady.agent.tail())
    steady.agent.stop()
    assert_each_instant_once(steady)


def test_by_signal_and_at_once(steady):
    """Given SIGUSR2, then the agent does the same with nobody to answer; given two who ask at once, then
    one of them is told to wait; given a follower, then it is let go."""
    start(steady)
    before = pids(steady)
    follower = subprocess.Popen([BUILD / "bin/tallyman", "--socket", steady.agent_socket, "status", "-f",
                                 "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert follower.stdout.readline()
    steady.agent.process.send_signal(signal.SIGUSR2)
    wait_for("the next program", lambda: (steady.status() or {}).get("reexecs") == 1)
    follower.communicate(timeout=PATIENCE)
    command = [BUILD / "bin/tallyman", "--socket", steady.agent_socket, "reexec"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)]
    answers = [process.communicate(timeout=PATIENCE) for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 0], [0, 1]), answers
    # Who comes at the very moment of the exec is not heard, and knows it.
    assert codes == [0, 0] or any("under way" in err or "broke off" in err for _, err in answers), answers
    assert pids(steady) == before


def test_drop_ins_stay(steady):
    """Given a plugin that was dropped in, then it keeps its process; once its file is gone, so is it."""
    start(steady)
    steady.drop_ins.mkdir(mode=0o755, exist_ok=True)
    file = steady.drop_ins / "dropped.so"
    shutil.copy(BUILD / "fault-plugins/counter.so", file.with_suffix(".tmp"))
    file.with_suffix(".tmp").chmod(0o755)
    file.with_suffix(".tmp").rename(file)
    steady.wait_running("dropped")
    before = pids(steady)
    for _ in range(3):
        reexec(steady)
        assert pids(steady) == before, steady.agent.tail()
    file.unlink()
    wait_for("it to be gone", lambda: "dropped" not in pids(steady))
    assert pids(steady) == {name: pid for name, pid in before.items() if name != "dropped"}
    assert steady.plugin_status("counter")["gaps"] == 0


LAUNCH = """
import os, subprocess, sys
children = [subprocess.Popen(["sleep", "600"], start_new_session=leads) for leads in (True, False)]
state = os.memfd_create("state", 0)
os.write(state, b"TMRX" + bytes(range(256)))
with open(sys.argv[1], "w") as out:
    print(*(child.pid for child in children), file=out)
os.execv(sys.argv[2], [*sys.argv[2:], "--resume", str(state)])
"""


def test_damaged_state(steady):
    """Given a state that cannot be read, then the agent says so and starts from nothing; the hosts that
    it was to take over are ended, and no other process is."""
    note = steady.directory / "children"
    steady.start_rater()
    steady.agent = Daemon(["/usr/bin/python3", "-c", LAUNCH, note, steady.program, "--config",
                           steady.directory / "agent.toml"], steady.directory / "agent.log")
    steady.wait_running("counter")
    leader, other = map(int, note.read_text().split())
    try:
        assert not os.path.exists(f"/proc/{leader}") and os.path.exists(f"/proc/{other}")
        assert "is damaged" in steady.agent.tail() and "1 plugin processes" in steady.agent.tail()
    finally:
        os.kill(other, signal.SIGKILL)
