"""An agent and a rater under load whose truth the campaign owns, killed with -9 and asked to account."""
import ctypes
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/system"))
import harness  # noqa: E402
import reckoning  # noqa: E402

BUILD = harness.BUILD
READINGS = BUILD / "tests/crash_readings"
KILL_AT = BUILD / "tests/crash_kill_at"
SERIES = 8          # of the tap; odd ones have no known start
STEP = 7            # of the last series of the counter
COUNTER_SERIES = 60
BEAT = 40_000_000   # between two polls, ns
FIRST = 10**15      # what the tap's counters stand at before they move


class Found(Exception):
    """What a check found wrong, in one line."""


class Source:
    """The truth: counters in a file, moved by a thread of its own."""

    def __init__(self, path, seed):
        self.path, self.random = pathlib.Path(path), random.Random(seed)
        # Even ones are known to be zero now, so that all counts; of odd ones the first is a baseline.
        self.start = time.time_ns() // BEAT * BEAT
        self.values = [0 if n % 2 == 0 else FIRST + n for n in range(SERIES)]
        self.first = list(self.values)
        self.moves = 0
        self.moving = threading.Event()
        self.ending = threading.Event()
        self.write()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def write(self):
        lines = [f"{self.start if n % 2 == 0 else 0} {value}\n" for n, value in enumerate(self.values)]
        fresh = self.path.with_suffix(".new")
        fresh.write_text("".join(lines))
        fresh.rename(self.path)

    def work(self):
        while not self.ending.is_set():
            if not self.moving.wait(0.05):
                continue
            self.values = [v + self.random.choice((0, 1, self.random.randrange(10**9)))
                           for v in self.values]
            self.moves += 1
            self.write()
            time.sleep(0.004)

    def total(self, series):
        """What must be billed of a series, to the unit."""
        return self.values[series] - self.first[series]

    def freeze(self):
        self.moving.clear()
        self.ending.set()
        self.thread.join()


class CrashSite(harness.Site):
    """A site whose agent has its files below state/ and whose rater below ledger/."""

    def __init__(self, directory, seed):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True)
        super().__init__(directory)
        (directory / "ledger").mkdir()
        self.bus = directory / "ledger/usage.jsonl"
        self.ledger_path = directory / "ledger/ledger.db"
        self.spool = directory / "state/spool"
        self.configure_agent(seal_after="100ms",
                             extra='segment_size = "16KiB"\nseal_size = "4KiB"\nkeep_acknowledged = "0s"')
        text = (directory / "agent.toml").read_text()
        (directory / "agent.toml").write_text(
            text.replace('group_commit = "100ms"', 'group_commit = "20ms"'))
        self.configure_rater(slot="1s", automatic=True, grace="1m")
        text = (directory / "rater.toml").read_text()
        (directory / "rater.toml").write_text(
            text.replace(f"{directory}/ledger.db", str(self.ledger_path)))
        self.catalogue(period="10s", customers=(("acme", {"series": "0"}),))
        beat = f"{BEAT // 1_000_000}ms"
        self.source = Source(directory / "truth", seed)
        self.plugin("tap", interval=beat, path=str(self.source.path),
                    grants={"capabilities": ["CAP_DAC_READ_SEARCH"], "paths": [str(directory)]})
        self.plugin("counter", interval=beat, series=COUNTER_SERIES, busy=COUNTER_SERIES - 1,
                    step=STEP, seed=seed % 1000)
        self.kills = 0
        self.baseline = {}  # by the agent's pid: the batch that tells where the source begins

    # ---- killing ----

    def kill_agent(self):
        if self.agent and self.agent.running():
            self.agent.kill()
            self.kills += 1

    def kill_rater(self):
        if self.rater and self.rater.running():
            self.rater.kill()
            self.kills += 1

    def expect_alive(self):
        """Whatever was killed, nothing has ended in another way."""
        for daemon in (self.agent, self.rater):
            if daemon and daemon.process.poll() not in (None, -signal.SIGKILL):
                raise Found(f"ended by itself: {daemon.tail()[-600:]}")

    def check_dead(self):
        """Both are dead: what the agent has marked and trimmed is in the ledger."""
        if not self.ledger_path.exists():
            return
        ledger = reckoning.Ledger(self.ledger_path)
        try:
            problems = ledger.check_spool(self.spool)
        finally:
            ledger.close()
        if problems:
            raise Found("; ".join(problems))

    def first_held(self):
        return reckoning.first_in(self.spool)

    # ---- progress ----

    def spooled(self):
        return (self.status() or {}).get("spool", {})

    def may_move(self):
        """The ledger has a reading of the tap: baselines are told, the source may move."""
        if self.source.moving.is_set():
            return True
        status = self.status() or {}
        tap = next((p for p in status.get("plugins", []) if p["instance"] == "tap"), {})
        if tap.get("readings"):
            # The batch that holds it, unless this agent dies first.
            self.baseline.setdefault(status["pid"], status["spool"]["sealed"] + 1)
        if status.get("spool", {}).get("acknowledged", 0) >= self.baseline.get(status.get("pid"), 2**64):
            self.source.moving.set()
        return self.source.moving.is_set()

    def wait_first(self):
        harness.wait_for("the first readings to be acknowledged", self.may_move)

    def acknowledged(self):
        return self.spooled().get("acknowledged", 0)

    def drain(self):
        """Stops the source, waits until its last values are acknowledged, and ends both daemons."""
        self.source.freeze()
        self.expect_alive()
        polled = {}
        for instance in ("tap", "counter"):
            self.wait_running(instance)
            polled[instance] = self.plugin_status(instance)["last_poll"]
        for instance, before in polled.items():
            harness.wait_for("a poll of the last values", lambda: (
                (p := self.plugin_status(instance)) and p["last_poll"] > before))
        sealed = harness.wait_for("another seal", lambda: self.spooled().get("sealed")) + 2
        harness.wait_for(f"batch {sealed} to be acknowledged", lambda: self.acknowledged() >= sealed)
        if self.agent.stop() != 0:
            raise Found(f"the agent did not end well: {self.agent.tail()[-600:]}")
        harness.wait_for("all to be derived", self.all_derived)
        if self.rater.stop() != 0:
            raise Found(f"the rater did not end well: {self.rater.tail()[-600:]}")

    def all_derived(self):
        ledger = reckoning.Ledger(self.ledger_path)
        try:
            derived = ledger.derived()
            return all(derived.get(s[0]) == s[2] for s in ledger.streams())
        except reckoning.sqlite3.Error:
            return False  # copied in the midst of a commit
        finally:
            ledger.close()

    # ---- the account ----

    def account(self):
        """Both have ended: (lost, twice, what is wrong in words, batches)."""
        ledger = reckoning.Ledger(self.ledger_path)
        try:
            return self.reckon(ledger)
        finally:
            ledger.close()

    def reckon(self, ledger):
        streams = ledger.streams()
        if len(streams) != 1:
            return 0, 0, [f"the agent has {len(streams)} streams in the ledger, and should have one"], 0
        lost, twice, wrong = ledger.check_chain()
        wrong += ledger.check_spool(self.spool)
        for daemon, log in (("agent", "agent.log"), ("rater", "rater.log")):
            text = (self.directory / log).read_text(errors="replace")
            said = re.search(r".*(diverged|damaged|missing|clone).*", text)
            if said:
                wrong.append(f"{daemon}: {said.group(0)}")
        raw = ledger.raw(streams[0][0])
        lines = reckoning.readings(READINGS, raw, [str(COUNTER_SERIES - 1)])
        more = reckoning.check_polls(lines, {"tap": BEAT, "counter": BEAT})
        lost, twice, wrong = lost + more[0], twice + more[1], wrong + more[2]
        wrong += reckoning.check_steps(lines, "counter_bytes_total", str(COUNTER_SERIES - 1), STEP)
        usage = ledger.usage()
        for n in range(SERIES):
            billed, true = usage[("tap_bytes_total", str(n))], self.source.total(n)
            if billed != true:
                lost, twice = lost + (billed < true), twice + (billed > true)
                wrong.append(f"series {n}: {billed} in the ledger, {true} in truth")
        return lost, twice, wrong, len(raw)


# ---- processes left over ----

def adopt_orphans():
    """Whatever a killed daemon leaves behind becomes a child of this process, and is seen."""
    pr_set_child_subreaper = 36
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0) != 0:
        raise OSError("cannot become the reaper of orphans")


def children():
    """{pid: state letter} of this process's children."""
    out = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            out[int(stat.parent.name)] = fields[0]
    return out


def leftovers(patience=5):
    """Command lines of processes that live on after everything was ended."""
    end = time.monotonic() + patience
    while True:
        left = []
        for pid, state in children().items():
            if state == "Z":
                os.waitpid(pid, os.WNOHANG)
            else:
                left.append(f"{pid} " + pathlib.Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def run_quietly(command, log):
    """A process of its own, its output in a file."""
    with open(log, "ab") as out:
        return subprocess.Popen([str(word) for word in command], stdout=out, stderr=out,
                                stdin=subprocess.DEVNULL)
