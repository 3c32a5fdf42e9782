"""An agent that was held up asks late: that is not the plugin's fault, nor that of the next poll."""
import signal
import time

from harness import wait_for


def test_a_late_poll_has_its_time(site):
    """Given a poll that begins so late that it still runs when the next one is due, then it has its whole
    deadline and the next one comes after it: no gap, the same process, every poll counted once."""
    interval, takes = 4, 2.8
    site.configure_agent()
    site.configure_rater()
    site.catalogue()
    site.plugin("dawdler", interval=f"{interval}s", takes=int(takes * 1000), series=1)
    site.start()
    first = site.wait_running("dawdler")
    wait_for("a poll to be over", lambda: takes + 0.4 < time.time() % interval < interval - 0.2)
    instant = (time.time() // interval + 1) * interval
    polled = site.plugin_status("dawdler")["readings"]
    site.agent.process.send_signal(signal.SIGSTOP)
    wait_for("the poll to be late", lambda: time.time() >= instant + interval - takes + 0.8)
    site.agent.process.send_signal(signal.SIGCONT)
    after = wait_for("three polls", lambda: (
        (p := site.plugin_status("dawdler")) and p["readings"] >= polled + 3 and p))
    assert (after["gaps"], after["restarts"], after["pid"]) == (0, 0, first["pid"]), after
