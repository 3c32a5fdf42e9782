"""Fixtures of the tests against real servers: servers of their own, agents and a rater."""
import os
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from harness import Site  # noqa: E402

import ceph_cluster  # noqa: E402
import ganesha_server  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    """A Ceph cluster, started once for a file of tests."""
    lacking = ceph_cluster.missing()
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}; packaging/install-dependencies --tests")
    if os.getuid() != 0:
        pytest.skip("Ceph's daemons are started as root here")
    # Names of Ceph's sockets do not fit below pytest's own folders.
    with tempfile.TemporaryDirectory(prefix="tm-ceph-") as folder:
        made = ceph_cluster.Cluster(folder, mgrs=("x", "y"))
        try:
            yield made.start()
        finally:
            made.close()


def one_ganesha(v3):
    lacking = ganesha_server.missing()
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}; packaging/install-dependencies --tests")
    if os.getuid() != 0:
        pytest.skip("Ganesha is started as root")
    with tempfile.TemporaryDirectory(prefix="tm-nfs-") as folder:
        made = ganesha_server.Ganesha(folder, v3)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def ganesha():
    """An NFS-Ganesha that serves NFSv4 on loopback, configured but not started."""
    yield from one_ganesha(False)


@pytest.fixture
def ganesha_v3():
    """One that serves NFSv3 as well, in a network namespace."""
    yield from one_ganesha(True)


@pytest.fixture
def site(tmp_path):
    """An agent and a rater, configured but not started; whatever was started is ended."""
    made = Site(tmp_path)
    yield made
    made.close()
