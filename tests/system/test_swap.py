"""Versions of a plugin take over from each other while it runs: no poll is missed, none counts twice."""
import itertools
import json
import os
import random
import signal
import time

import pytest

from changeling import Account, Changeling, start_first, versions_in_ledger
from harness import SANITIZED, wait_for

FULL = os.environ.get("TALLYMAN_FULL") == "1"
STAGES = ("constructor", "create", "restore", "poll", "save")
HARM = ("crash", "exit", "hang", "garbage")
# What goes wrong, and a word of what status says of it.
WRONG = [
    *[(f"{what} in {stage}", {"crash": "signal 6", "exit": "exited with status 0", "hang": "hang: ",
                              "garbage": "protocol: "}[what]) for stage in STAGES for what in HARM
      ],
    ("fail in create", "as it was told"),
    ("refuse in create", "as it was told"),
    ("dislike in restore", "does not go on with the state: state refused: as it was told"),
    ("fail in poll", "its first poll failed: as it was told"),
    ("fail in save", "its first poll failed: save: as it was told"),
    ("undeclared", "metric 7 is not declared"),
]
# Ten seconds each: until a start's deadline.
SLOW = ("hang in constructor", "hang in create", "hang in restore")


@pytest.fixture
def swapped(site):
    """An agent: what it spools is what counts here."""
    site.configure_agent()
    return site


def told(site):
    """All that the agent logged."""
    with open(site.agent.log, errors="replace") as log:
        return log.read()


def start(site, beat="100ms"):
    """The agent at this beat, or at a slower one where it cannot go before other processes."""
    changeling = Changeling(site)
    changeling.configure(beat)
    changeling.place("0")
    if not start_first(site) or SANITIZED:
        site.agent.stop()
        beat = "1s"
        changeling.configure(beat)
        site.start_agent()
    changeling.wait_version("0")
    return changeling, {"100ms": 0.1, "200ms": 0.2, "1s": 1.0}[beat]


def test_a_version_takes_over(swapped):
    """Given a new version of a plugin's file, then it takes over with the state of the last poll, in
    another process, and the former one ends."""
    changeling, beat = start(swapped)
    first = changeling.wait_polls(3)
    changeling.replace("1")
    second = changeling.wait_version("1")
    assert second["pid"] != first["pid"] and second["digest"] != first["digest"]
    assert (second["before"], second["gaps"], second["last_cause"]) == (first["digest"], 0, ""), second
    wait_for("the former process to end", lambda: not os.path.exists(f"/proc/{first['pid']}"))
    changeling.wait_polls(3)
    assert swapped.agent.stop() == 0, swapped.agent.tail()
    account = Account(swapped)
    account.assert_counted_once()
    account.assert_none_missed(beat)


def test_the_ledger_names_the_version(swapped):
    """Given a swap, then the batches in the ledger hold each poll under the digest of the version that
    made it: the former one's up to some poll, the new one's from then on."""
    swapped.configure_rater()
    swapped.catalogue()
    changeling = Changeling(swapped)
    changeling.configure("200ms")
    changeling.place("0")
    swapped.start()
    changeling.wait_version("0")
    changeling.wait_polls(3)
    changeling.replace("1")
    changeling.wait_version("1")
    first, second = changeling.digests["0"], changeling.digests["1"]
    made = wait_for("polls of both in the ledger", lambda: (
        (made := versions_in_ledger(swapped)) and made.count(second) >= 3 and made))
    former = made.count(first)
    assert former >= 3 and made == [first] * former + [second] * (len(made) - former), made


def campaign():
    """Good versions and bad ones in turn, each way of being bad in its turn."""
    quick = [wrong for wrong in WRONG if wrong[0] not in SLOW]
    if not FULL:
        random.Random(4).shuffle(quick)
        return list(itertools.islice(itertools.chain.from_iterable(
            zip(itertools.repeat(("", "")), quick)), 20))
    bad = itertools.cycle([*quick, *quick, *quick, *WRONG])
    return list(itertools.islice(itertools.chain.from_iterable(zip(itertools.repeat(("", "")), bad)), 200))


def test_swaps_under_load(swapped):
    """Given one version after the other, good ones and ones that crash, exit, hang or write garbage at
    every stage, or refuse configuration or state, then each good one takes over, each bad one is
    refused in words, and every instant has exactly one poll that goes on from the one before it."""
    changeling, beat = start(swapped)
    for number, (todo, words) in enumerate(campaign(), start=1):
        version = f"1.{number}"
        good = changeling.status()["version"]
        changeling.replace(version, todo)
        if not todo:
            changeling.wait_version(version)
            continue
        status = changeling.wait_refused(version)
        assert words in status["notes"], (todo, status["notes"])
        assert status["version"] == good and f"; version {good} (" in status["notes"], (todo, status)
    status = changeling.wait_polls(3)
    assert (status["gaps"], status["restarts"], status["last_cause"]) == (0, 0, ""), status
    assert swapped.agent.stop() == 0, swapped.agent.tail()
    account = Account(swapped)
    account.assert_counted_once()
    account.assert_none_missed(beat)


def test_refused_until_it_changes(swapped):
    """Given a version that was refused, then neither a reload nor a restart of the agent runs it, a
    restart by hand tries it again, and another file takes over."""
    changeling, _ = start(swapped)
    changeling.replace("1", "crash in poll")
    digest = changeling.wait_refused("1")["digest"]
    attempts = told(swapped).count("is to take over")
    swapped.agent.process.send_signal(signal.SIGHUP)
    changeling.wait_polls(5)
    assert told(swapped).count("is to take over") == attempts
    for end in (swapped.agent.stop, lambda: swapped.agent.kill()):
        end()
        swapped.start_agent()
        status = changeling.wait_version("0")
        assert status["digest"] == digest and "version 1 (" in status["notes"], status
    attempts = told(swapped).count("is to take over")
    swapped.tallyman("plugin", "restart", "changeling", check=True)
    wait_for("another try", lambda: told(swapped).count("is to take over") > attempts)
    wait_for("it to be refused again", lambda: told(swapped).count("is refused") >= 2)
    assert changeling.wait_refused("1")["pid"] == status["pid"]
    changeling.replace("2")
    assert "refused" not in changeling.wait_version("2")["notes"]


def stop_successor(swapped, agents):
    """Stops what is about to take over, as a machine does that stalls; returns its processes."""
    wait_for("another version to be ready", lambda: (
        "is ready to take over" in told_notes(swapped)), patience=30)
    stopped = [pid for pid in descendants(swapped.agent.process.pid) if pid not in agents]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    return stopped


def told_notes(site):
    status = site.plugin_status("changeling")
    return status["notes"] if status else ""


def descendants(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            for child in map(int, file.read().split()):
                found += [child, *descendants(child)]
    return found


@pytest.mark.parametrize("stalls, taken", [(2, True), (3, False)])
def test_first_polls_that_stall(swapped, stalls, taken):
    """Given a version whose first poll is over half the deadline because the machine stalls, then it is
    tried again and takes over, and refused for the third; the one before it misses no poll."""
    changeling = Changeling(swapped)
    changeling.configure("2s")
    changeling.place("0")
    swapped.start_agent()
    changeling.wait_version("0")
    agents = descendants(swapped.agent.process.pid)
    changeling.replace("1")
    for stall in range(1, stalls + 1):
        assert stop_successor(swapped, agents)
        wait_for("it to be over its time", lambda count=stall: told(swapped).count(
            "its first poll was over half the deadline") >= count)
    if taken:
        status = changeling.wait_version("1")
        assert "refused" not in status["notes"]
    else:
        status = changeling.wait_refused("1")
        assert status["version"] == "0" and "hang: its first poll was over" in status["notes"]
    status = changeling.wait_polls(2)
    assert (status["gaps"], status["restarts"], status["last_cause"]) == (0, 0, ""), status
    assert swapped.agent.stop() == 0, swapped.agent.tail()
    account = Account(swapped)
    account.assert_counted_once()
    account.assert_none_missed(2.0)


def test_limits_of_the_first_poll(swapped):
    """Given a version whose first poll gives more readings than are allowed, then it is refused for that,
    and none of them counts."""
    changeling = Changeling(swapped)
    changeling.configure("200ms")
    with (swapped.directory / "plugins.d/changeling.toml").open("a") as file:
        file.write("[limits]\nreadings = 20\n")
    changeling.place("0")
    swapped.start_agent()
    changeling.wait_version("0")
    changeling.replace("1", "abundance")
    status = changeling.wait_refused("1")
    assert "readings: over 20 in a poll in its first poll" in status["notes"], status
    status = changeling.wait_polls(3)
    assert (status["gaps"], status["series"]) == (0, 2), status


def test_rollback(swapped):
    """Given a rollback, then the version before takes over without a missed poll, also after a restart
    of the agent, until it is rolled back once more or the file changes; status says who and why."""
    changeling, beat = start(swapped)
    refused = swapped.tallyman("plugin", "rollback", "changeling")
    assert refused.returncode == 1 and "no version" in refused.stderr, refused
    changeling.replace("1")
    changeling.wait_version("1")
    swapped.tallyman("plugin", "rollback", "changeling", "--why", "1 counts sheep", check=True)
    status = changeling.wait_version("0")
    changeling.wait_polls(3)
    assert "rolled back from version 1 (" in status["notes"] and "1 counts sheep" in status["notes"], status
    listed = json.loads(swapped.tallyman("plugin", "list", "--json", check=True).stdout)["plugins"]
    assert "rolled back" in next(p for p in listed if p["instance"] == "changeling")["why"], listed
    swapped.agent.process.send_signal(signal.SIGHUP)
    changeling.wait_polls(3)
    assert changeling.status()["version"] == "0"
    swapped.agent.stop()
    account = Account(swapped)
    account.assert_none_missed(beat)
    swapped.start_agent()
    changeling.wait_version("0")
    swapped.tallyman("plugin", "rollback", "changeling", check=True)
    assert "rolled back" not in changeling.wait_version("1")["notes"]
    swapped.tallyman("plugin", "rollback", "changeling", check=True)
    changeling.wait_version("0")
    changeling.replace("2")
    assert "rolled back" not in changeling.wait_version("2")["notes"]
    swapped.agent.stop()
    Account(swapped).assert_counted_once()


def test_no_state_from_long_ago(swapped):
    """Given a version that keeps no state between two that do, then the one gone back to does not go on
    from the state of before: it begins anew."""
    changeling, _ = start(swapped)
    changeling.wait_polls(5)
    changeling.replace("1", stateless=True)
    changeling.wait_version("1")
    changeling.wait_polls(3)
    swapped.tallyman("plugin", "rollback", "changeling", check=True)
    changeling.wait_version("0")
    changeling.wait_polls(3)
    assert swapped.agent.stop() == 0
    values = [value for _, value in Account(swapped).polls]
    begun = [at for at, value in enumerate(values) if value == 0]
    assert len(begun) == 3 and begun[0] == 0, values
    for first, end in zip(begun, begun[1:] + [len(values)]):
        assert values[first:end] == list(range(end - first)), values


def test_the_former_one_dies_meanwhile(swapped):
    """Given a running version that is killed while another is being prepared, then that one is started in
    its place, with the state of the last poll."""
    changeling, _ = start(swapped)
    pid = changeling.wait_polls(3)["pid"]
    changeling.replace("1", "doze in create")
    wait_for("it to be loaded", lambda: "is being created" in changeling.status()["notes"])
    os.kill(pid, signal.SIGKILL)
    status = changeling.wait_version("1")
    assert "crash" in status["last_cause"], status
    changeling.wait_polls(3)
    assert swapped.agent.stop() == 0
    Account(swapped).assert_counted_once()


def test_slow_creation_keeps_the_state(swapped):
    """Given a stateful version whose creation takes longer than polls are apart, then it never goes on
    from a state that is not the last, and is refused when it is never ready between two polls."""
    changeling, beat = start(swapped)
    changeling.replace("1", "doze in create")
    if beat > 0.5:
        changeling.wait_version("1")
    else:
        assert "not ready between two polls" in changeling.wait_refused("1")["notes"]
    status = changeling.wait_polls(3)
    assert status["gaps"] == 0, status
    assert swapped.agent.stop() == 0
    account = Account(swapped)
    account.assert_counted_once()
    account.assert_none_missed(beat)


@pytest.mark.parametrize("verb", ["disable", "restart", "stop"])
def test_steered_meanwhile(swapped, verb):
    """Given a version that is being prepared, then disabling or stopping ends both, and a restart does not
    stand in its way."""
    changeling, _ = start(swapped)
    changeling.replace("1", "" if verb == "restart" else "hang in create")
    if verb == "restart":
        swapped.tallyman("plugin", "restart", "changeling", check=True)
        changeling.wait_version("1")
    else:
        wait_for("it to be loaded", lambda: "is being created" in changeling.status()["notes"])
    if verb == "disable":
        swapped.tallyman("plugin", "disable", "changeling", "--why", "test", check=True)
        status = changeling.wait("it to be disabled", lambda p: p["state"] == "disabled")
        assert status["pid"] == 0 and "version" not in status["notes"], status
    children = wait_for("its children", lambda: hosts_of(swapped.agent.process.pid) is not None and
                        hosts_of(swapped.agent.process.pid) + [0])
    if verb == "disable":
        wait_for("both to be gone", lambda: hosts_of(swapped.agent.process.pid) == [])
    began = time.monotonic()
    assert swapped.agent.stop() == 0, swapped.agent.tail()
    assert time.monotonic() - began < 20
    assert not [pid for pid in children if pid and os.path.exists(f"/proc/{pid}")]
    Account(swapped).assert_counted_once()


def hosts_of(agent):
    """The agent's living children."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as stat:
                state, parent = stat.read().rsplit(")", 1)[1].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == agent and state != "Z":
            found.append(int(entry))
    return found


def test_killed_at_random(swapped):
    """Given stateful plugins that are killed at random moments, then each goes on from the state of its
    last committed poll: no count is missing, none is there twice."""
    kills = 1000 if FULL else 100
    names = [f"victim{n}" for n in range(5)]
    beat = 0.2 if SANITIZED else 0.05  # seconds between polls
    victims = [Changeling(swapped, name) for name in names]
    for victim in victims:
        victim.configure(f"{int(beat * 1000)}ms")
        victim.place("0", "linger")
    start_first(swapped)
    rng = random.Random(7)
    killed = dict.fromkeys(names, 0)
    seen = {}

    def strike(status):
        """Kills whoever has polled well often enough since to be forgiven; at some moment."""
        for plugin in status["plugins"]:
            name, pid = plugin["instance"], plugin["pid"]
            last, readings = seen.get(name, (0, 0))
            if pid in (0, last) or plugin["state"] != "running" or plugin["readings"] < readings + 8:
                continue
            if killed[name] >= kills // len(names):
                continue
            time.sleep(rng.random() * beat)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed[name] += 1
            seen[name] = (pid, plugin["readings"])

    def done():
        assert swapped.agent.running(), swapped.agent.tail()
        status = swapped.status()
        if status:
            strike(status)
        return sum(killed.values()) >= kills // len(names) * len(names)

    wait_for("all to be killed", done, patience=1200 if FULL or SANITIZED else 240)
    for victim in victims:
        victim.wait_polls(4)
    assert swapped.agent.stop() == 0, swapped.agent.tail()
    accounts = [Account(swapped, name) for name in names]
    for account in accounts:
        account.assert_counted_once()
    inside = [gap for account in accounts for gap in account.gaps if gap["gap"].startswith("crash: ")]
    assert inside, "none was killed within a poll"
