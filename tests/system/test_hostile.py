"""A hostile client, without and with a valid key, beside an honest agent: the ledger's batches and marks
stay what the honest agent made them, and it goes on being acknowledged through every attack."""
import random
import re
import socket
import threading

import pytest
import zmq

from curve import (ACK, FENCED, MALFORMED, NO_SESSION, OTHER_AGENT, OTHER_LEDGER, OUT_OF_ORDER, PENDING,
                   REFUSED, Client, acknowledged, batch, decide, encrypt, heartbeat, hello,
                   many_descriptors, new_key, pair_of, raw_batches, rows, start_rater, text, varint)
from harness import SANITIZED, Site, wait_for

CROWD = 200 if SANITIZED else 1000
GREETING = (b"\xff" + bytes(8) + b"\x7f\x03\x01CURVE" + bytes(15) + b"\x00" + bytes(31))


@pytest.fixture
def fort(site, tmp_path_factory):
    """A rater over CURVE with an honest agent that flows, and what a hostile one with a valid key has: its
    key, and real batches of its own that this rater does not hold."""
    many_descriptors()
    own = Site(tmp_path_factory.mktemp("evil"))
    own.configure_agent(seal_after="200ms", name="evil-01")
    own.configure_rater()
    own.catalogue()
    own.plugin("netif", exclude=[])
    own.start()
    wait_for("batches", lambda: acknowledged(own) >= 6)
    own.agent.stop()
    own.rater.stop()
    site.evil_batches = raw_batches(own.directory / "ledger.db", "evil-01")
    own.close()

    encrypt(site, endpoint="tcp://127.0.0.1:*", seal_after="200ms")
    site.plugin("netif", exclude=[])
    site.endpoint = start_rater(site)["listen"]
    site.configure_agent(rater=f'rater_key = "{site.rater_key}"', endpoint=site.endpoint, seal_after="200ms")
    decide(site, "approve", site.agent_key, "--as", "stor-01")
    evil = new_key("tallyman", site.directory / "evil.key")
    decide(site, "approve", evil, "--as", "evil-01")
    site.evil_pair = pair_of(site.directory / "evil.key")
    site.start_agent()
    wait_for("the agent to be connected", site.connected)
    wait_for("batches", lambda: acknowledged(site) >= 3)
    site.ledger = site.directory / "ledger.db"
    site.before = settled(site)
    site.context = zmq.Context()
    site.context.set(zmq.MAX_SOCKETS, 4096)
    yield site
    site.context.destroy(linger=0)


def settled(site):
    """All of the ledger that an attack might touch, but for what the honest agent moves on."""
    return {
        "keys": rows(site.ledger, "SELECT key, agent, state, decided, who, why FROM agent_key ORDER BY key"),
        "decisions": rows(site.ledger, "SELECT * FROM audit WHERE kind LIKE 'agent %'"),
        "moves": rows(site.ledger, "SELECT * FROM agent_move"),
        "others": rows(site.ledger, "SELECT stream.agent, batch.sequence, hash FROM batch JOIN stream"
                                    " ON stream.id = batch.stream WHERE stream.agent != 'stor-01'"),
        "marks": rows(site.ledger, "SELECT agent, mark, mark_hash, definitions FROM stream"
                                   " WHERE agent != 'stor-01' AND (mark > 0 OR definitions > 0)"),
        "honest": rows(site.ledger, "SELECT incarnation FROM stream WHERE agent = 'stor-01'"),
    }


def unharmed(site):
    """What must hold after any attack: nothing but the honest agent's own chain, whole and growing."""
    before = acknowledged(site)
    wait_for("the honest agent to be acknowledged", lambda: acknowledged(site) >= before + 3)
    assert settled(site) == site.before
    held = rows(site.ledger, "SELECT sequence, last FROM batch ORDER BY sequence")
    assert held == [(n, n) for n in range(1, len(held) + 1)]
    assert rows(site.ledger, "PRAGMA integrity_check") == [("ok",)]
    assert site.rater.running() and site.agent.running()
    status = site.status()
    assert status["link"]["state"] == "connected", status["link"]
    assert site.plugin_status("netif")["gaps"] == 0


def during(site, attack):
    """Goes on attacking until the honest agent has been acknowledged five times more meanwhile."""
    goal = acknowledged(site) + 5
    wait_for("the honest agent to be acknowledged under attack",
             lambda: attack() or acknowledged(site) >= goal)


def address_of(site):
    return "127.0.0.1", int(site.endpoint.rsplit(":", 1)[1])


def memory_of(site):
    """Resident bytes of the rater, at most so far."""
    status = open(f"/proc/{site.rater.process.pid}/status").read()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10


def test_without_a_key(fort):
    """Given plain ZeroMQ, garbage on the socket, handshakes that stop half way and a thousand silent
    connections, then nobody is heard."""
    plain = Client(fort.context, fort.endpoint)
    shapes = random.Random(1)

    def garbage():
        plain.try_send(hello("stor-01"))
        with socket.create_connection(address_of(fort)) as raw:
            raw.sendall(GREETING[:shapes.randrange(len(GREETING) + 1)]
                        + shapes.randbytes(shapes.randrange(2000)))

    during(fort, garbage)
    # A frame that says 4 GiB and one that says all it can, after a good greeting.
    for size in (b"\x06" + (4 << 30).to_bytes(8, "big"), b"\x06" + b"\xff" * 8, b"\x04\xff"):
        with socket.create_connection(address_of(fort)) as raw:
            raw.sendall(GREETING + size + bytes(1000))
    crowd = [socket.create_connection(address_of(fort)) for _ in range(CROWD)]
    for each in crowd:
        each.sendall(GREETING)
    during(fort, lambda: None)
    assert plain.silent()
    for each in crowd:
        each.close()
    unharmed(fort)


def test_with_an_unknown_key(fort):
    """Given a key that nobody approved, then its owner is told so once and not listened to, whatever it
    sends; a thousand such keys in the honest agent's name grow nothing, and are no more than 256."""
    stranger = Client(fort.context, fort.endpoint, fort.rater_key)
    honest = raw_batches(fort.ledger, "stor-01")
    assert stranger.refused(b"") == MALFORMED
    for noise in (b"", b"\1", b"\1\3", b"\xff" * 100, bytes(4 << 20), heartbeat(1), batch(1, honest[0][2])):
        stranger.send(noise)
        stranger.send(noise, b"two", b"frames")
    assert stranger.refused(hello("stor-01", honest[0][0], token=1)) == PENDING
    stranger.send(batch(1, honest[0][2]))
    assert stranger.silent()
    shapes = random.Random(2)
    during(fort, lambda: [stranger.try_send(shapes.randbytes(shapes.randrange(1 << 16))) for _ in range(20)])

    crowd = [Client(fort.context, fort.endpoint, fort.rater_key) for _ in range(CROWD)]
    for each in crowd:
        each.send(hello("stor-01"))
    for each in crowd:
        answer = each.answer()
        assert (answer[1], answer[2]) == (REFUSED, PENDING)
    during(fort, lambda: [each.try_send(heartbeat(1)) for each in crowd])
    waiting = decide(fort, "ls", "--pending")["keys"]
    assert 1 <= len(waiting) <= 256
    refused = fort.rater_command("agent", "approve", "stor-01", "--why", "which one")
    assert refused.returncode == 1 and "wait" in refused.stderr
    for each in crowd:
        each.close()
    # What is larger than any message cuts its sender's connection.
    stranger.send(bytes(8 << 20))
    unharmed(fort)
    log = (fort.directory / "rater.log").read_text()
    assert len(log.splitlines()) < 300, log[-3000:]
    assert SANITIZED or memory_of(fort) < 400 << 20


def test_with_a_valid_key(fort):
    """Given an approved key of its own, then another agent's id, replayed and wrong batches, wrong
    sequences and tokens, and garbage in any shape are refused, each in words, and change nothing."""
    evil = Client(fort.context, fort.endpoint, fort.rater_key, fort.evil_pair)
    honest = raw_batches(fort.ledger, "stor-01")
    life = fort.evil_batches[0][0]
    own = {sequence: content for _, sequence, content in fort.evil_batches}
    ledger = int(start_ledger(fort), 16)

    # Another agent's id, with its own incarnation, ledger and a token it may hold.
    assert evil.refused(hello("stor-01", honest[0][0], token=1, ledger=ledger)) == OTHER_AGENT
    assert evil.refused(hello("evil-01", life, ledger=ledger + 1)) == OTHER_LEDGER
    assert evil.refused(hello("evil-01", life, token=(1 << 64) - 1)) == MALFORMED
    assert evil.refused(hello("no id\n", life)) == MALFORMED

    def session():
        return evil.welcome(hello("evil-01", life, token=session.token, ledger=ledger))

    session.token = 0
    wrong = [
        (lambda token: batch(token, honest[0][2]), MALFORMED),         # replayed, of another agent
        (lambda token: batch(token, own[3]), OUT_OF_ORDER),            # not the first
        (lambda token: batch(token, own[1][:-1]), MALFORMED),          # half of it
        (lambda token: batch(token, own[1] + b"x"), MALFORMED),
        (lambda token: batch(token, b""), MALFORMED),
        (lambda token: batch(token, bytes(4 << 20)), MALFORMED),
        (lambda token: batch(token, own[1])[:-7], MALFORMED),          # a length that is too long
        (lambda token: b"\1\3" + bytes(8) + varint(1 << 62), MALFORMED),
        (lambda token: batch(token + 9, own[1]), NO_SESSION),          # one never given
        (lambda token: heartbeat(token + 1), NO_SESSION),
        (lambda token: b"\1\2" + token.to_bytes(8, "little") + varint(1 << 40), MALFORMED),
        (lambda token: b"\1\2" + token.to_bytes(8, "little") + b"\1\1\1" + text("x"), MALFORMED),
        (lambda token: b"\1\x11" + bytes(100), MALFORMED),             # the rater's own words
        (lambda token: b"\2" + heartbeat(token)[1:], MALFORMED),       # another version
        (lambda token: b"", MALFORMED),
    ]
    for make, why in wrong:
        session.token = session()
        message = make(session.token)
        assert evil.refused(message) == why, message[:40]
        evil.send(message)
        evil.send(heartbeat(session.token))
    assert evil.silent()
    # A token of before says nothing against the session's own.
    session.token = session()
    for message in (batch(session.token - 1, own[1]), heartbeat(session.token - 1)):
        assert evil.refused(message) == NO_SESSION
    assert evil.ask(heartbeat(session.token))[1] == ACK
    session.token = session()
    evil.send(heartbeat(session.token), b"and more")
    assert evil.answer()[2] == MALFORMED

    # Real batches with damage, and hellos as fast as they are taken.
    shapes = random.Random(3)

    def damage():
        session.token = session()
        message = bytearray(batch(session.token, own[1]))
        for _ in range(shapes.randrange(1, 4)):
            message[shapes.randrange(10, len(message))] ^= 1 << shapes.randrange(8)
        if message != batch(session.token, own[1]):
            answer = evil.ask(bytes(message))
            assert answer[1] == REFUSED, answer

    during(fort, damage)
    flood = [Client(fort.context, fort.endpoint, fort.rater_key, fort.evil_pair) for _ in range(50)]
    ending = threading.Event()

    def hammer():
        while not ending.is_set():
            for each in flood:
                each.try_send(hello("evil-01", life, ledger=ledger))
                each.try_send(batch(1, own[2]))
                while each.socket.poll(0):
                    each.answer()

    thread = threading.Thread(target=hammer)
    thread.start()
    try:
        during(fort, lambda: None)
    finally:
        ending.set()
        thread.join()
    for each in flood:
        each.close()
    unharmed(fort)


def test_its_own_batches_twice(fort):
    """Given an approved key and real batches, then each is held once however often it comes, another one
    under a held number is refused, and an older token is fenced once data came with a newer one."""
    evil = Client(fort.context, fort.endpoint, fort.rater_key, fort.evil_pair)
    life = fort.evil_batches[0][0]
    own = [content for _, _, content in fort.evil_batches]
    first = evil.welcome(hello("evil-01", life))
    token = evil.welcome(hello("evil-01", life, token=first))
    for _ in range(3):
        for content in own[:3]:
            assert evil.ask(batch(token, content))[1] == ACK
    held = rows(fort.ledger, "SELECT sequence FROM batch JOIN stream ON id = stream"
                             " WHERE agent = 'evil-01' ORDER BY sequence")
    assert held == [(1,), (2,), (3,)]
    assert [c for _, _, c in raw_batches(fort.ledger, "evil-01")] == own[:3]
    assert evil.refused(hello("evil-01", life, token=first)) == FENCED
    assert evil.refused(hello("evil-01", life)) == FENCED
    fort.before = settled(fort)
    before = acknowledged(fort)
    wait_for("the honest agent to be acknowledged", lambda: acknowledged(fort) >= before + 3)
    assert settled(fort) == fort.before


def start_ledger(site):
    return rows(site.ledger, "SELECT printf('%016x', id) FROM ledger")[0][0]
