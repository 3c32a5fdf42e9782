"""The build under test: TALLYMAN_BUILD, else build/dev."""
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="session")
def build():
    return pathlib.Path(os.environ.get("TALLYMAN_BUILD", ROOT / "build/dev"))


@pytest.fixture(scope="session")
def driver(build):
    path = build / "tests/rate_history"
    assert path.exists(), f"{path} is not built"
    return str(path)
