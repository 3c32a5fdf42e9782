"""What the disk has to do with a re-exec: nobody waits for it, and what a kill leaves on it is whole."""
import os
import random
import signal
import time

import pytest

from harness import BUILD, SANITIZED, wait_for
from reexec_site import (BEAT, ROUNDS, assert_each_instant_once, dumped, pids, reexec, spool, start,
                         start_agent, steady)  # noqa: F401


def last_poll(site):
    return site.plugin_status("counter")["last_poll"]


@pytest.mark.skipif(SANITIZED, reason="what is preloaded stands before the sanitizer")
def test_a_disk_that_takes_its_time(steady):
    """Given a disk that takes longer for everything than polls are apart, then re-execs and a rater that
    is killed miss none: nobody waits for the disk while nobody polls."""
    takes = 3 * BEAT
    start(steady, prefix=("env", f"LD_PRELOAD={BUILD / 'tests/slow_disk.so'}", f"TALLYMAN_DISK_MS={takes}"))
    wait_for("the start to be over", lambda: steady.status()["spool"]["acknowledged"] > 0)
    before, since = pids(steady), time.time()
    gaps = {p["instance"]: p["gaps"] for p in steady.status()["plugins"]}
    took = []
    for i in range(ROUNDS):
        if i % 3 == 0:
            steady.rater.kill()
        took.append(reexec(steady)["took_ms"])
        polled = last_poll(steady)
        wait_for("a poll of the next program", lambda: steady.plugin_status("counter") and last_poll(steady) > polled)
        if i % 3 == 1:
            steady.start_rater()
            wait_for("the link", steady.connected)
        assert pids(steady) == before, steady.agent.tail()
    if not steady.rater.running():
        steady.start_rater()
    print(f"disk {takes} ms, ms without polls: median {sorted(took)[len(took) // 2]}, most {max(took)}")
    wait_for("the link", steady.connected)
    sealed = steady.status()["spool"]["sealed"]
    wait_for("the rater to hold it", lambda: steady.status()["spool"]["acknowledged"] >= sealed)
    assert {p["instance"]: p["gaps"] for p in steady.status()["plugins"]} == gaps, steady.agent.tail()
    assert steady.agent.stop() == 0, steady.agent.tail()
    spool(steady, "verify")
    assert assert_each_instant_once(steady, since=since) >= ROUNDS


def test_killed_in_the_midst(steady):
    """Given the agent killed at any moment of a re-exec, then the spool is whole, the next start recovers
    it, no instant is there twice, and the rater gets all of it."""
    start(steady)
    for i in range(ROUNDS):
        running = pids(steady)
        steady.agent.process.send_signal(signal.SIGUSR2)
        time.sleep(random.Random(i).uniform(0, 0.15))
        steady.agent.kill()
        wait_for("its hosts to be gone", lambda: not any(os.path.exists(f"/proc/{p}") for p in running.values()))
        spool(steady, "verify")
        start_agent(steady)
        steady.wait_running("counter")
        assert steady.status()["spool"]["trouble"] == "", steady.agent.tail()
    wait_for("the link", steady.connected)
    sealed = steady.status()["spool"]["sealed"]
    wait_for("the rater to hold it", lambda: steady.status()["spool"]["acknowledged"] >= sealed)
    assert steady.agent.stop() == 0, steady.agent.tail()
    spool(steady, "verify")
    times = [line["time"] for line in dumped(steady, "counter") if "value" in line]
    assert len(times) == len(set(times)), times
