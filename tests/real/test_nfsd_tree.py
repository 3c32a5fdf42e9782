"""The kernel's NFS server, on files as it writes them: the kernel that runs these tests may have none."""
import os
import pathlib
import tempfile
import time

import pytest

from nfs_metered import billed, gap_of, metered, readings, stays_billed, wait_for


class Tree:
    """Stands for a server without a bus, with /proc/fs/nfsd and /proc/net/rpc/nfsd in a folder."""

    socket = ""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.chmod(0o755)
        (self.folder / "clients").mkdir()

    def write(self, *entries):
        """Entries of export_stats: path, client, second in which they began, read, written."""
        text = "# Version 1.1\n# Path Client Start-time\n#\tStats\n"
        for path, client, began, read, written in entries:
            text += f"{path}\t{client}\t{began}\n\tfh_stale: 0\n\tio_read: {read}\n\tio_write: {written}\n\n"
        self.place("export_stats", text)
        self.place("rpc", f"rc 0 0 0\nio {sum(e[3] for e in entries)} {sum(e[4] for e in entries)}\n")

    def place(self, name, text):
        beside = self.folder / f".{name}"
        beside.write_text(text)
        beside.chmod(0o644)
        beside.rename(self.folder / name)

    def gone(self):
        (self.folder / "export_stats").unlink()


@pytest.fixture
def tree():
    if os.getuid() != 0:
        pytest.skip("the plugin's user is set as root")
    with tempfile.TemporaryDirectory(prefix="tm-nfsd-") as folder:
        yield Tree(folder)


def test_entries_are_made_anew(tree, site):
    """Given exports whose entries the kernel makes anew, with the old one listed beside the new for a
    poll, lacks for a while, and loses with the server, then all that any of them counted since polls began
    is billed once, and a server that is gone is a gap."""
    now = lambda: int(time.monotonic())  # noqa: E731
    old = ("/srv/a", "*", 1)
    other = ("/srv/b\\040c", "10.0.0.0/24", 2)
    tree.write((*old, 500, 700), (*other, 0, 9))
    metered(site, tree, {"acme": [{"path": "/srv/a"}], "bolt": [{"path": "/srv/b c"}]},
            nfsd={"folder": str(tree.folder), "server": str(tree.folder / "rpc")},
            stored={"measure": False})
    tree.write((*old, 1500, 700), (*other, 0, 10))
    billed(site, ("acme", "nfsd-read", 1000), ("acme", "nfsd-written", 0), ("bolt", "nfsd-written", 1))
    fresh = ("/srv/a", "*", now())
    tree.write((*old, 1800, 702), (*fresh, 40, 3), (*other, 0, 10))
    billed(site, ("acme", "nfsd-read", 1340), ("acme", "nfsd-written", 5))
    tree.write((*fresh, 60, 3))
    wait_for("its end", lambda: not [r for r in readings(site) if r.get("labels", {}).get("path")
                                     == "/srv/b c"])
    tree.gone()
    wait_for("a gap that says so", lambda: gap_of(site, "export_stats: No such file"))
    tree.write((*fresh, 100, 3), (*other, 0, 15))
    stays_billed(site, ("acme", "nfsd-read", 1400), ("acme", "nfsd-written", 5),
                 ("bolt", "nfsd-written", 6))
    assert [r["value"] for r in readings(site, "nfsd_clients")] == ["0"]
