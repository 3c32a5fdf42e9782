"""Bytes that exports hold, on real file systems in loop devices."""
import os
import pathlib
import subprocess

import pytest

from nfs_metered import gap_of, metered, polled, readings, wait_for

MIB = 1 << 20


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

    yield mount
    ganesha.close()
    for point in made:
        run("umount", point)


def stored(site, export):
    found = [r for r in readings(site, "nfs_stored_bytes") if r["labels"]["export"] == export]
    return (int(found[0]["value"]), found[0]["info"]["method"]) if found else None


def used(path):
    figures = os.statvfs(path)
    return (figures.f_blocks - figures.f_bfree) * figures.f_frsize


def test_a_file_system_of_its_own_and_a_plain_folder(ganesha, mounts, site):
    """Given an export that is a file system, and one that is a folder, then the first has what statvfs
    says, as it grows and shrinks, and the second is a gap that says why."""
    own = mounts("own", "ext4")
    ganesha.export(77, "/own", own)
    ganesha.export(78, "/plain")
    ganesha.start()
    metered(site, ganesha, {})
    for size in (10, 3):
        (own / "file").write_bytes(os.urandom(size * MIB))
        run("sync", "-f", own)
        wait_for("what statvfs says", lambda: stored(site, "77") == (used(own), "statvfs"))
    assert gap_of(site, "neither a file system of its own")


def test_btrfs_subvolumes(ganesha, mounts, site):
    """Given two exports that are subvolumes with quotas, then each has what its qgroup says; without
    quotas it is a gap that says so."""
    top = mounts("btrfs", "btrfs", 512)
    for number, name in ((77, "one"), (78, "two")):
        run("btrfs", "subvolume", "create", top / name)
        ganesha.export(number, f"/{name}", top / name)
    ganesha.start()
    metered(site, ganesha, {}, stored={"roots": [str(top)]})
    wait_for("a gap that says so", lambda: gap_of(site, "btrfs quota enable"))
    run("btrfs", "quota", "enable", top)
    (top / "one/file").write_bytes(os.urandom(10 * MIB))
    run("sync", "-f", top)
    run("btrfs", "quota", "rescan", "-w", top)

    def says():
        lines = run("btrfs", "qgroup", "show", "--raw", top).splitlines()
        return sorted(int(line.split()[1]) for line in lines if line.startswith("0/") and "0/5" not in line)

    wait_for("what the qgroups say", lambda: [
        v for v, _ in sorted(filter(None, (stored(site, "77"), stored(site, "78"))))] == says())
    assert stored(site, "77")[1] == "btrfs qgroup" and stored(site, "77")[0] > 10 * MIB


def test_a_dead_export_hangs_nobody(ganesha, mounts, site):
    """Given an export whose file system is frozen, then polls go on, and when it thaws it is told."""
    own = mounts("own", "ext4")
    ganesha.export(77, "/own", own)
    ganesha.start()
    metered(site, ganesha, {}, stored={"patience": 1})
    wait_for("a first figure", lambda: stored(site, "77"))
    run("fsfreeze", "-f", own)
    try:
        polled(site)
    finally:
        run("fsfreeze", "-u", own)
    polled(site)
    assert site.plugin_status("nfs")["restarts"] == 0
    assert pathlib.Path(own).exists()
