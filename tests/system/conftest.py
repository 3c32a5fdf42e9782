"""Fixtures of the system tests: real daemons in a folder of their own, real network namespaces."""
import pytest

from harness import Namespaces, Site


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes long under a sanitizer")
    config.addinivalue_line("markers", "threads: exercises what runs on more than one thread")


@pytest.fixture
def site(tmp_path):
    """An agent and a rater, configured but not started; whatever was started is ended."""
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture
def namespaces():
    """Two namespaces joined by a veth, without a stray frame on it; removed at the end."""
    made = Namespaces()
    yield made
    made.close()
