"""A site whose agent executes itself anew, and what is asked of it."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import BUILD, Daemon, PATIENCE, SANITIZED, seconds_of, wait_for

FULL = os.environ.get("TALLYMAN_FULL") == "1"
ROUNDS = 100 if FULL else 10
# Milliseconds between two polls. An exec takes 10 of them, and many times that where others want the
# processors too: the campaign is for a machine that is quiet.
BEAT = 1000 if SANITIZED else 100 if FULL else 200
A_FEW = 4  # descriptors that a daemon opens when it first needs them; what leaks, leaks each time
STEP = 1000  # what `counter` adds at every poll


def beat(interval):
    return f"{interval}ms"


@pytest.fixture
def steady(site):
    """netif and a counter whose every value is known, polled at the beat; the agent's program stands
    where the test can replace it."""
    site.configure_agent(seal_after="1s")
    site.configure_rater()
    site.catalogue()
    site.plugin("netif", interval=beat(BEAT), exclude=[])
    site.plugin("counter", interval=beat(BEAT))
    site.program = site.directory / "bin" / "tallyman-agent"
    site.program.parent.mkdir()
    shutil.copy(BUILD / "bin/tallyman-agent", site.program)
    return site


def start_agent(site, *prefix):
    site.agent = Daemon([*prefix, site.program, "--config", site.directory / "agent.toml"],
                        site.directory / "agent.log", site.namespace)


def start(site, *instances, prefix=()):
    site.start_rater()
    start_agent(site, *prefix)
    for instance in instances or ("netif", "counter"):
        site.wait_running(instance)
    wait_for("the link", site.connected)


def put(site, program):
    """In place of the agent's program, as a package does it: by renaming."""
    fresh = site.program.with_suffix(".new")
    if isinstance(program, pathlib.Path):
        shutil.copy(program, fresh)
    else:
        fresh.write_bytes(program)
    fresh.chmod(0o755)
    fresh.rename(site.program)


def reexec(site):
    answer = site.tallyman("reexec", "--json")
    assert answer.returncode == 0, (answer, site.agent.tail())
    return json.loads(answer.stdout)["reexec"]


def pids(site):
    return {p["instance"]: p["pid"] for p in site.status()["plugins"]}


def descriptors(site):
    return len(os.listdir(f"/proc/{site.agent.process.pid}/fd"))


def resident_kib(site):
    status = pathlib.Path(f"/proc/{site.agent.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def spool(site, *words):
    answer = subprocess.run([BUILD / "bin/tallyman", "spool", *words, site.directory / "state/spool"],
                            capture_output=True, text=True, timeout=PATIENCE)
    assert answer.returncode == 0, answer
    return answer.stdout


def dumped(site, instance):
    """Its readings and gaps in the spool, as JSON documents."""
    lines = [json.loads(line) for line in spool(site, "dump").splitlines()]
    return [line for line in lines if line.get("instance") == instance]


def assert_each_instant_once(site, interval=BEAT, since=0):
    """From its first to its last poll, or from then on, the counter has one poll at every instant, each
    adds one step, and there is no gap."""
    lines = [line for line in dumped(site, "counter") if seconds_of(line.get("time") or line["to"]) >= since]
    readings = sorted((seconds_of(line["time"]), int(line["value"])) for line in lines if "value" in line)
    instants = [int(at * 1000) // interval for at, _ in readings]
    first = readings[0][1]
    assert since or first == 0, readings
    assert [value for _, value in readings] == [first + STEP * i for i in range(len(readings))], readings
    assert instants == list(range(instants[0], instants[0] + len(instants))), instants
    gaps = [line for line in lines if "gap" in line and seconds_of(line["to"]) >= readings[0][0]]
    assert not gaps, gaps
    return len(readings)
