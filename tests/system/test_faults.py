"""A plugin that misbehaves costs itself alone: netif misses no poll, and status says what happened."""
import json

import pytest

from harness import wait_for

NAUGHTY = [
    ("crasher", "crash"),
    ("hanger", "hang"),
    ("failer", "error"),
    ("garbler", "protocol"),
    ("exiter", "crash"),
    ("ctor_crasher", "crash"),
]


@pytest.fixture
def metered(site):
    site.configure_agent()
    site.configure_rater()
    site.catalogue()
    site.plugin("netif", exclude=[])
    return site


def gap_causes(site, instance):
    plugin = site.plugin_status(instance)
    return f"{plugin['last_cause']} {plugin['why']}" if plugin else ""


@pytest.mark.threads
def test_all_of_them_beside_netif(metered):
    """Given six plugins that crash, hang, fail, write garbage and exit, then netif has no gap, each of
    them is named with its cause, and a clean end leaves no process behind."""
    for name, _ in NAUGHTY:
        metered.plugin(name)
    metered.start()
    metered.wait_running("netif")
    for name, cause in NAUGHTY:
        wait_for(f"{name} to be blamed for a {cause}", lambda: cause in gap_causes(metered, name))
    before = metered.plugin_status("netif")
    wait_for("twenty more polls of netif", lambda: (
        metered.plugin_status("netif")["readings"] > before["readings"] + 20 * before["series"]))
    after = metered.plugin_status("netif")
    assert (after["gaps"], after["restarts"]) == (0, 0), after
    pids = [p["pid"] for p in metered.status()["plugins"] if p["pid"]]
    assert metered.agent.stop() == 0, metered.agent.tail()
    for pid in pids:
        wait_for(f"host {pid} to be gone", lambda: not alive(pid))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_no_survivors(metered):
    """Given an agent killed with -9, then its plugin hosts die with it."""
    metered.plugin("counter", plugin="counter")
    metered.start()
    metered.wait_running("netif")
    metered.wait_running("counter")
    pids = [p["pid"] for p in metered.status()["plugins"]]
    assert all(alive(pid) for pid in pids)
    metered.agent.kill()
    for pid in pids:
        wait_for(f"host {pid} to be gone", lambda: not alive(pid))


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
