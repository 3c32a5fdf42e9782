"""What goes through a real Ganesha is billed to the byte, whoever is restarted meanwhile."""
import os
import signal

import pytest

from metered import room_in_the_hour
from nfs_metered import (billed, follow, gap_of, metered, plugin_file, polled, readings, wait_for)

SMALL = 3000  # what this client can write over NFSv4 at once


@pytest.fixture
def served(ganesha):
    """A server with two exports; each has a large file to read, which nobody wrote over NFS."""
    for number, name in ((77, "/exp-a"), (78, "/exp-b")):
        (ganesha.export(number, name) / "large").write_bytes(os.urandom(1_000_000))
    return ganesha.start()


CUSTOMERS = {"acme": [{"export_id": "77"}], "bolt": [{"export_id": "78"}]}


def test_each_export_over_v4(served, site):
    """Given writes to and reads of two exports over NFSv4.0, under the packaged D-Bus policies and as
    an unprivileged user, then each customer is billed exactly what moved, the other nothing of it."""
    room_in_the_hour(120)
    metered(site, served, CUSTOMERS)
    polled(site)
    for i in range(7):
        served.write(f"/exp-a/file-{i}", SMALL + i)
    assert served.read("/exp-b/large") == 1_000_000
    billed(site, "acme", "written", sum(SMALL + i for i in range(7)))
    billed(site, "bolt", "read", 1_000_000)
    billed(site, "bolt", "written", 0)
    billed(site, "acme", "read", 0)
    told = readings(site, "nfs_written_bytes_total")
    assert {r["labels"]["version"] for r in told} == {"3", "4.0", "4.1", "4.2"}
    paths = {r["labels"]["export_id"]: r["info"]["path"] for r in told}
    assert paths["77"] == str(served.exports[77][1])


def test_v3_in_its_own_namespace(ganesha_v3, site):
    """Given a megabyte written and read over NFSv3, then it is billed exactly, apart from what moves
    over NFSv4 at the same export."""
    room_in_the_hour(120)
    ganesha_v3.export(77, "/exp-a")
    ganesha_v3.start()
    metered(site, ganesha_v3, CUSTOMERS)
    polled(site)
    ganesha_v3.write("/exp-a/file", 3_000_000, version=3)
    assert ganesha_v3.read("/exp-a/file", version=3) == 3_000_000
    assert ganesha_v3.read("/exp-a/file", version=4) == 3_000_000
    billed(site, "acme", "written", 3_000_000)
    billed(site, "acme", "read", 6_000_000)
    by_version = {r["labels"]["version"]: r["value"] for r in readings(site, "nfs_read_bytes_total")
                  if r["labels"]["export_id"] == "77"}
    assert (by_version["3"], by_version["4.0"]) == ("3000000", "3000000")


def test_everything_is_restarted(served, site):
    """Given Ganesha, then the plugin killed with -9, then the bus and Ganesha again, each after its
    traffic was polled, then all of it is billed once, and what was down is a gap with the reason."""
    room_in_the_hour(240)
    metered(site, served, CUSTOMERS)
    polled(site)
    served.write("/exp-a/one", SMALL)
    billed(site, "acme", "written", SMALL)

    served.kill("ganesha")
    wait_for("a gap that says so", lambda: gap_of(site, "nobody on the bus"))
    served.start_server()
    served.write("/exp-a/two", SMALL - 1)
    billed(site, "acme", "written", 2 * SMALL - 1)

    os.kill(site.plugin_status("nfs")["pid"], signal.SIGKILL)
    served.write("/exp-a/three", SMALL - 2)
    billed(site, "acme", "written", 3 * SMALL - 3)

    served.kill("bus")
    wait_for("a gap that says so", lambda: gap_of(site, "no bus at"))
    served.kill("ganesha")  # it does not look for another bus
    served.start_bus()
    served.start_server()
    served.write("/exp-a/four", SMALL - 3)
    billed(site, "acme", "written", 4 * SMALL - 6)


def test_exports_come_and_go(served, site):
    """Given an export added while the server runs, removed, and added again under its id, then what
    moved through each of its lives is billed."""
    room_in_the_hour(240)
    metered(site, served, {"acme": [{"export_id": "79"}]})
    polled(site)
    served.add(79, "/exp-c")
    served.write("/exp-c/one", SMALL)
    billed(site, "acme", "written", SMALL)
    served.remove(79)
    wait_for("its end", lambda: not [r for r in readings(site, "nfs_written_bytes_total")
                                     if r["labels"]["export_id"] == "79"])
    served.add(79, "/exp-d")
    served.write("/exp-d/two", SMALL - 1)
    billed(site, "acme", "written", 2 * SMALL - 1)


def test_the_bus_hangs(served, site):
    """Given a bus that is stopped, then polls are gaps with the reason, the plugin lives, and when it
    goes on nothing is lost."""
    room_in_the_hour(120)
    metered(site, served, CUSTOMERS)
    served.write("/exp-a/one", SMALL)
    billed(site, "acme", "written", SMALL)
    served.running["bus"].send_signal(signal.SIGSTOP)
    wait_for("a gap that says so", lambda: gap_of(site, "no bus at") or gap_of(site, "in time"))
    restarts = site.plugin_status("nfs")["restarts"]
    served.running["bus"].send_signal(signal.SIGCONT)
    served.write("/exp-a/two", SMALL)
    billed(site, "acme", "written", 2 * SMALL)
    assert site.plugin_status("nfs")["restarts"] == restarts == 0


def test_the_policy_is_needed(served, site):
    """Given a user whom the policy does not name, then the gap says what to do."""
    room_in_the_hour(60)
    site.configure_agent()
    plugin_file(site.directory, served, user="daemon")
    site.start_agent()
    wait_for("the agent", site.status)
    follow(site)
    wait_for("a gap that says so", lambda: gap_of(site, "its policy must"))
