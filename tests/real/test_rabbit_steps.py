"""A rater killed with -9 at each step of publishing: the invoice system has what was released."""
import os
import pathlib
import random
import shutil
import subprocess
import time

import pytest
from harness import BUILD, PATIENCE, Site
from invoices import QUEUE, Invoices, declare, on_channel
from published import Publisher, period_name, tcp
from rabbit import Rabbit, missing

FULL = os.environ.get("TALLYMAN_FULL") == "1"
SAMPLE = 16           # calls, else every one, before and after it
KILL_AT = BUILD / "tests/crash_kill_at"
KILLED, NOT_PERMITTED = 0, 3

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}"),
    pytest.mark.skipif(not KILL_AT.exists(), reason="crash_kill_at is not built"),
]


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    rabbit = Rabbit(tmp_path_factory.mktemp("rabbit"))
    try:
        only = rabbit.start().nodes[0]
        on_channel(only.port, declare)
        yield only
    finally:
        rabbit.close()


@pytest.fixture
def released(tmp_path, node):
    """A rater that has ended, with a released period that waits in its outbox."""
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")
    try:
        publisher = Publisher(site, customers=30)
        publisher.configure(["127.0.0.1:1"])
        publisher.start()
        publisher.release()
        site.rater.stop()
        publisher.configure([tcp(node)])
        yield publisher
    finally:
        site.close()


def killed_at(publisher, call, when):
    """Whether the rater was killed at this call that changes its ledger, before its outbox was empty; and
    how many such calls there were."""
    site, log = publisher.site, publisher.site.directory / "calls.log"
    program = [BUILD / "bin/tallyman-rater", "--config", publisher.file]
    with open(site.directory / "traced.log", "ab") as out:
        tracer = subprocess.Popen([KILL_AT, site.directory / "ledger.db", log, str(call), when, *program],
                                  stdout=out, stderr=out)
        end = time.monotonic() + PATIENCE
        while tracer.poll() is None and time.monotonic() < end:
            bus = publisher.bus()
            if bus and bus["waiting"] == 0:
                break
            time.sleep(0.02)
        status = tracer.poll()
        if status is None:
            tracer.terminate()
            tracer.wait()
        if status == NOT_PERMITTED:
            pytest.skip("ptrace is not permitted here")
        assert status in (None, KILLED), (site.directory / "traced.log").read_text()[-2000:]
    return status == KILLED, sum(line[:1].isdigit() for line in log.read_text().splitlines())


def test_a_rater_killed_at_each_step(released, node):
    """Given a rater that is killed right before or after a call that changes its ledger while it publishes,
    and started again, then the invoice system has each event that was released, byte for byte, and a
    reconciliation finds nothing."""
    site, dice = released.site, random.Random(20261123)
    kept = site.directory / "kept"
    kept.mkdir()
    ledgers = [file for file in site.directory.iterdir() if file.name.startswith("ledger.db") and file.is_file()]
    for file in ledgers:
        shutil.copy(file, kept)

    def one(call, when):
        for file in site.directory.glob("ledger.db*"):
            if file.is_file():
                file.unlink()
        for file in ledgers:
            shutil.copy(kept / file.name, file)
        # The ids are those of the run before: nothing of it may be left.
        on_channel(node.port, lambda channel: channel.queue_purge(QUEUE))
        invoices = Invoices([node.port])
        try:
            assert invoices.bound.wait(60)
            died, calls = killed_at(released, call, when)
            released.start()
            released.same_as(invoices)
            site.rater.stop()
            done = released.reconcile(invoices)
            assert invoices.complete(period_name(0))
            assert done["findings"] == [] and done["received"] == len(released.ledger()), (call, when, done)
            return died, calls
        finally:
            invoices.close()

    _, total = one(0, "before")
    assert total >= 5, "the tracer sees the ledger change"
    every = [(call, when) for call in range(1, total + 1) for when in ("before", "after")]
    chosen = every if FULL else sorted(dice.sample(every, min(SAMPLE, len(every))))
    died = sum(one(*each)[0] for each in chosen)
    assert died > len(chosen) // 3, "a faster run has fewer calls, and not so few"
    print(f"killed {died} times in a script of {total} calls")
