"""A plugin that the kernel does not let go of: never a second copy, nobody else is held up, and status says
where it waits."""
import os
import re

import pytest

from frozen import FrozenGroup, FrozenMount, Unavailable
from harness import wait_for


@pytest.fixture(params=["fuse", "freezer"])
def held(request, site, tmp_path):
    """A site with netif and the plugin `sleeper`, and what holds that in the kernel."""
    try:
        way = FrozenMount(tmp_path / "mount") if request.param == "fuse" else FrozenGroup("held")
    except Unavailable as why:
        pytest.skip(str(why))
    site.configure_agent()
    site.configure_rater()
    site.catalogue()
    site.plugin("netif", interval="1s", exclude=[])
    site.plugin("sleeper", path=str(tmp_path / "mount") if request.param == "fuse" else "/")
    site.way = way
    site.where = "request_wait_answer" if request.param == "fuse" else ""
    yield site
    way.close()


def sleeper(site):
    return site.plugin_status("sleeper") or {}


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def hosts(site):
    """Everything that descends from the agent and is not over."""
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                state, parent = stat.read().rsplit(")", 1)[1].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            parents[int(entry)] = int(parent)
    found = [site.agent.process.pid]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return set(found)


def hold(site):
    """Freezes the plugin; returns what status says once it is unkillable."""
    pid = site.wait_running("sleeper")["pid"]
    site.way.freeze(pid)
    plugin = wait_for("sleeper to be unkillable", lambda: (
        (p := sleeper(site)) and p["state"] == "unkillable" and p))
    assert state_of(pid) == "D", state_of(pid)
    assert f"process {pid} was killed and has not ended at 20" in plugin["why"], plugin
    assert "state D" in plugin["why"] and site.where in plugin["why"], plugin
    return pid, plugin


def polls_of(site, instance):
    plugin = site.plugin_status(instance)
    return plugin and plugin["gaps"] + plugin["readings"] // max(plugin["series"], 1)


def netif_goes_on(site, polls=4):
    before, begun = wait_for("netif's status", lambda: (
        (p := polls_of(site, "netif")) and (p, site.plugin_status("netif"))))
    wait_for("more polls of netif", lambda: (polls_of(site, "netif") or 0) >= before + polls)
    netif = site.plugin_status("netif")
    assert (netif["gaps"], netif["restarts"]) == (begun["gaps"], 0), netif


def test_unkillable_is_fenced_and_recovers(held):
    """Given a plugin stuck in the kernel, then it is killed in vain, named with where it waits, polled no
    more and not started a second time, whatever is asked; netif misses nothing; once the kernel lets go,
    it runs again by itself, and the gap says hang."""
    held.start()
    held.wait_running("netif")
    pid, plugin = hold(held)
    assert plugin["pid"] == pid and plugin["last_cause"].startswith("hang: poll over its deadline"), plugin
    assert "unkillable" in held.tallyman("status").stdout
    check = held.tallyman("status", "--check")
    assert check.returncode == 1 and "sleeper is unkillable" in check.stdout, check
    if held.where:
        assert re.search(r"system call (statx|newfstatat)", plugin["why"]), plugin
    before = hosts(held)
    for verb in ("restart", "reset"):
        held.tallyman("plugin", verb, "sleeper", check=True)
        netif_goes_on(held)
        assert sleeper(held)["state"] == "unkillable"
        assert hosts(held) == before, "a second copy runs"
    gaps = sleeper(held)["gaps"]
    wait_for("its polls to be gaps", lambda: sleeper(held)["gaps"] > gaps)
    held.way.thaw()
    after = wait_for("it to run again", lambda: (
        (p := sleeper(held)) and p["state"] == "running" and p["pid"] not in (0, pid) and p))
    assert state_of(pid) == "" and after["restarts"] >= 1, after
    wait_for("a reading", lambda: sleeper(held)["readings"] > plugin["readings"])
    netif_goes_on(held)
    assert held.plugin_status("netif")["gaps"] == 0
    assert held.agent.stop() == 0
    dump = held.tallyman("spool", "dump", held.directory / "state/spool").stdout
    assert f"hang: process {pid} was killed and has not ended" in dump, dump[-2000:]


def test_decisions_while_unkillable(held):
    """Given a plugin stuck in the kernel, then disabling, enabling, a changed and a removed configuration
    are heeded without a second copy, and its gaps while disabled are the operator's."""
    held.start()
    held.wait_running("netif")
    pid, plugin = hold(held)
    before = hosts(held)
    held.tallyman("plugin", "disable", "sleeper", "--why", "the mount hangs", check=True)
    plugin = wait_for("the decision", lambda: (p := sleeper(held)) and p["disabled"] and p)
    assert plugin["state"] == "unkillable" and "the mount hangs; process" in plugin["why"], plugin
    held.tallyman("plugin", "enable", "sleeper", check=True)
    file = held.directory / "plugins.d/sleeper.toml"
    file.write_text(file.read_text().replace("deadline", 'restart = "transient"\ndeadline'))
    held.agent.process.send_signal(1)
    plugin = wait_for("the new configuration", lambda: (
        (p := sleeper(held)) and p["restart"] == "transient" and p["state"] == "unkillable" and p))
    assert plugin["disabled"] is None and f"process {pid} was killed" in plugin["why"], plugin
    text = file.read_text()
    file.unlink()
    held.agent.process.send_signal(1)
    wait_for("it to be no longer configured", lambda: held.plugin_status("netif") and not sleeper(held))
    file.write_text(text)
    held.agent.process.send_signal(1)
    wait_for("it to be fenced again", lambda: sleeper(held).get("state") == "unkillable")
    netif_goes_on(held)
    assert hosts(held) == before, "a second copy runs"
    held.way.thaw()
    wait_for("it to run", lambda: sleeper(held).get("state") == "running")
    assert state_of(pid) == ""
    netif_goes_on(held)
    assert held.plugin_status("netif")["gaps"] == 0


def test_the_agent_replaces_itself_beside_it(held):
    """Given a plugin stuck in the kernel, then the agent's next program knows it as this one does, starts no
    second copy, and goes on with it once it has ended; netif misses nothing."""
    held.start()
    held.wait_running("netif")
    pid, plugin = hold(held)
    before = hosts(held)
    held.tallyman("reexec", check=True)
    after = wait_for("the next program to say how it is", lambda: sleeper(held))
    assert (after["state"], after["why"]) == ("unkillable", plugin["why"]), after
    netif_goes_on(held)
    assert hosts(held) == before, "a second copy runs"
    held.way.thaw()
    wait_for("it to run", lambda: (p := sleeper(held)).get("state") == "running" and p["pid"] != pid)
    assert state_of(pid) == ""
    netif_goes_on(held)
    assert held.plugin_status("netif")["gaps"] == 0


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_the_next_agent_starts_no_second_copy(held, end):
    """Given a plugin stuck in the kernel, then the agent can be stopped, and killed, at once; the next one
    knows what was left behind, names it, and starts the plugin when it has ended."""
    held.start()
    held.wait_running("netif")
    pid = held.wait_running("sleeper")["pid"]
    if end == "stop":
        hold(held)
        assert held.agent.stop() == 0, held.agent.tail()
        assert f"process {pid} was killed" in held.agent.tail() and "inherits it" in held.agent.tail()
    else:
        held.way.freeze(pid)
        wait_for("it to hang", lambda: state_of(pid) == "D")
        held.agent.kill()
    assert state_of(pid) == "D"
    held.start_agent()
    held.wait_running("netif")
    plugin = wait_for("sleeper to be unkillable", lambda: (
        (p := sleeper(held)) and p["state"] == "unkillable" and p))
    assert f"process {pid} was killed" in plugin["why"] and plugin["pid"] != 0, plugin
    netif_goes_on(held)
    assert state_of(pid) == "D"
    held.way.thaw()
    after = wait_for("it to run again", lambda: (
        (p := sleeper(held)) and p["state"] == "running" and p["readings"] > 0 and p))
    assert after["pid"] != pid and state_of(pid) == ""
    netif_goes_on(held)
