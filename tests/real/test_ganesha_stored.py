"""Bytes that exports hold, on real file systems in loop devices."""
import os
import subprocess

import pytest

from harness import begin_of_period, seconds_of
from nfs_metered import billed, gap_of, metered, readings, told, wait_for
from stopped_folder import StoppedFolder, missing

MIB = 1 << 20
SECOND = 1_000_000_000
PERIOD = 15


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def mounts(ganesha):
    """Makes file systems in files; unmounted at the end."""
    made = []

    def mount(name, kind, size=256):
        image, point = ganesha.folder / f"{name}.img", ganesha.folder / "srv" / name
        point.mkdir()
        with open(image, "wb") as file:
            file.truncate(size * MIB)
        run(f"mkfs.{kind}", "-q", image)
        try:
            run("mount", "-o", "loop", image, point)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no loop devices, or no {kind}: {error.stderr}")
        made.append(point)
        point.chmod(0o755)
        return point

    def subvolume(top, name):
        """Mounted by itself: Debian's Ganesha finds none otherwise."""
        point = ganesha.folder / "srv" / f"{top.name}-{name}"
        point.mkdir()
        run("btrfs", "subvolume", "create", top / name)
        device = run("findmnt", "-no", "SOURCE", top).strip()
        run("mount", "-o", f"subvol={name}", device, point)
        made.append(point)
        return point

    mount.subvolume = subvolume
    yield mount
    ganesha.close()
    for point in reversed(made):
        run("umount", point)


def stored(site, export):
    found = [r for r in readings(site, "nfs_stored_bytes") if r["labels"]["export"] == export]
    return (int(found[0]["value"]), found[0]["info"]["method"]) if found else None


def used(path):
    figures = os.statvfs(path)
    return (figures.f_blocks - figures.f_bfree) * figures.f_frsize


def integral(site, export, start, end):
    """Byte-seconds from the agent's readings, each of which holds until the next one, clipped to a
    period; that no reading is missing in it is for the record's coverage to say."""
    points = sorted((nanoseconds(r["time"]), int(r["value"])) for r in told(site)
                    if r.get("metric") == "nfs_stored_bytes" and r["labels"]["export"] == export)
    ends = [instant for instant, _ in points[1:]] + [end]
    total = sum(value * max(0, min(until, end) - max(since, start))
                for (since, value), until in zip(points, ends))
    assert points[0][0] <= start and total % SECOND == 0
    return total // SECOND


def nanoseconds(rfc3339):
    whole, _, fraction = rfc3339.removesuffix("Z").partition(".")
    return round(seconds_of(whole + "+00:00")) * SECOND + int(fraction.ljust(9, "0") or 0)


def holds_as_qgroup(site, export, folder):
    groups = dict(line.split()[:2] for line in run("btrfs", "qgroup", "show", "--raw",
                                                   folder).splitlines() if line.startswith("0/"))
    number = run("btrfs", "inspect-internal", "rootid", folder).strip()
    return stored(site, export) == (int(groups[f"0/{number}"]), "btrfs qgroup")


def test_held_by_the_byte_second(ganesha, mounts, site):
    """Given exports that are a file system, a subvolume of btrfs each, and a folder among others, then the
    first is billed by the byte-second for what statvfs says, as it grows and shrinks, the others for what
    their qgroups say, and those of which it is not known are gaps that say why."""
    own, top = mounts("own", "ext4"), mounts("btrfs", "btrfs", 512)
    one, two = mounts.subvolume(top, "one"), mounts.subvolume(top, "two")
    for number, path in ((77, own), (78, one), (79, two), (80, None)):
        ganesha.export(number, f"/exp-{number}", path)
    ganesha.start()
    customers = {export: [{"export": export}] for export in ("77", "78", "79")}
    metered(site, ganesha, customers, period=f"{PERIOD}s", stored={"roots": [str(one), str(two)]})
    wait_for("a gap that says so", lambda: gap_of(site, "btrfs quota enable"))
    run("btrfs", "quota", "enable", top)
    run("btrfs", "quota", "rescan", "-w", top)

    def as_it_is():
        return (stored(site, "77") == (used(own), "statvfs")
                and holds_as_qgroup(site, "78", one) and holds_as_qgroup(site, "79", two))

    wait_for("what the file systems say", as_it_is)
    begun = begin_of_period(PERIOD, PERIOD - 2)
    for export, path, size in (("78", one, 10), ("79", two, 4), ("78", one, 2)):
        for file in (own / "file", path / "file"):
            with open(file, "wb") as written:
                written.write(os.urandom(size * MIB))
        run("sync", "-f", own)
        run("sync", "-f", top)
        wait_for("what the file systems say", as_it_is)
        assert min(stored(site, "77")[0], stored(site, export)[0]) > size * MIB
    assert gap_of(site, "neither a file system of its own")
    for export in customers:
        site.record_of(export, begun)
        record = next(r for r in site.records(export) if r["key"]["meter"] == "stored"
                      and seconds_of(r["key"]["period"]["end"]) > begun)
        start, end = (round(seconds_of(record["key"]["period"][edge])) * SECOND
                      for edge in ("start", "end"))
        assert (record["measure"], record["exact"]["unit"]) == ("time_weighted", "byte-seconds")
        assert float(record["coverage"]) == 1, record
        assert int(record["exact"]["billed"]) == integral(site, export, start, end)


@pytest.fixture
def stopped(ganesha):
    """Makes folders whose file systems can stop answering."""
    if missing():
        pytest.skip(missing())
    made = []

    def make(name, blocks):
        point = ganesha.folder / name
        point.mkdir(mode=0o755)
        made.append(StoppedFolder(point, blocks))
        return made[-1]

    yield make
    for folder in made:
        folder.close()


def test_a_folder_that_hangs_costs_itself_alone(ganesha, stopped, site):
    """Given one of two exports behind a file system that stops answering, so that whoever looks at it
    cannot be killed, then it is a gap that says so, the other and all traffic are told at each poll, and
    when it goes on it is told again, by the same plugin."""
    hangs, goes_on = stopped("hangs", 10), stopped("goes-on", 20)
    ganesha.export(77, "/exp-a")
    ganesha.export(78, "/exp-b")
    ganesha.start()
    metered(site, ganesha, {"acme": [{"export_id": "77"}]}, interval="3s",
            stored={"patience": 1, "places": [f"77={hangs.point}", f"78={goes_on.point}"]})
    wait_for("both", lambda: stored(site, "77") and stored(site, "78"))
    process = site.plugin_status("nfs")["pid"]
    hangs.stop()
    ganesha.write("/exp-a/file", 3000)
    wait_for("a gap that says so", lambda: gap_of(site, "no answer from its file system in time"))
    wait_for("that nobody else is sent", lambda: gap_of(site, "hangs in the kernel"))
    assert stored(site, "77") is None and stored(site, "78") == (20 * 4096, "statvfs")
    billed(site, ("acme", "written", 3000))
    hangs.go_on()
    wait_for("it to be told again", lambda: stored(site, "77") == (10 * 4096, "statvfs"))
    assert site.plugin_status("nfs")["pid"] == process
    assert not any("hang: " in r.get("gap", "") for r in told(site))
