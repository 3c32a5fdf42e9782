"""`tallyman spool` and `tallyman-rater verify`, on what live daemons write and on copies of it."""
import json
import pathlib
import shutil
import sqlite3
import subprocess

import pytest

import slots
from harness import BUILD, PATIENCE, Site, wait_for


def spool_command(*words):
    return subprocess.run([BUILD / "bin/tallyman", "spool", *map(str, words)], capture_output=True,
                          text=True, timeout=PATIENCE)


def verify_ledger(*words):
    return subprocess.run([BUILD / "bin/tallyman-rater", "verify", *map(str, words)], capture_output=True,
                          text=True, timeout=PATIENCE)


@pytest.fixture
def lonely(site):
    """An agent that reads a counter every 50 ms and has no rater to send to."""
    site.configure_agent(seal_after="200ms")
    site.configure_rater(automatic=False)
    site.catalogue()
    site.plugin("counter", interval="50ms", deadline="50ms")
    site.start_agent()
    site.wait_running("counter")
    return site


def spool_of(site):
    return site.directory / "state/spool"


def batches_in(site):
    answer = spool_command("ls", spool_of(site), "--json")
    return json.loads(answer.stdout)["batches"] if answer.returncode == 0 else 0


def hurt(file, at, count=40):
    content = bytearray(file.read_bytes())
    content[at:at + count] = bytes(b ^ 0x5a for b in content[at:at + count])
    file.write_bytes(content)


def test_live_spool(lonely):
    """Given an agent at work, then ls, verify and dump work beside it, change nothing and find no
    damage, a hundred times; repair is refused."""
    wait_for("batches", lambda: batches_in(lonely) >= 3)
    for _ in range(100):
        answer = spool_command("verify", spool_of(lonely))
        assert answer.returncode == 0, answer
        assert "whole" in answer.stdout
    configured = subprocess.run([BUILD / "bin/tallyman", "--config", lonely.directory / "agent.toml", "spool",
                                 "ls"], capture_output=True, text=True, timeout=PATIENCE)
    assert "agent stor-01" in configured.stdout and "SEGMENT" in configured.stdout
    lines = spool_command("dump", spool_of(lonely)).stdout.splitlines()
    readings = [json.loads(line) for line in lines]
    assert {r["agent"] for r in readings} == {"stor-01"}
    assert len([r for r in readings if "value" in r]) >= 3
    raw = [json.loads(line) for line in spool_command("dump", spool_of(lonely), "--raw").stdout.splitlines()]
    assert [b["batch"] for b in raw] == list(range(1, len(raw) + 1))
    some = spool_command("dump", spool_of(lonely), "--raw", "--from", "2", "--to", "3").stdout.splitlines()
    assert [json.loads(line)["batch"] for line in some] == [2, 3]
    refused = spool_command("repair", spool_of(lonely))
    assert refused.returncode == 1 and "lock" in refused.stderr, refused
    assert spool_command("repair", spool_of(lonely), "--dry-run").returncode == 1


def test_damaged_copy(lonely):
    """Given a copy of a spool with a damaged batch, then verify names its number, bytes and file and
    exits 1; repair --dry-run changes nothing; repair puts a stand-in there, and verify is content."""
    wait_for("batches", lambda: batches_in(lonely) >= 5)
    copy = lonely.directory / "copy"
    shutil.copytree(spool_of(lonely), copy)
    raw = [json.loads(line) for line in spool_command("dump", copy, "--raw").stdout.splitlines()]
    victim = raw[2]
    hurt(pathlib.Path(victim["file"]), victim["offset"] + 20)
    answer = spool_command("verify", copy)
    assert answer.returncode == 1, answer
    assert victim["file"] in answer.stdout and "batch 3: damaged" in answer.stdout
    report = json.loads(spool_command("verify", copy, "--json").stdout)
    finding = next(f for f in report["findings"] if f["damage"])
    assert (finding["first"], finding["last"]) == (3, 3)
    assert finding["offset"] <= victim["offset"] + 20 < finding["offset"] + finding["bytes"]
    dump = spool_command("dump", copy)
    assert dump.returncode == 1 and "batch 3" in dump.stderr and dump.stdout
    before = {f.name: f.read_bytes() for f in copy.iterdir() if f.is_file()}
    dry = spool_command("repair", copy, "--dry-run")
    assert dry.returncode == 0 and "would: batch 3" in dry.stdout, dry
    assert {f.name: f.read_bytes() for f in copy.iterdir() if f.is_file()} == before
    assert not (copy / "quarantine").exists()
    mended = spool_command("repair", copy)
    assert mended.returncode == 0 and "batch 3" in mended.stdout, mended
    answer = spool_command("verify", copy)
    assert answer.returncode == 0, answer
    listing = spool_command("ls", copy).stdout
    assert "stand-in" in listing or "thinned" in listing
    assert "quarantine: 1 files" in listing
    again = [json.loads(line) for line in spool_command("dump", copy, "--raw").stdout.splitlines()]
    assert [b["hash"] for b in again if b["batch"] in (2, 3, 4)] == [
        b["hash"] for b in raw if b["batch"] in (2, 3, 4)]


@pytest.mark.parametrize("words", [["ls", "/nonexistent"], ["verify", "/"], ["dump", "/etc"], ["repair"],
                                   ["verify", "--bogus"], ["nonsense"], []])
def test_wrong_usage(words):
    """Given what is no spool, or wrong words, then exit 2 and a reason."""
    answer = spool_command(*words)
    assert answer.returncode == 2 and answer.stderr.strip(), answer


# ---- a dump of a spool, imported ----


METRIC = "counter_bytes_total"


def counted(site):
    """What the rater has derived of the counter: the sum of all slots, whether they are over or not."""
    database = sqlite3.connect(f"file:{site.directory / 'ledger.db'}?mode=ro", uri=True)
    try:
        return sum(sum(chunk.columns["amount"])
                   for _, _, _, chunk in slots.chunks(database, "WHERE v.metric = ?", (METRIC,)))
    finally:
        database.close()


def dump_file(site, directory, name="dump.jsonl"):
    """The dump as a file, and the counter's last value in it."""
    dump = spool_command("dump", directory)
    assert dump.returncode == 0, dump
    file = site.directory / name
    file.write_text(dump.stdout)
    readings = [json.loads(line) for line in dump.stdout.splitlines()]
    return file, max(int(r["value"]) for r in readings if r.get("metric") == METRIC)


def import_file(site, file):
    answer = site.rater_command("import", str(file), "--why", "a dead agent's", "--json")
    assert answer.returncode == 0, answer


def test_dump_of_what_is_held_counts_nothing_twice(site):
    """Given a rater that holds an agent's batches, when a dump of a copy of the spool is imported,
    then usage is what it was; and verify finds both spool and ledger whole, beside the rater."""
    site.configure_agent()
    site.configure_rater(automatic=False)
    site.catalogue()
    site.plugin("counter")
    site.start()
    wait_for("usage", lambda: counted(site) > 3000)
    assert site.agent.stop() == 0
    copy = site.directory / "copy"
    shutil.copytree(spool_of(site), copy)
    file, last = dump_file(site, copy)
    assert 0 < counted(site) <= last
    # What the agent could not send any more is told by the dump, and nothing else is added.
    import_file(site, file)
    wait_for("the rest", lambda: counted(site) == last)
    import_file(site, file)
    assert counted(site) == last
    site.start_agent()
    site.wait_running("counter")
    wait_for("it to go on", lambda: counted(site) > last)
    assert site.agent.stop() == 0
    file, last = dump_file(site, spool_of(site), "later.jsonl")
    import_file(site, file)
    wait_for("the sum of all", lambda: counted(site) == last)
    for words in (["--config", site.directory / "rater.toml"], ["--ledger", site.directory / "ledger.db"]):
        answer = verify_ledger(*words)
        assert answer.returncode == 0 and "whole" in answer.stdout, answer
    assert spool_command("verify", spool_of(site)).returncode == 0


def test_dump_of_a_dead_host_is_all_of_its_usage(lonely):
    """Given a host that died before its rater saw anything, when a dump of its spool is imported,
    then usage is all that it read; and when the host comes back and sends it, nothing is added."""
    wait_for("batches", lambda: batches_in(lonely) >= 5)
    lonely.agent.kill()
    copy = lonely.directory / "copy"
    shutil.copytree(spool_of(lonely), copy)
    file, last = dump_file(lonely, copy)
    assert last > 3000
    lonely.start_rater()
    wait_for("the rater", lambda: lonely.rater_command("status").returncode == 0)
    import_file(lonely, file)
    wait_for("all of its usage", lambda: counted(lonely) == last)
    lonely.start_agent()
    wait_for("the agent to be connected", lonely.connected)
    lonely.wait_running("counter")
    wait_for("new usage", lambda: counted(lonely) > last)
    assert lonely.agent.stop() == 0
    file, last = dump_file(lonely, spool_of(lonely), "later.jsonl")
    import_file(lonely, file)
    wait_for("the sum of all", lambda: counted(lonely) == last)


def test_damaged_ledger(site):
    """Given a copy of a ledger with foreign bytes in a batch, then verify names agent, table and
    number, and exits 1; given no ledger, then 2."""
    site.configure_agent()
    site.configure_rater(automatic=False)
    site.catalogue()
    site.plugin("counter")
    site.start()
    wait_for("batches", lambda: any(
        a.get("sequence", a.get("mark", 0)) or a.get("batches", 0) for a in
        json.loads(site.rater_command("status", "--json").stdout)["agents"]))
    assert site.agent.stop() == 0 and site.rater.stop() == 0
    copy = site.directory / "copy.db"
    shutil.copy(site.directory / "ledger.db", copy)
    content = copy.read_bytes()
    at = content.index(b"TALLY\xffBATCH") + 100
    hurt(copy, at, 4)
    answer = verify_ledger("--ledger", copy)
    assert answer.returncode == 1, answer
    report = json.loads(verify_ledger("--ledger", copy, "--json").stdout)
    finding = report["findings"][0]
    assert finding["agent"] == "stor-01" and finding["first"] == finding["last"] >= 1
    assert f"table {finding['table']}: stor-01/" in answer.stdout
    assert f"batch {finding['first']}: " in answer.stdout
    assert verify_ledger("--ledger", site.directory / "none.db").returncode == 2
