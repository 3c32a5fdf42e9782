"""Between agent and rater: what a link may do to messages changes nothing in the ledger."""
import sqlite3
import subprocess
import threading

import pytest
import zmq

from harness import BUILD, begin_of_period, wait_for

PERIOD = 20


BATCH, HELLO_THAT_ASKS, PACKED_BATCH = 3, 5, 6


class Between:
    """Stands between agent and rater and hands on what hand_on() gives for a message of the agent."""

    def __init__(self, site):
        self.front, self.back = f"ipc://{site.directory}/front", site.endpoint
        self.types = []  # of the agent's messages
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        context = zmq.Context()
        front = context.socket(zmq.ROUTER)
        front.bind(self.front)
        backs, poller = {}, zmq.Poller()
        poller.register(front, zmq.POLLIN)
        while not self.ending.is_set():
            for socket, _ in poller.poll(50):
                if socket is front:
                    peer, body = front.recv_multipart()
                    if peer not in backs:
                        backs[peer] = context.socket(zmq.DEALER)
                        backs[peer].connect(self.back)
                        poller.register(backs[peer], zmq.POLLIN)
                    self.types.append(body[1])
                    for copy in self.hand_on(body):
                        backs[peer].send(copy)
                else:
                    peer = next(p for p, s in backs.items() if s is socket)
                    front.send_multipart([peer, socket.recv()])
        context.destroy(linger=0)

    @staticmethod
    def hand_on(body):
        return [body]

    def close(self):
        self.ending.set()
        self.thread.join()


class Doubler(Between):
    @staticmethod
    def hand_on(body):
        return [body, body]


class OldRater(Between):
    """What is behind it does not know the types that came with compression."""

    @staticmethod
    def hand_on(body):
        return [b"\1\x7f" if body[1] in (HELLO_THAT_ASKS, PACKED_BATCH) else body]


@pytest.fixture
def between(site, request):
    made = request.param(site)
    yield made
    made.close()


@pytest.mark.parametrize("between", [Doubler], indirect=True)
def test_every_message_twice(site, namespaces, between):
    """Given a link that delivers every message twice, then the record has every byte once, and the
    ledger holds each sequence number once."""
    site.namespace = namespaces.a
    site.configure_agent(endpoint=between.front)
    site.configure_rater()
    site.catalogue(period=f"{PERIOD}s")
    site.plugin("netif")
    site.start()
    site.wait_running("netif")
    instant = begin_of_period(PERIOD, 10)
    sent = namespaces.send(1000)
    record = site.record_of("acme", instant)
    assert record["exact"]["billed"] == str(sent)
    assert len(between.types) > 10
    assert site.status()["link"]["state"] == "connected"


@pytest.mark.parametrize("between, agreed", [(Between, "zstd"), (OldRater, "none")], indirect=["between"])
def test_compression(site, namespaces, between, agreed):
    """Given an agent that may compress, then batches go packed to a rater that can unpack them and plain to
    an older one; the record has every byte, and the ledger's chain verifies."""
    site.namespace = namespaces.a
    site.configure_agent(endpoint=between.front, rater='compression = "zstd"')
    site.configure_rater()
    site.catalogue(period=f"{PERIOD}s")
    site.plugin("netif")
    site.start()
    site.wait_running("netif")
    instant = begin_of_period(PERIOD, 10)
    sent = namespaces.send(1000)
    record = site.record_of("acme", instant)
    assert record["exact"]["billed"] == str(sent)
    link = site.status()["link"]
    assert (link["state"], link["compression"]) == ("connected", agreed)
    assert (PACKED_BATCH in between.types) == (agreed == "zstd")
    assert (BATCH in between.types) or agreed == "zstd"
    assert between.types.count(HELLO_THAT_ASKS) == 1
    site.agent.stop()
    site.rater.stop()
    verified = subprocess.run([BUILD / "bin/tallyman-rater", "verify", "--ledger",
                               site.directory / "ledger.db"],
                              capture_output=True, text=True)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_rater_away(site):
    """Given no rater for a while, then the spool keeps every batch and drains when it comes."""
    site.configure_agent(seal_after="200ms")
    site.configure_rater()
    site.catalogue()
    site.plugin("netif", exclude=[])
    site.start_agent()
    site.wait_running("netif")
    wait_for("batches to wait", lambda: site.status()["spool"]["batches"] >= 10)
    assert site.status()["link"]["state"] != "connected"
    site.start_rater()
    wait_for("the spool to drain", lambda: (
        (s := site.status()) and s["spool"]["acknowledged"] >= 10 and s["spool"]["batches"] <= 2))
    assert site.plugin_status("netif")["gaps"] == 0
    site.agent.stop()
    site.rater.stop()
    ledger = sqlite3.connect(site.directory / "ledger.db")
    assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
