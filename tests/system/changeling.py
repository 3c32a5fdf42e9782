"""Versions of the plugin `changeling`, placed and replaced, and the account of what they read."""
import hashlib
import json
import os
import signal
import sqlite3
import struct
import subprocess

from harness import BUILD, PATIENCE, seconds_of, wait_for

MARK = b"CHANGELING!\0"
FIELD = 32


def start_first(site):
    """Starts the agent so that it, and what it starts, goes before other processes, where that is
    allowed: what is on trial is not the machine. Returns whether it is."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        site.start_agent()
        return False
    try:
        site.start_agent()
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


class Changeling:
    """An instance of the plugin in a folder of its own, of which versions are made."""

    def __init__(self, site, instance="changeling"):
        self.site, self.instance = site, instance
        self.file = site.directory / "plugins" / f"{instance}.so"
        self.file.parent.mkdir(exist_ok=True)
        self.digests = {}

    def configure(self, beat):
        self.site.plugin(self.instance, plugin=str(self.file), interval=beat, name=self.instance)

    def place(self, version, todo="", stateless=False):
        """As a package does: written beside, and renamed."""
        name = "changeling_stateless.so" if stateless else "changeling.so"
        original = (BUILD / "fault-plugins" / name).read_bytes()
        assert original.count(MARK) == 1
        at = original.index(MARK) + len(MARK)
        fields = b"".join(text.encode().ljust(FIELD, b"\0") for text in (version, todo))
        made = original[:at] + fields + original[at + len(fields):]
        self.digests[version] = hashlib.blake2b(made, digest_size=32).hexdigest()
        beside = self.file.with_name(f".{self.file.name}.new")
        beside.write_bytes(made)
        beside.chmod(0o644)
        beside.rename(self.file)

    def replace(self, version, todo="", stateless=False):
        self.place(version, todo, stateless)
        self.site.agent.process.send_signal(signal.SIGHUP)

    def status(self):
        return self.site.plugin_status(self.instance)

    def wait(self, what, condition):
        def look():
            assert self.site.agent.running(), self.site.agent.tail()
            status = self.status()
            return status if status and condition(status) else None
        try:
            return wait_for(what, look)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.status()}\n{self.site.agent.tail()}") from None

    def wait_version(self, version):
        """Until this version has taken over and polled."""
        return self.wait(f"version {version} to run", lambda p: (
            p["version"] == version and p["digest"] == self.digests[version]
            and p["state"] == "running" and p["readings"] > 0))

    def wait_refused(self, version):
        """Until status says so, by the version's digest: it may not have come to declare itself."""
        digest = self.digests[version][:8]
        return self.wait(f"version {version} to be refused", lambda p: (
            digest in p["notes"].split(" is refused: ")[0] and " is refused: " in p["notes"]))

    def wait_polls(self, polls):
        before = self.status()["readings"]
        return self.wait(f"{polls} more polls", lambda p: p["readings"] >= before + 2 * polls)


class Account:
    """What the spool holds of an instance, once the agent has ended."""

    def __init__(self, site, instance="changeling"):
        answer = subprocess.run([BUILD / "bin/tallyman", "spool", "dump", site.directory / "state/spool"],
                                capture_output=True, text=True, timeout=PATIENCE)
        assert answer.returncode == 0, answer
        lines = [json.loads(line) for line in answer.stdout.splitlines()]
        lines = [line for line in lines if line.get("instance") == instance]
        self.gaps = [line for line in lines if "gap" in line]
        polls = [line for line in lines if line.get("metric") == "changeling_polls_total"]
        self.polls = [(round(seconds_of(line["time"]), 3), int(line["value"])) for line in polls]

    def assert_counted_once(self):
        """Each committed poll went on from the state of the one before it, whoever made it."""
        values = [value for _, value in self.polls]
        wrong = [(a, b) for a, b in zip(self.polls, self.polls[1:]) if b[1] != a[1] + 1]
        assert values and not wrong, wrong

    def assert_none_missed(self, beat):
        """Every instant from the first poll to the last has exactly one."""
        times = [time for time, _ in self.polls]
        wrong = [(a, b) for a, b in zip(times, times[1:]) if abs(b - a - beat) > 0.001]
        inside = [gap for gap in self.gaps
                  if times[0] < seconds_of(gap["to"]) and seconds_of(gap["from"]) < times[-1]]
        assert not wrong and not inside, (wrong, inside)


def versions_in_ledger(site, instance="changeling"):
    """The digest of the version that made each poll, in the order of the batches the rater holds."""
    with sqlite3.connect(f"file:{site.directory / 'ledger.db'}?mode=ro", uri=True) as ledger:
        tables = [name for name, in ledger.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'raw\\_%' ESCAPE '\\'")]
        batches = sorted(row for table in tables
                         for row in ledger.execute(f"SELECT sequence, bytes FROM {table}"))
    stream = b"".join(struct.pack("<I", len(data)) + data for _, data in batches)
    out = subprocess.run([BUILD / "tests/crash_readings"], input=stream, capture_output=True, check=True,
                         timeout=PATIENCE)
    words = [line.split() for line in out.stdout.decode().splitlines()]
    return [line[4] for line in words if line[0] == "poll" and line[2] == instance]
