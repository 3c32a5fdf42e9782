"""What the service manager is told: the test is the service manager."""
import os
import signal
import socket

import pytest

from frozen import FrozenMount, Unavailable
from harness import PATIENCE, toml, wait_for

WATCHDOG = 1.0  # seconds; a sign of life comes twice as often


class Manager:
    """The socket that NOTIFY_SOCKET names."""

    def __init__(self, environment):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"tallyman-test-{os.getpid()}-{id(self)}"
        self.socket.bind("\0" + name)
        environment.setenv("NOTIFY_SOCKET", "@" + name)
        environment.setenv("WATCHDOG_USEC", str(int(WATCHDOG * 1e6)))
        environment.delenv("WATCHDOG_PID", raising=False)
        self.words = ""

    def hear(self, patience):
        """The next message that is no STATUS; nothing when none comes."""
        self.socket.settimeout(patience)
        while True:
            try:
                message = self.socket.recv(4096).decode()
            except (TimeoutError, BlockingIOError):
                return None
            if not message.startswith("STATUS="):
                return message
            self.words = message

    def await_message(self, wanted):
        """Passes over signs of life until it comes."""
        while (message := self.hear(PATIENCE)) is not None:
            if message.startswith(wanted):
                return message
            assert message == "WATCHDOG=1", f"{message!r} before {wanted}"
        raise AssertionError(f"{wanted} was never said")

    def drain(self):
        while self.hear(0) is not None:
            pass


@pytest.fixture
def managed(site, monkeypatch):
    site.manager = Manager(monkeypatch)
    site.configure_agent()
    site.configure_rater()
    site.catalogue()
    site.plugin("netif", exclude=[])
    yield site
    site.manager.socket.close()


def assert_silent(manager):
    manager.drain()
    assert manager.hear(4 * WATCHDOG) is None, "a sign of life of one that does not live"


def stop_by_signal(daemon):
    daemon.process.send_signal(signal.SIGSTOP)

    def stands():
        with open(f"/proc/{daemon.process.pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "T"
    wait_for("it to stand", stands)


def test_the_agents_life(managed):
    """Given an agent under a service manager, then it is ready once every plugin was started or refused,
    says so again after each reload, gives signs of life, says how it is, and that it stops; its plugins
    are told nothing of the manager."""
    manager = managed.manager
    managed.plugin("nowhere")
    managed.start_agent()
    manager.await_message("READY=1")
    states = {p["instance"]: p["state"] for p in managed.status()["plugins"]}
    assert states == {"netif": "running", "nowhere": "quarantined"}, states
    manager.await_message("WATCHDOG=1")
    assert manager.words.startswith("STATUS=1 of 2 plugins run; nowhere is quarantined"), manager.words
    with open(f"/proc/{managed.plugin_status('netif')['pid']}/environ") as environ:
        names = {entry.split("=")[0] for entry in environ.read().split("\0")}
    assert "PATH" in names and not names & {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}, names
    for broken in (False, True):
        file = managed.directory / "plugins.d/nowhere.toml"
        if broken:
            file.write_text("interval = 7")
        else:
            file.unlink()
        managed.agent.process.send_signal(signal.SIGHUP)
        reloading = manager.await_message("RELOADING=1")
        assert int(reloading.split("MONOTONIC_USEC=")[1]) > 0
        manager.await_message("READY=1")
    wait_for("words for the broken file", lambda: (
        manager.await_message("WATCHDOG=1") and "not in force" in manager.words))
    managed.agent.process.send_signal(signal.SIGTERM)
    manager.await_message("STOPPING=1")
    assert managed.agent.process.wait(PATIENCE) == 0


def test_no_sign_of_life_of_a_stopped_agent(managed):
    """Given an agent that is stopped by a signal, then it gives no sign of life until it goes on."""
    managed.start_agent()
    managed.manager.await_message("READY=1")
    managed.manager.await_message("WATCHDOG=1")
    stop_by_signal(managed.agent)
    assert_silent(managed.manager)
    managed.agent.process.send_signal(signal.SIGCONT)
    managed.manager.await_message("WATCHDOG=1")


def test_no_sign_of_life_of_a_hung_loop(managed, tmp_path):
    """Given a folder of plugins on a file system that does not answer, and so a loop that hangs in it, then
    there is no sign of life, whatever other threads do; once it answers, there is again."""
    try:
        mount = FrozenMount(tmp_path / "mount")
    except Unavailable as why:
        pytest.skip(str(why))
    try:
        file = managed.directory / "agent.toml"
        file.write_text(file.read_text().replace(
            "plugin_directories = [", f"plugin_directories = [{toml(str(mount.directory / 'plugins'))}, "))
        managed.start_agent()
        managed.manager.await_message("READY=1")
        managed.wait_running("netif")
        mount.freeze()
        managed.tallyman("plugin", "restart", "netif", check=True)
        wait_for("the agent to ask the file system", mount.waited_for)
        assert_silent(managed.manager)
        mount.thaw()
        managed.manager.await_message("WATCHDOG=1")
        managed.wait_running("netif")
    finally:
        mount.close()


def test_a_watchdog_of_another_process(managed, monkeypatch):
    """Given a watchdog that is meant for another process, then the agent gives it no signs of life."""
    monkeypatch.setenv("WATCHDOG_PID", "1")
    managed.start_agent()
    assert managed.manager.hear(PATIENCE) == "READY=1"
    assert managed.manager.hear(2 * WATCHDOG) is None


def test_the_raters_life(managed):
    """Given a rater under a service manager, then it is ready when it listens, and tells of reloads, its
    life and its end as the agent does."""
    manager = managed.manager
    managed.start_rater()
    manager.await_message("READY=1")
    assert "listens for agents at ipc://" in manager.words, manager.words
    manager.await_message("WATCHDOG=1")
    managed.rater.process.send_signal(signal.SIGHUP)
    manager.await_message("RELOADING=1\nMONOTONIC_USEC=")
    manager.await_message("READY=1")
    stop_by_signal(managed.rater)
    assert_silent(manager)
    managed.rater.process.send_signal(signal.SIGCONT)
    manager.await_message("WATCHDOG=1")
    managed.rater.process.send_signal(signal.SIGTERM)
    manager.await_message("STOPPING=1")
    assert managed.rater.process.wait(PATIENCE) == 0
