"""Real traffic through plugin, spool, ZeroMQ and ledger comes out as a usage record, to the byte."""
import time

import pytest

from harness import begin_of_period, wait_for

PERIOD = 20
ROOM = 14


@pytest.fixture
def metered(site, namespaces):
    """Agent and rater in namespace a, customer acme owning va; netif has polled."""
    site.namespace = namespaces.a
    site.configure_agent()
    site.configure_rater()
    site.catalogue(period=f"{PERIOD}s")
    site.plugin("netif")
    site.start()
    site.wait_running("netif")
    return site


def assert_billed(site, instant, expected):
    record = site.record_of("acme", instant)
    assert record["exact"]["billed"] == str(expected), site.agent.tail() + site.rater.tail()
    # Nothing of it is billed a second time before or after.
    others = [r for r in site.records("acme") if r["key"] != record["key"]]
    assert all(r["exact"]["billed"] == "0" for r in others)


@pytest.mark.threads
def test_thousand_datagrams(metered, namespaces):
    """Given 1000 datagrams of 1000 bytes, then the record says 1,042,000 bytes, wholly covered."""
    instant = begin_of_period(PERIOD, ROOM)
    expected = namespaces.send(1000)
    assert expected == 1_042_000
    assert_billed(metered, instant, expected)


def kill_agent(site, namespaces):
    site.agent.kill()
    sent = namespaces.send(250)
    site.start_agent()
    return sent


def kill_rater(site, namespaces):
    site.rater.kill()
    sent = namespaces.send(250)
    site.start_rater()
    return sent


def kill_both(site, namespaces):
    site.agent.kill()
    site.rater.kill()
    sent = namespaces.send(250)
    site.start_agent()
    site.start_rater()
    return sent


@pytest.mark.parametrize("kill", [kill_agent, kill_rater, kill_both])
def test_killed_in_the_middle(metered, namespaces, kill):
    """Given daemons killed with -9 between datagrams, then the record still has every byte once."""
    instant = begin_of_period(PERIOD, ROOM)
    sent = namespaces.send(500)
    sent += kill(metered, namespaces)
    metered.wait_running("netif")
    sent += namespaces.send(250)
    assert sent == 1_042_000
    assert_billed(metered, instant, sent)


def test_recreated_veth(metered, namespaces):
    """Given a veth deleted and made again under the same name, then its bytes are added, never a wrap."""
    instant = begin_of_period(PERIOD, ROOM)
    sent = namespaces.send(300)
    polled(metered)
    namespaces.part()
    polled(metered)
    namespaces.join()
    sent += namespaces.send(200)
    polled(metered)
    assert_billed(metered, instant, sent)


def test_recreated_with_the_same_index(metered, namespaces):
    """Given a veth made again between two polls under name and index of the old one, then both count."""
    instant = begin_of_period(PERIOD, ROOM)
    sent = namespaces.send(300)
    polled(metered)
    index = namespaces.index()
    namespaces.part()
    namespaces.join(index)
    sent += namespaces.send(200)
    polled(metered)
    assert_billed(metered, instant, sent)


def test_renamed_in_mid_run(metered, namespaces):
    """Given name, alias and MAC changed between datagrams, then nothing is lost and nothing added."""
    metered.catalogue(period=f"{PERIOD}s", customers=(
        ("acme", {"ifindex": str(namespaces.index())}),))
    metered.rater.process.send_signal(1)
    instant = begin_of_period(PERIOD, ROOM)
    sent = namespaces.send(100)
    polled(metered)
    namespaces.run("ip", "-n", namespaces.a, "link", "set", "va", "alias", "customer 7")
    sent += namespaces.send(100)
    polled(metered)
    namespaces.run("ip", "-n", namespaces.a, "link", "set", "va", "down")
    namespaces.run("ip", "-n", namespaces.a, "link", "set", "va", "name", "renamed0")
    namespaces.run("ip", "-n", namespaces.a, "link", "set", "renamed0", "address", "02:00:00:00:00:77")
    polled(metered)
    namespaces.run("ip", "-n", namespaces.a, "link", "set", "renamed0", "name", "va")
    namespaces.run("ip", "-n", namespaces.a, "link", "set", "va", "address", "02:00:00:00:00:01", "up")
    namespaces.run("ip", "-n", namespaces.a, "neigh", "replace", "10.204.0.2", "lladdr",
                   "02:00:00:00:00:02", "dev", "va", "nud", "permanent")
    sent += namespaces.send(100)
    polled(metered)
    assert_billed(metered, instant, sent)


def polled(site):
    """Waits until netif has made two more polls."""
    before = site.plugin_status("netif")["last_poll"]
    for _ in range(2):
        before = wait_for("another poll", lambda: (
            (p := site.plugin_status("netif")) and p["last_poll"] > before and p["last_poll"]))
