"""State that was copied, rolled back or restored, at either end: nothing is lost, nothing is billed twice, and
status on both sides says what happened and which command resolves it."""
import json
import shutil

import pytest

from curve import acknowledged, decide, link_of, start_rater, wait_progress
from harness import Site, wait_for

PERIOD = 4


@pytest.fixture
def metered(site, namespaces):
    """An agent that meters va, and a rater that bills it, plain on this machine."""
    site.namespace = namespaces.a
    site.configure_agent(seal_after="200ms")
    site.configure_rater()
    site.catalogue(period=f"{PERIOD}s")
    site.plugin("netif")
    site.start()
    site.wait_running("netif")
    wait_progress(site, 2)
    return site


def bills_exactly(site, sent):
    """Waits until everything sent is billed, and two periods more; then it is billed once."""
    def billed():
        """By period: a period that is told twice is told the same."""
        found = {}
        for record in site.records("acme"):
            start, amount = record["key"]["period"]["start"], int(record["exact"]["billed"])
            assert found.setdefault(start, amount) == amount
        return found

    wait_for("all of it to be billed", lambda: sum(billed().values()) >= sent)
    periods = len(billed())
    wait_for("two periods more", lambda: len(billed()) >= periods + 2)
    assert sum(billed().values()) == sent


def agent_row(site):
    answer = json.loads(site.rater_command("status", "--json").stdout)
    return next(a for a in answer["agents"] if a["agent"] == "stor-01")


def test_rolled_back(metered, namespaces):
    """Given a host that was set back to an old copy of its state, then it is fenced, and `agent replace`
    lets it go on under a new incarnation; every byte is billed once."""
    site = metered
    sent = namespaces.send(300)
    wait_progress(site)
    site.agent.stop()
    shutil.copytree(site.directory / "state", site.directory / "copy")
    site.start_agent()
    wait_for("the agent to be connected", site.connected)
    sent += namespaces.send(300)
    wait_progress(site)
    before = site.status()["incarnation"]
    site.agent.stop()
    shutil.rmtree(site.directory / "state")
    (site.directory / "copy").rename(site.directory / "state")
    site.start_agent()
    wait_for("the fence", lambda: "agent replace stor-01" in link_of(site).get("why", ""))
    assert "fenced" in link_of(site)["why"] and "fenced" in agent_row(site)["refused"]
    assert site.tallyman("status", "--check").returncode == 1
    sent += namespaces.send(300)
    decide(site, "replace", "stor-01", "--why", "restored from a snapshot")
    wait_for("the agent to be connected", site.connected)
    wait_progress(site)
    sent += namespaces.send(300)
    assert site.status()["incarnation"] != before
    assert "diverged" in link_of(site)["note"] and "diverged" in site.tallyman("status").stdout
    bills_exactly(site, sent)


def test_cloned(metered, namespaces):
    """Given a copy of a running agent's state on another host, then one of the two is fenced and told so,
    the other goes on, and every byte is billed once."""
    site = metered
    sent = namespaces.send(300)
    wait_progress(site)
    site.agent.stop()
    other = Site(make(site.directory / "other"))
    shutil.copytree(site.directory / "state", other.directory / "state")
    site.start_agent()
    wait_for("the agent to be connected", site.connected)
    wait_progress(site)
    other.endpoint, other.namespace = site.endpoint, namespaces.b
    other.configure_agent(seal_after="200ms")
    other.start_agent()
    try:
        wait_for("the clone to be fenced", lambda: "exists twice" in link_of(other).get("why", ""))
        sent += namespaces.send(300)
        wait_progress(site)
        assert acknowledged(other) == 0 or link_of(other)["state"] == "refused"
        row = agent_row(site)
        assert row["state"] == "connected" and "fenced" in row["note"]
        assert "agent replace stor-01" in site.rater_command("status").stdout
        bills_exactly(site, sent)
    finally:
        other.close()


def make(path):
    path.mkdir()
    return path


def test_restored_ledger(metered, namespaces):
    """Given a rater that was set back to last night's ledger, then the agent sends again what that one
    lacks, says so, and every byte is billed once."""
    site = metered
    sent = namespaces.send(300)
    wait_progress(site)
    site.rater.stop()
    shutil.copy(site.directory / "ledger.db", site.directory / "backup.db")
    start_rater(site)
    wait_for("the agent to be connected", site.connected)
    sent += namespaces.send(300)
    wait_progress(site)
    site.rater.stop()
    for old in site.directory.glob("ledger.db*"):
        old.unlink()
    (site.directory / "backup.db").rename(site.directory / "ledger.db")
    start_rater(site)
    wait_for("the agent to be connected", site.connected)
    wait_progress(site)
    sent += namespaces.send(300)
    assert "restored" in link_of(site)["note"]
    bills_exactly(site, sent)
