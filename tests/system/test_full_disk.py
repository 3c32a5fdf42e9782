"""A spool on a file system of 16 MiB, while the rater is away for a week."""
import subprocess

import pytest

from harness import BUILD


@pytest.fixture
def small_disk(tmp_path):
    """An ext4 file system of 16 MiB in a file, mounted."""
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_week_without_a_rater(small_disk):
    """100 series every 10 s with resets, renames, gaps and clock steps bill to the byte what an unlimited spool bills."""
    done = subprocess.run([str(BUILD / "bin" / "full_week"), str(small_disk)],
                          capture_output=True, text=True, timeout=500)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stderr
    assert "equal:" in done.stdout
