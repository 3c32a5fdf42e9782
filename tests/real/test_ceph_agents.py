"""A cluster read by three agents is one source: it is billed once, whichever of them dies."""
import signal

import pytest

from harness import Site
from metered import gaps, metered, plugin_file, readings, usage, wait_for

MIB = 1 << 20


@pytest.fixture
def three(cluster, site, tmp_path):
    """Three agents of one rater, once all of them have polled; the first is the site's own."""
    sites = [metered(site, cluster, {"acme": [{"user": "proj-3"}, {"image": "three"}]})]
    for name in ("stor-02", "stor-03"):
        folder = tmp_path / name
        folder.mkdir()
        other = Site(folder)
        other.configure_agent(name=name, endpoint=site.endpoint)
        plugin_file(folder, cluster)
        other.start_agent()
        sites.append(other)
    try:
        for each in sites:
            each.wait_running("ceph")
        yield sites
    finally:
        for other in sites[1:]:
            other.close()


def test_another_mgr(cluster, site, tmp_path):
    """Given two agents, one of which asks only the mgr that then dies, then an image is billed once, from
    the one that sees the other mgr."""
    active = wait_for("an active mgr", lambda: next(filter(cluster.mgr_knows, cluster.mgrs), None))
    cluster.new_image("moved")
    metered(site, cluster, {"acme": [{"image": "moved"}]}, **{"mgr.endpoints": [cluster.mgr(active)]})
    folder = tmp_path / "stor-02"
    folder.mkdir()
    other = Site(folder)
    other.configure_agent(name="stor-02", endpoint=site.endpoint)
    plugin_file(other.directory, cluster)
    other.start_agent()
    try:
        for each in (site, other):
            wait_for("the image", lambda at=each: [r for r in readings(at, "ceph_rbd_written_bytes_total")
                                                   if r["labels"]["image"] == "moved"])
        cluster.write_image("moved", 2 * MIB)
        billed(site, "written", 2 * MIB)
        cluster.kill(f"mgr.{active}")
        wait_for("the other mgr to know the image", lambda: cluster.counted("moved") is not None)
        cluster.write_image("moved", MIB)
        billed(site, "written", 3 * MIB)
        cluster.start_mgr(active)
        assert any(source.endswith("/images") for source, why in gaps(site))
    finally:
        other.close()


def billed(site, meter, expected):
    def exact():
        figure = usage(site, "acme", meter)
        return figure and int(figure["exact"]["billed"])
    try:
        wait_for(f"{meter} to be {expected}", lambda: exact() == expected)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {exact()}") from None


def test_three_agents(cluster, three):
    """Given three agents of one cluster, of which one dies and one hangs, then each byte of usage and of an
    image is billed once."""
    first, second, third = three
    keys = cluster.user("proj-3", "TKEY", "tsecret")
    cluster.new_image("three")
    cluster.s3(keys, "PUT", "/three")
    cluster.s3(keys, "PUT", "/three/a", MIB)
    cluster.write_image("three", MIB)
    billed(first, "received", MIB)
    billed(first, "written", MIB)
    first.agent.kill()
    cluster.s3(keys, "PUT", "/three/b", MIB)
    cluster.write_image("three", MIB)
    billed(first, "received", 2 * MIB)
    billed(first, "written", 2 * MIB)
    second.agent.process.send_signal(signal.SIGSTOP)
    try:
        cluster.s3(keys, "PUT", "/three/c", MIB)
        cluster.write_image("three", MIB)
        billed(first, "received", 3 * MIB)
        billed(first, "written", 3 * MIB)
    finally:
        second.agent.process.send_signal(signal.SIGCONT)
    first.start_agent()
    first.wait_running("ceph")
    third.agent.kill()
    cluster.s3(keys, "PUT", "/three/d", MIB)
    billed(first, "received", 4 * MIB)
    billed(first, "written", 3 * MIB)
