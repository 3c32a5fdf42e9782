"""A month of records goes out with bounded memory, at a rate to be seen beside a plain loop's."""
import os
import pathlib
import re
import subprocess
import time

import pytest
from harness import wait_for
from invoices import EXCHANGE, QUEUE, declare, on_channel
from published import Publisher, tcp
from rabbit import Rabbit, missing

FULL = os.environ.get("TALLYMAN_FULL") == "1"
CUSTOMERS, PERIODS = (2000, 25) if FULL else (500, 10)  # two messages a customer and period
PLAIN = pathlib.Path(__file__).with_name("plain_publish.c")

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}")


def peak_mib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def test_a_month_goes_out(site, tmp_path):
    """Given many records released while the broker was away, then they go out and are confirmed once it is
    there, and the rater's memory grows by no more than what it may hold in flight."""
    (tmp_path / "rabbit").mkdir()
    rabbit = Rabbit(tmp_path / "rabbit")
    try:
        rabbit.start()
        node = rabbit.nodes[0]
        on_channel(node.port, declare)
        node.queues = [QUEUE]
        publisher = Publisher(site, customers=CUSTOMERS)
        publisher.configure([tcp(node)])
        node.kill()
        publisher.start()
        publisher.release(PERIODS)
        before = peak_mib(site.rater.process)
        waiting = publisher.bus()["waiting"]
        assert waiting == PERIODS * (2 * CUSTOMERS + 1)
        node.start()
        publisher.ask("outbox", "retry")
        wait_for("the first confirms", lambda: (b := publisher.bus()) and b["confirmed"] > 0)
        begin, first = time.monotonic(), publisher.bus()["confirmed"]
        publisher.wait_empty()
        rate = (waiting - first) / max(time.monotonic() - begin, 0.001)
        after = peak_mib(site.rater.process)
        assert after - before < 64, (before, after)
        bodies = publisher.ledger()
        on_channel(node.port, lambda channel: channel.queue_purge(QUEUE))
        size = sum(map(len, bodies.values())) // len(bodies)
        program = tmp_path / "plain"
        subprocess.run(["cc", "-O2", "-o", program, PLAIN, "-lrabbitmq"], check=True)
        plain = subprocess.run([program, str(node.port), EXCHANGE, "v1.plain.-.-", "20000", str(size)],
                               check=True, capture_output=True, text=True).stdout.strip()
        print(f"{waiting} messages of {size} bytes: {rate:.0f} a second, a plain loop {plain};"
              f" peak {before:.0f} MiB before, {after:.0f} after")
    finally:
        rabbit.close()
