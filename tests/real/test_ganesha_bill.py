"""What goes through a real Ganesha is billed to the byte, whoever is restarted meanwhile."""
import os
import shutil
import signal

import pytest

from harness import BUILD
from nfs41_client import Session
from nfs_metered import (billed, follow, gap_of, metered, plugin_file, readings, stays_billed, told,
                         wait_for)

SMALL = 3000  # what this client can write over NFSv4 at once


@pytest.fixture
def served(ganesha):
    """A server with two exports; each has a large file to read, which nobody wrote over NFS."""
    for number, name in ((77, "/exp-a"), (78, "/exp-b")):
        (ganesha.export(number, name) / "large").write_bytes(os.urandom(1_000_000))
    return ganesha.start()


CUSTOMERS = {"acme": [{"export_id": "77"}], "bolt": [{"export_id": "78"}]}


def test_each_export_over_v4(served, site):
    """Given writes to and reads of two exports over NFSv4.0, 4.1 and 4.2, under the packaged D-Bus
    policies and as an unprivileged user, then each customer is billed exactly what moved, to which a
    read beyond the end of a file does not add, and the other nothing of it; and the host that mounts
    both is told apart, where that is asked for, with all of it."""
    metered(site, served, CUSTOMERS, ganesha={"clients": True})
    for i in range(7):
        served.write(f"/exp-a/file-{i}", SMALL + i)
    assert served.read("/exp-b/large") == 1_000_000
    for minor, size in ((1, 300_001), (2, 70_002)):
        with Session(served.host, served.port, minor) as session:
            session.write(f"/exp-a/body-{minor}", os.urandom(size))
            assert len(session.read("/exp-b/large")) == 1_000_000
    small = sum(SMALL + i for i in range(7))
    stays_billed(site, ("acme", "written", small + 370_003), ("acme", "read", 0),
                 ("bolt", "read", 3_000_000), ("bolt", "written", 0))
    written = readings(site, "nfs_written_bytes_total")
    assert {r["labels"]["version"]: int(r["value"]) for r in written if r["labels"]["export_id"] == "77"
            } == {"3": 0, "4.0": small, "4.1": 300_001, "4.2": 70_002}
    host = [r for r in readings(site, "nfs_client_written_bytes_total")
            if r["labels"]["client"] == "::ffff:127.0.0.1"]
    assert sum(int(r["value"]) for r in host) == small + 370_003
    paths = {r["labels"]["export_id"]: r["info"]["path"] for r in written}
    assert paths["77"] == str(served.exports[77][1])


def test_v3_in_its_own_namespace(ganesha_v3, site):
    """Given a megabyte written and read over NFSv3, then it is billed exactly, apart from what moves
    over NFSv4 at the same export."""
    ganesha_v3.export(77, "/exp-a")
    ganesha_v3.start()
    metered(site, ganesha_v3, CUSTOMERS)
    ganesha_v3.write("/exp-a/file", 3_000_000, version=3)
    assert ganesha_v3.read("/exp-a/file", version=3) == 3_000_000
    assert ganesha_v3.read("/exp-a/file", version=4) == 3_000_000
    stays_billed(site, ("acme", "written", 3_000_000), ("acme", "read", 6_000_000))
    by_version = {r["labels"]["version"]: r["value"] for r in readings(site, "nfs_read_bytes_total")
                  if r["labels"]["export_id"] == "77"}
    assert (by_version["3"], by_version["4.0"]) == ("3000000", "3000000")


def test_everything_is_restarted(served, site):
    """Given Ganesha, then the plugin killed with -9, then swapped for another version, then the bus and
    Ganesha again, each after its traffic was polled, then all of it is billed once, and what was down
    is a gap with the reason."""
    plugin = site.directory / "nfs.so"
    shutil.copy(BUILD / "plugins/nfs.so", plugin)
    metered(site, served, CUSTOMERS, plugin=plugin)
    served.write("/exp-a/one", SMALL)
    billed(site, ("acme", "written", SMALL))

    served.kill("ganesha")
    wait_for("a gap that says so", lambda: gap_of(site, "nobody on the bus"))
    served.start_server()
    served.write("/exp-a/two", SMALL - 1)
    billed(site, ("acme", "written", 2 * SMALL - 1))

    os.kill(site.plugin_status("nfs")["pid"], signal.SIGKILL)
    served.write("/exp-a/three", SMALL - 2)
    billed(site, ("acme", "written", 3 * SMALL - 3))

    before = site.plugin_status("nfs")["digest"]
    another = plugin.with_suffix(".new")
    another.write_bytes(plugin.read_bytes() + b"\0")
    another.rename(plugin)
    served.write("/exp-a/four", SMALL - 3)
    site.agent.process.send_signal(signal.SIGHUP)
    wait_for("the other version", lambda: site.plugin_status("nfs")["digest"] != before)
    billed(site, ("acme", "written", 4 * SMALL - 6))

    served.kill("bus")
    wait_for("a gap that says so", lambda: gap_of(site, "no bus at"))
    served.kill("ganesha")  # it does not look for another bus
    served.start_bus()
    served.start_server()
    served.write("/exp-a/five", SMALL - 4)
    stays_billed(site, ("acme", "written", 5 * SMALL - 10))


def told_of(site, export):
    return [r for r in readings(site, "nfs_written_bytes_total") if r["labels"]["export_id"] == export]


def test_exports_come_and_go(served, site):
    """Given an export added while the server runs, removed, added again under its id with another path,
    and the folder exported anew under another id, then what moved through each of its lives is billed,
    each under its id."""
    metered(site, served, {"acme": [{"export_id": "79"}], "bolt": [{"export_id": "80"}]})
    served.add(79, "/exp-c")
    served.write("/exp-c/one", SMALL)
    billed(site, ("acme", "written", SMALL))
    served.remove(79)
    wait_for("its end", lambda: not told_of(site, "79"))
    served.add(79, "/exp-d")
    served.write("/exp-d/two", SMALL - 1)
    billed(site, ("acme", "written", 2 * SMALL - 1))
    served.remove(79)
    served.add(80, "/exp-d")
    served.write("/exp-d/three", SMALL - 2)
    stays_billed(site, ("bolt", "written", SMALL - 2), ("acme", "written", 2 * SMALL - 1))
    assert not told_of(site, "79")
    assert not any("gap" in r and "Ganesha" in r["gap"] for r in told(site))


def test_the_bus_hangs(served, site):
    """Given a bus that is stopped, then polls are gaps with the reason, the plugin lives, and when it
    goes on nothing is lost."""
    metered(site, served, CUSTOMERS)
    served.write("/exp-a/one", SMALL)
    billed(site, ("acme", "written", SMALL))
    served.running["bus"].send_signal(signal.SIGSTOP)
    wait_for("a gap that says so", lambda: gap_of(site, "no bus at") or gap_of(site, "in time"))
    restarts = site.plugin_status("nfs")["restarts"]
    served.running["bus"].send_signal(signal.SIGCONT)
    served.write("/exp-a/two", SMALL)
    stays_billed(site, ("acme", "written", 2 * SMALL))
    assert site.plugin_status("nfs")["restarts"] == restarts == 0


def test_the_policy_is_needed(served, site):
    """Given a user whom the policy does not name, then the gap says what to do."""
    site.configure_agent()
    plugin_file(site.directory, served, user="daemon")
    site.start_agent()
    wait_for("the agent", site.status)
    follow(site)
    wait_for("a gap that says so", lambda: gap_of(site, "its policy must"))
