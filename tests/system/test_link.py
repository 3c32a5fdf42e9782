"""Between agent and rater: what a link may do to messages changes nothing in the ledger."""
import sqlite3
import threading

import pytest
import zmq

from harness import begin_of_period, wait_for

PERIOD = 20


class Doubler:
    """Stands between agent and rater and hands on every message of the agent twice."""

    def __init__(self, site):
        self.front, self.back = f"ipc://{site.directory}/front", site.endpoint
        self.doubled = 0
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
                    for _ in range(2):
                        backs[peer].send(body)
                    self.doubled += 1
                else:
                    peer = next(p for p, s in backs.items() if s is socket)
                    front.send_multipart([peer, socket.recv()])
        context.destroy(linger=0)

    def close(self):
        self.ending.set()
        self.thread.join()


@pytest.fixture
def doubler(site):
    made = Doubler(site)
    yield made
    made.close()


def test_every_message_twice(site, namespaces, doubler):
    """Given a link that delivers every message twice, then the record has every byte once, and the
    ledger holds each sequence number once."""
    site.namespace = namespaces.a
    site.configure_agent(endpoint=doubler.front)
    site.configure_rater()
    site.catalogue(period=f"{PERIOD}s")
    site.plugin("netif")
    site.start()
    site.wait_running("netif")
    instant = begin_of_period(PERIOD, 10)
    sent = namespaces.send(1000)
    record = site.record_of("acme", instant)
    assert record["exact"]["billed"] == str(sent)
    assert doubler.doubled > 10
    assert site.status()["link"]["state"] == "connected"


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
