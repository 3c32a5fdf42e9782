"""A cluster read by three agents is one source: it is billed once, whichever of them dies."""
import signal

import pytest

from harness import Site
from metered import metered, plugin_file, usage, wait_for

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
