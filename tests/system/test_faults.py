"""A plugin that misbehaves costs itself alone: netif misses no poll, and status says what happened."""
import json
import os
import pathlib
import re
import time
import uuid

import pytest

from frozen import FrozenMount, Unavailable
from harness import SANITIZED, wait_for

NAUGHTY = [
    ("crasher", "crash"),
    ("hanger", "hang"),
    ("failer", "error"),
    ("garbler", "protocol"),
    ("exiter", "crash"),
    ("ctor_crasher", "crash"),
    ("eater", "limit: memory"),
    ("forker", "limit: processes"),
    ("daemoniser", "limit: processes"),
    ("flooder", "over the limit of 65536 readings"),
    ("undeclared", "metric 7 is not declared"),
    ("save_crasher", "crash: killed by signal 6"),
    ("closer", "crash"),
    ("thrower", "error: threw something"),
    ("smasher", "crash"),  # a sanitizer ends it in its own way
    ("socket_flooder", "limit: bytes"),
]
# These do no wrong for which they would be ended.
GREEDY = [
    ("leaker", {"kibibytes": 8192}, "recycled"),
    ("fd_leaker", {}, "recycled"),
    ("printer", {}, "of what it printed is dropped"),
]
SECONDS = 300 if os.environ.get("TALLYMAN_FULL") == "1" else 20


@pytest.fixture
def metered(site):
    site.configure_agent()
    site.configure_rater()
    site.catalogue()
    site.plugin("netif", exclude=[])
    return site


@pytest.fixture
def mark(monkeypatch):
    """A mark that everything started from now on inherits in its environment."""
    made = f"TALLYMAN_TEST={uuid.uuid4()}"
    monkeypatch.setenv(*made.split("="))
    return made.encode()


def marked(mark):
    """The pids of the processes that bear the mark, their zombies left out."""
    found = []
    for process in pathlib.Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
    return found


def assert_missed_nothing(site, instance):
    plugin = site.plugin_status(instance)
    assert (plugin["gaps"], plugin["restarts"]) == (0, 0), plugin


def gap_causes(site, instance):
    plugin = site.plugin_status(instance)
    return f"{plugin['last_cause']} {plugin['why']}" if plugin else ""


@pytest.fixture
def frozen(tmp_path):
    """A mount that does not answer; nothing where there is no FUSE to be had."""
    try:
        mount = FrozenMount(tmp_path / "mount")
    except Unavailable:
        yield None
        return
    yield mount
    mount.close()


def limit(site, instance, line):
    with (site.directory / f"plugins.d/{instance}.toml").open("a") as file:
        file.write(f"[limits]\n{line}\n")


def greedy_too(site):
    """Plugins that take ever more but behave, with what status notes of each; not under a sanitizer,
    which has no limit of memory."""
    greedy = [] if SANITIZED else GREEDY
    for name, options, _ in greedy:
        site.plugin(name, interval="10s" if name == "printer" else "300ms", **options)
    return [(name, note) for name, _, note in greedy]


def watch_them(site, names, seconds):
    """Lets them misbehave for so long, whoever has given up being forgiven; returns how large the agent
    was after a third of it, and at the end."""
    sizes, begin = [], time.monotonic()
    while (past := time.monotonic() - begin) < seconds:
        for plugin in (site.status() or {"plugins": []})["plugins"]:
            if plugin["instance"] in names and plugin["state"] == "failed":
                site.tallyman("plugin", "reset", plugin["instance"])
        assert_missed_nothing(site, "netif")
        sizes.append((past, resident(site.agent.process.pid)))
        time.sleep(0.5)
    return max(size for past, size in sizes if past <= seconds / 3), max(size for _, size in sizes)


@pytest.mark.threads
def test_all_of_them_beside_netif(metered, mark, frozen):
    """Given plugins that crash (at load, in poll, in save), hang, fail, throw, smash their stack, write
    garbage, close or flood their socket, exit, eat or leak memory or descriptors, fork, leave daemons,
    print a gigabyte, emit far too much or what they did not declare, ignore signals and sleep in the
    kernel, all at once and again and again, then netif has no gap, each of them is named with its cause,
    the agent does not grow, and a clean end leaves no process behind."""
    left_out = {"eater"} if SANITIZED else set()
    if os.getuid() != 0:
        left_out |= {"daemoniser", "forker"}  # what leaves its session survives where there is no namespace
    naughty = [(name, cause) for name, cause in NAUGHTY if name not in left_out]
    # Slower than elsewhere: so many that crash at every beat would be a test of the machine.
    metered.plugin("netif", interval="1s", exclude=[])
    for name, _ in naughty:
        metered.plugin(name, interval="1s")
    limit(metered, "socket_flooder", 'bytes = "1MiB"')
    if frozen:
        metered.plugin("sleeper", path=str(frozen.directory), interval="1s")
        frozen.freeze()
    greedy = greedy_too(metered)
    metered.plugin("stubborn", interval="1s")
    metered.start()
    metered.wait_running("netif")
    metered.wait_running("stubborn")
    for name, cause in naughty:
        wait_for(f"{name} to be blamed for a {cause}", lambda: cause in gap_causes(metered, name))
    if frozen:
        wait_for("sleeper to be unkillable", lambda: (
            metered.plugin_status("sleeper")["state"] == "unkillable"))
        assert "state D" in metered.plugin_status("sleeper")["why"]
    for name, note in greedy:
        wait_for(f"{name} to be noted for it", lambda: note in metered.plugin_status(name)["notes"])
    first, last = watch_them(metered, dict(naughty), SECONDS)
    # A sanitizer holds on to what was freed.
    assert SANITIZED or last <= first + (2 << 20), (first, last)
    assert_missed_nothing(metered, "netif")
    assert_missed_nothing(metered, "stubborn")
    assert len(marked(mark)) > 4, "the mark is not inherited"
    assert metered.agent.stop() == 0, metered.agent.tail()
    metered.rater.stop()
    if frozen:
        frozen.thaw()
    wait_for("everything that they started to be gone", lambda: not marked(mark))


def test_growth_is_recycled_without_a_gap(metered):
    """Given plugins that leak memory and descriptors, then each is started anew before it is at its
    limit, without a gap, without a failure, and with its state."""
    if SANITIZED:
        pytest.skip("memory is not limited under a sanitizer")
    metered.plugin("leaker", kibibytes=8192)
    metered.plugin("fd_leaker")
    metered.start()
    metered.wait_running("netif")
    for name, what in (("leaker", "memory grew to"), ("fd_leaker", "descriptors grew to")):
        plugin = wait_for(f"{name} to be recycled twice", lambda: (
            (p := metered.plugin_status(name)) and p["notes"].startswith("recycled ")
            and "once" not in p["notes"] and what in p["notes"] and p["state"] == "running" and p))
        assert plugin["last_cause"] == "", plugin
        assert_missed_nothing(metered, name)
    before = metered.plugin_status("leaker")["readings"]
    shown = metered.tallyman("readings", "--json", "--plugin", "leaker", check=True).stdout
    after = metered.plugin_status("leaker")["readings"]
    polls = int(json.loads(shown.splitlines()[0])["value"]) + 1
    assert before <= polls <= after, "a poll was counted twice, or not at all"
    assert "recycled" in metered.tallyman("status").stdout
    assert_missed_nothing(metered, "netif")


def test_a_gigabyte_printed(metered):
    """Given a plugin that prints a gigabyte in a poll, then the poll is good, the log and the agent stay
    small, and status says how much was dropped."""
    metered.plugin("printer", interval="10s", deadline="10s")
    metered.start()
    metered.wait_running("netif")
    before = resident(metered.agent.process.pid)
    plugin = wait_for("the gigabyte", lambda: (
        (p := metered.plugin_status("printer")) and p["readings"] > 0 and "dropped" in p["notes"] and p))
    assert re.match(r"(1023.\d M|1.0 G)iB of what it printed is dropped", plugin["notes"]), plugin
    assert (metered.directory / "agent.log").stat().st_size < 1 << 20
    # A sanitizer holds on to what was freed.
    assert resident(metered.agent.process.pid) < before + ((128 if SANITIZED else 8) << 20)
    assert_missed_nothing(metered, "netif")


def test_limits_are_named(metered):
    """Given limits of an instance, then status names them as in force, and its plugin cannot go over."""
    metered.plugin("netif", exclude=[])
    path = metered.directory / "plugins.d/netif.toml"
    path.write_text(path.read_text() + '[limits]\nmemory = "64MiB"\ndescriptors = 32\n')
    metered.start()
    isolation = metered.wait_running("netif")["isolation"]
    assert "32 descriptors (rlimit)" in isolation and "8 processes" in isolation, isolation
    if not SANITIZED:
        assert "memory 64.0 MiB (rlimit and measured)" in isolation, isolation


def resident(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_no_survivors(metered, mark):
    """Given an agent killed with -9, then its plugin hosts die with it, and the daemons they left."""
    metered.plugin("counter", plugin="counter")
    metered.plugin("daemoniser", after=1)
    metered.start()
    metered.wait_running("netif")
    metered.wait_running("counter")
    metered.wait_running("daemoniser")
    pids = [p["pid"] for p in metered.status()["plugins"]]
    assert all(alive(pid) for pid in pids if pid)
    metered.agent.kill()
    metered.rater.stop()
    wait_for("everything to be gone", lambda: not marked(mark))


def test_crash_is_a_gap_in_the_ledger_and_status_names_it(metered):
    """Given a plugin that crashes at times, then it is restarted, its gaps are counted and named."""
    metered.plugin("crasher", after=3)
    metered.start()
    plugin = wait_for("two restarts", lambda: (
        (p := metered.plugin_status("crasher")) and p["restarts"] >= 2 and p))
    assert "crash" in plugin["last_cause"] and "signal 6" in plugin["last_cause"], plugin
    assert plugin["gaps"] > 0
    lines = metered.tallyman("status").stdout
    assert "signal 6" in lines, lines


def test_full_status_document(metered):
    """Given a running site, then status --json has every part that people script against."""
    metered.start()
    metered.wait_running("netif")
    status = json.loads(metered.tallyman("status", "--json", check=True).stdout)
    assert status["agent"] == "stor-01"
    for key in ("state", "pid", "uptime_seconds", "restarts", "last_cause", "last_poll", "last_poll_ms",
                "readings", "gaps"):
        assert key in status["plugins"][0], key
    for key in ("bytes", "limit_bytes", "batches", "oldest", "last_durable", "trouble"):
        assert key in status["spool"], key
    for key in ("rater", "state", "last_ack", "unacknowledged_batches", "unacknowledged_bytes"):
        assert key in status["link"], key
