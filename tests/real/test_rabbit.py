"""Usage records on a real RabbitMQ: the invoice system gets exactly what was released, whatever breaks."""
import decimal
import itertools
import json
import os
import random
import time

import pytest
from harness import Site, wait_for
from invoices import EXCHANGE, QUEUE, Invoices, declare, on_channel
from published import Publisher, tcp
from rabbit import PASSWORD, Proxy, Rabbit, certify, missing

FULL = os.environ.get("TALLYMAN_FULL") == "1"
ROUNDS = 100 if FULL else 10
NUMBERS = itertools.count(1)

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}")


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory):
    """One node, plain and TLS."""
    folder = tmp_path_factory.mktemp("rabbit")
    made = Rabbit(folder, certificates=certify(folder / "tls"))
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def node(rabbit):
    """Its node, with a fresh exchange and queue."""
    only, queue = rabbit.nodes[0], f"invoices-{next(NUMBERS)}"

    def fresh(channel):
        for old in only.queues:
            channel.queue_delete(old)
        channel.exchange_delete(EXCHANGE)
        declare(channel, queue)
    on_channel(only.port, fresh)
    only.queues = [queue]
    return only


@pytest.fixture
def publisher(site, node):
    made = Publisher(site)
    made.configure([tcp(node)])
    return made


@pytest.fixture
def invoices(node):
    made = Invoices([node.port], node.queues[0])
    yield made
    made.close()


def test_every_record_arrives_once_as_it_stands_in_the_ledger(publisher, invoices, node):
    """Given released periods, and adjustments of one, then each event arrives with its properties and key,
    valid, byte for byte, the period records tell when a period is complete and what it comes to, and a
    reconciliation finds nothing."""
    publisher.start()
    names = publisher.release(2)
    publisher.same_as(invoices)
    assert invoices.repeats == 0
    assert all(invoices.complete(name) for name in names)
    publisher.adjust()
    publisher.same_as(invoices)
    assert invoices.repeats == 0 and all(invoices.complete(name) for name in names)
    events = map(json.loads, publisher.ledger().values())
    told = [decimal.Decimal(event["data"]["sums"]["EUR"]) for event in events if "subject" not in event
            and event["data"]["key"]["period"]["id"] == names[0]]
    assert len(told) == 2 and all(told), "the period's, and what the adjustments change"
    assert invoices.sums(names[0]) == {"EUR": sum(told)}
    done = publisher.reconcile(invoices)
    assert done["findings"] == [] and done["received"] == done["released"] > publisher.customers, done
    assert done["elsewhere"] == 2 * publisher.customers + 1
    bus = publisher.bus()
    assert bus["state"] == "connected" and bus["node"] == tcp(node) and bus["repeated"] == 0
    assert publisher.ask("outbox", "ls")["outbox"] == []
    assert PASSWORD not in publisher.site.rater.tail()


def test_what_check_says(publisher, node, rabbit):
    """Given a wrong password, a missing permission, an absent exchange, TLS where there is none or from an
    unknown authority, or a host without address, then --check says so in one line and exits 2."""
    def told(*words):
        status, said = publisher.check()
        assert status == 2 and len(said.splitlines()) == 1, said
        for word in words:
            assert word in said, said
    assert publisher.check() == (0, "")
    publisher.password.write_text("another\n")
    told(tcp(node), "ACCESS_REFUSED", "password_file")
    publisher.password.write_text(PASSWORD + "\n")
    node.allow(write="")
    told(tcp(node), "403", "grant the user `tallyman` to write")
    node.allow()
    publisher.configure([tcp(node)], exchange="absent")
    told("404", "declare")
    publisher.configure([tcp(node)], virtual_host="absent")
    told("virtual_host")
    authority = str(rabbit.folder / "tls/ca.crt")
    publisher.configure([f"localhost:{node.port}"], tls=True, ca=authority)
    told("TLS")
    publisher.configure([f"127.0.0.1:{node.tls_port}"])
    told("tls = true")
    other = certify(publisher.site.directory / "other")
    publisher.configure([f"localhost:{node.tls_port}"], tls=True, ca=str(other / "ca.crt"))
    told("authority", "`ca`")
    publisher.configure([f"127.0.0.1:{node.tls_port}"], tls=True, ca=authority)
    told("not for an address")
    named = certify(publisher.site.directory / "named", "rabbit.example")
    with Proxy(named, node.port) as proxy:
        publisher.configure([f"localhost:{proxy.port}"], tls=True, ca=str(named / "ca.crt"))
        told("another host")
    publisher.configure([f"localhost:{node.tls_port}"], tls=True, ca=authority)
    assert publisher.check() == (0, "")
    publisher.configure(["rabbit.invalid"], ca=authority)
    told("rabbit.invalid:5671", "address")
    publisher.configure(["127.0.0.1:1"])
    told("127.0.0.1:1", "refused")
    publisher.password.chmod(0o640)
    told("0600")


def test_records_go_over_tls(publisher, invoices, node, rabbit):
    """Given TLS with the authority's certificate, then records arrive over it."""
    publisher.configure([f"localhost:{node.tls_port}"], tls=True, ca=str(rabbit.folder / "tls/ca.crt"))
    publisher.start()
    publisher.release()
    publisher.same_as(invoices)
    assert "ssl" in node.ctl("list_connections", "user", "ssl", "protocol") or \
        "true" in node.ctl("list_connections", "user", "ssl")


def test_a_broker_killed_and_started_again(publisher, invoices, node):
    """Given a broker killed with -9 and started again, then status says that it is down, and nothing is lost."""
    publisher.start()
    publisher.release(2)
    node.kill()
    publisher.release()
    down = publisher.wait_state("down")
    assert down["waiting"] > 0 and down["detail"], down
    node.start()
    publisher.ask("outbox", "retry")
    publisher.same_as(invoices)
    publisher.wait_state("connected")


def test_a_broker_that_blocks(publisher, invoices, node):
    """Given a memory alarm, then status says that the broker blocks and why, and once it is over all goes out."""
    publisher.start()
    publisher.wait_state("connected")
    node.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        publisher.release(2)
        blocked = publisher.wait_state("blocked")
        assert "memory" in blocked["detail"], blocked
        assert publisher.bus()["waiting"] > 0
        publisher.release()
    finally:
        node.ctl("set_vm_memory_high_watermark", "absolute", "512MB")
    publisher.same_as(invoices)


def test_a_queue_that_is_deleted(publisher, node):
    """Given no queue, then what comes back is not taken for published: status names it, `outbox ls` too, and
    with a queue again everything arrives."""
    on_channel(node.port, lambda channel: channel.queue_delete(node.queues[0]))
    publisher.start()
    publisher.release()
    returned = publisher.wait_state("returned")
    assert "NO_ROUTE" in returned["detail"] and returned["confirmed"] == 0
    assert any("NO_ROUTE" in row["state"] for row in publisher.ask("outbox", "ls")["outbox"])
    again = Invoices([node.port], node.queues[0])
    try:
        assert again.bound.wait(60)
        publisher.ask("outbox", "retry")
        publisher.same_as(again)
    finally:
        again.close()


def test_messages_lost_behind_the_bus(publisher, node):
    """Given a queue that is deleted with what was confirmed into it, then reconcile names all of it, and sent
    once more it is there."""
    publisher.start()
    name = publisher.release()[0]
    publisher.wait_empty()
    on_channel(node.port, lambda channel: channel.queue_delete(node.queues[0]))
    again = Invoices([node.port], node.queues[0])
    try:
        assert again.bound.wait(60)
        lost = publisher.reconcile(again)["findings"]
        assert {one["id"] for one in lost} == publisher.ledger().keys() and lost[0]["what"] == "not received"
        assert publisher.ask("outbox", "resend", name, "--why", "the queue was deleted")["messages"] == len(lost)
        publisher.same_as(again)
        assert publisher.reconcile(again)["findings"] == []
    finally:
        again.close()


def test_permissions_taken_and_given_back(publisher, invoices, node):
    """Given a user who may not write any more, then status says `refused` and what to do; given back, all
    goes out."""
    publisher.start()
    publisher.release()
    publisher.same_as(invoices)
    node.allow(write="")
    node.ctl("close_all_connections", "a test")
    publisher.release()
    refused = publisher.wait_state("refused")
    assert "403" in refused["detail"] and "grant" in refused["detail"], refused
    node.allow()
    publisher.ask("outbox", "retry")
    publisher.same_as(invoices)


def test_an_exchange_that_is_deleted(publisher, invoices, node):
    """Given an exchange that is deleted under the rater, then status says `refused`; declared again, all goes
    out."""
    publisher.start()
    publisher.wait_state("connected")
    on_channel(node.port, lambda channel: channel.exchange_delete(EXCHANGE))
    publisher.release()
    assert "404" in publisher.wait_state("refused")["detail"]
    on_channel(node.port, lambda channel: declare(channel, node.queues[0]))
    publisher.ask("outbox", "retry")
    publisher.same_as(invoices)


def test_a_message_that_is_skipped(publisher, node):
    """Given a message that nobody will ever take, then somebody leaves it out, for a reason that is kept."""
    on_channel(node.port, lambda channel: channel.queue_delete(node.queues[0]))
    publisher.start()
    publisher.release()
    publisher.wait_state("returned")
    row = publisher.ask("outbox", "ls")["outbox"][0]
    assert publisher.site.rater_command("outbox", "skip", row["id"]).returncode == 2, "a reason is wanted"
    assert publisher.ask("outbox", "skip", row["id"][:20], "--why", "sent by hand")["skipped"] == row["id"]
    made = Invoices([node.port], node.queues[0])
    try:
        assert made.bound.wait(60)
        publisher.ask("outbox", "retry")
        bus = publisher.wait_empty()
        assert bus["skipped"] == 1
        expected = publisher.ledger()
        expected.pop(row["id"])
        wait_for("all the others", lambda: made.taken() == expected)
    finally:
        made.close()
    last = publisher.ask("audit", "log")["decisions"][-1]
    assert last["kind"] == "outbox skip" and last["why"] == "sent by hand" and last["what"]["id"] == row["id"]


CHEAP = ["cut", "cut", "cut", "kill rater", "kill rater", "delete queue", "nothing"]
DEAR = ["kill broker", "close connections", "block", "permissions"]  # a program of Erlang each


def misfortune(publisher, node, proxy, what):
    if what == "cut":
        proxy.cut()
    elif what == "kill rater":
        publisher.site.rater.kill()
        publisher.start()
    elif what == "delete queue":
        def renew(channel):
            channel.queue_delete(node.queues[0])
            declare(channel, node.queues[0])
        on_channel(node.port, renew)
    elif what == "kill broker":
        node.kill()
        node.start()
    elif what == "close connections":
        node.ctl("close_all_connections", "a test")
    elif what == "block":
        node.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
        node.ctl("set_vm_memory_high_watermark", "absolute", "512MB")
    elif what == "permissions":
        node.allow(write="")
        proxy.cut()
        node.allow()


def test_rounds_at_random(publisher, invoices, node):
    """Given one misfortune after another at a random moment while records go out, then the invoice system has
    in the end what the ledger released, byte for byte; what a deleted queue took along is sent once more."""
    dice = random.Random(20261123)
    with Proxy(None, node.port) as proxy:
        publisher.configure([f"127.0.0.1:{proxy.port}"])
        publisher.start()
        names, resend = [], False
        for n in range(ROUNDS):
            proxy.flows.clear()
            names += publisher.release(2)
            proxy.flows.set()
            time.sleep(dice.random() * 0.05)  # a moment of publishing, not one to wait for
            choice = dice.choice(DEAR if n % 10 == 9 else CHEAP)
            misfortune(publisher, node, proxy, choice)
            resend = resend or choice == "delete queue"
            print(n, choice, publisher.bus())
            if n % 5 != 4:
                continue
            publisher.ask("outbox", "retry")
            publisher.wait_empty()
            if resend:
                lost = [name for name in names[-10:] if publisher.reconcile_name(invoices, name)["findings"]]
                for name in lost:
                    publisher.ask("outbox", "resend", name, "--why", "its queue was deleted")
                resend = False
            publisher.same_as(invoices)


def test_a_cluster_that_loses_its_leader(tmp_path):
    """Given three nodes, when the one that leads the queue and takes the records is killed in mid-publish, then
    the rater goes on with another, and in the end nothing is lost; then the same of the one it went on with."""
    (tmp_path / "rabbit").mkdir()
    (tmp_path / "site").mkdir()
    rabbit = Rabbit(tmp_path / "rabbit", names=("ta", "tb", "tc"))
    site = Site(tmp_path / "site")
    taken = None
    try:
        rabbit.start()
        # Declared through the node that the rater connects to first: that one leads.
        on_channel(rabbit.nodes[0].port, declare)
        for node in rabbit.nodes:
            node.queues = [QUEUE]
            node.settle()
        taken = Invoices([node.port for node in reversed(rabbit.nodes)])
        publisher = Publisher(site, customers=100)
        publisher.configure([tcp(node) for node in rabbit.nodes])
        publisher.start()
        for leader in rabbit.nodes[:2 if FULL else 1]:
            publisher.release(2)
            leader.kill()
            publisher.release(2)
            wait_for("another node", lambda gone=leader: (b := publisher.bus()) and
                     b["state"] not in ("down", "refused", "connecting") and b["node"] != tcp(gone))
            leader.start()
            publisher.ask("outbox", "retry")
            publisher.same_as(taken)
    finally:
        if taken:
            taken.close()
        site.close()
        rabbit.close()
