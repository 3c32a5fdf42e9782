"""Imports of large files: the rater goes on meanwhile, and an import cut short goes on where it was."""
import hashlib
import json
import subprocess

import pytest
from harness import BUILD, PATIENCE, wait_for

SLOTS = 200_000  # of a second each
BEGIN = 1_790_000_000 // 86_400 * 86_400  # a midnight in September 2026


@pytest.fixture
def large(site):
    """A rater with an agent that sends, and a file of slots from before, each of 7 bytes."""
    import datetime
    site.configure_agent()
    site.configure_rater(automatic=False)
    site.catalogue(period="1h", customers=(("acme", {"interface": "eth9"}),))
    site.plugin("counter", series=3)
    site.start()
    site.wait_running("counter")
    epoch = datetime.datetime(1970, 1, 1)
    site.large = site.directory / "large.csv"
    with open(site.large, "w") as out:
        out.write("source,metric,slot,seconds,bytes,coverage,labels,info\n")
        for n in range(SLOTS):
            at = (epoch + datetime.timedelta(seconds=BEGIN + n)).isoformat()
            out.write(f"host:old-01,netif_transmit_bytes_total,{at}Z,1,7,1,ifindex=3,interface=eth9\n")
    return site


def import_words(site, *more, file=None):
    return [BUILD / "bin/tallyman-rater", "import", "--socket", site.rater_socket, "--kind", "slots",
            "--why", "from the old system", "--agent", "old-01", *more, file or site.large]


def begin_import(site):
    """An import of which something is committed, and a part is not."""
    client = subprocess.Popen(import_words(site), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in client.stderr:
        assert " of " in line, line
        if line.endswith("readings taken\n"):
            return client
    raise AssertionError("it ended before it told that anything was taken")


def status(site):
    return json.loads(site.rater_command("status", "--json").stdout)


def agent_of(site, name):
    return next((agent for agent in status(site)["agents"] if agent["agent"] == name), None)


def finish_import(site):
    answer = subprocess.run(import_words(site, "--json"), capture_output=True, text=True, timeout=PATIENCE)
    assert answer.returncode == 0 and answer.stderr == "", answer
    done = json.loads(answer.stdout)
    assert done["readings"] == SLOTS and done["repeated"] == 0
    assert 0 < done["held"] <= done["batches"], done  # all, where a busy machine let it end before the kill
    closed = site.rater_command("close", "2026-09-21T00:00:00Z/1h", "--why", "imported", "--json")
    assert closed.returncode == 0, closed
    assert json.loads(closed.stdout)["lines"][0]["exact"]["billed"] == str(3600 * 7)
    log = json.loads(site.rater_command("audit", "log", "--json").stdout)["decisions"]
    imports = [decision for decision in log if decision["kind"] == "import"]
    assert len(imports) == 1 and imports[0]["why"] == "from the old system", imports
    assert imports[0]["what"]["readings"] == SLOTS
    assert imports[0]["what"]["sha256"] == hashlib.sha256(site.large.read_bytes()).hexdigest()


def test_the_rater_goes_on_during_an_import(large):
    """Given an import of a large file, then meanwhile commands are answered and agents are heard, another
    one is refused, and a client that goes away ends it, to be gone on with later."""
    client = begin_import(large)
    first = agent_of(large, "stor-01")["batches"]
    part = agent_of(large, "old-01")["batches"]
    assert 0 < part
    small = large.directory / "small.csv"
    small.write_text("source,metric,slot,seconds,bytes\n")
    second = subprocess.run(import_words(large, file=small), capture_output=True, text=True, timeout=PATIENCE)
    if client.poll() is None and agent_of(large, "old-01")["batches"] < SLOTS // 1000:
        assert second.returncode == 1 and "another import" in second.stderr, second
    client.kill()
    client.wait()
    wait_for("batches of the agent", lambda: agent_of(large, "stor-01")["batches"] > first)
    wait_for("the import's end", lambda: "given up" in large.rater.tail() or
             agent_of(large, "old-01")["batches"] == SLOTS // 1000)
    finish_import(large)


def test_a_rater_killed_during_an_import(large):
    """Given a rater killed in the middle of an import, then the client says so, and the same import again
    brings what was not held yet, once."""
    client = begin_import(large)
    large.rater.kill()
    _, error = client.communicate(timeout=PATIENCE)
    if client.returncode != 0:  # it may have ended before the kill
        assert client.returncode == 1 and "ask it again" in error, error
    large.start_rater()
    wait_for("the rater", lambda: large.rater_command("status").returncode == 0)
    finish_import(large)
