"""A plugin can do no harm: it gets what it needs and is granted, and whatever else it tries fails."""
import errno
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import pytest

from harness import BUILD, GRANTS, PATIENCE, wait_for

ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="only root can give plugins users of their own")
NOBODY = 65534


@pytest.fixture
def metered(site):
    """An agent with a key, and netif."""
    configure(site)
    return site


def configure(site):
    key = site.directory / "agent.key"
    key.write_text("secret")
    key.chmod(0o600)
    site.configure_agent()
    site.plugin("netif", interval="500ms", exclude=[])


@pytest.fixture
def listener():
    """A TCP socket that somebody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def reload(site):
    site.agent.process.send_signal(1)


def add_burglar(site, listener):
    segment = wait_for("a segment", lambda: next((site.directory / "state/spool").glob("segment-*"), None))
    site.plugin("burglar", interval="500ms", agent=str(site.agent.process.pid), segment=str(segment),
                port=str(listener.getsockname()[1]), socket=str(site.agent_socket),
                state=str(site.directory / "state"), key=str(site.directory / "agent.key"),
                loot=str(site.directory / "loot"))
    reload(site)
    return site.wait_running("burglar")


def attempts(site):
    """What the burglar tried, and the errno that each ended with."""
    shown = site.tallyman("readings", "--json", "--plugin", "burglar", check=True).stdout
    return {line["labels"]["attempt"]: int(line["value"]) for line in map(json.loads, shown.splitlines())}


def assert_no_harm(site, listener, burglar):
    """Seen from outside, after some more polls of the burglar."""
    segment = site.directory / "state/spool"
    wait_for("five more polls of it", lambda: (
        (p := site.plugin_status("burglar"))["readings"] >= burglar["readings"] + 5 * burglar["series"]))
    failed = attempts(site)
    assert len(failed) > 30 and [what for what, number in failed.items() if number == 0] == [], failed
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert site.agent.running(), site.agent.tail()
    assert not (site.directory / "loot").exists() and not pathlib.Path("/tmp/tallyman-burglar").exists()
    assert (site.directory / "agent.key").read_text() == "secret"
    for instance in ("netif", "burglar"):
        plugin = site.plugin_status(instance)
        assert (plugin["gaps"], plugin["restarts"], plugin["last_cause"]) == (0, 0, ""), plugin
    assert site.agent.stop() == 0, site.agent.tail()
    verified = subprocess.run([BUILD / "bin/tallyman", "spool", "verify", segment], capture_output=True,
                              text=True, timeout=PATIENCE)
    assert verified.returncode == 0, verified
    return failed


@ROOT_ONLY
def test_burglar(metered, listener):
    """Given a plugin that tries all it can beside netif under an agent of root's, then nothing of it
    succeeds: nobody is killed, nothing read, written or reached, and netif has no gap."""
    metered.start_agent()
    netif = metered.wait_running("netif")
    burglar = add_burglar(metered, listener)
    for words in ("own PID namespace", "uid ", "no capabilities"):
        assert words in burglar["isolation"], burglar
    uids = set()
    for plugin in (netif, burglar):
        status = pathlib.Path(f"/proc/{plugin['pid']}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        uids.add(fields["Uid"])
        assert len(set(fields["Uid"].split())) == 1 and fields["Uid"] == fields["Gid"], fields
        assert int(fields["Uid"].split()[0]) >= 1879048192 and fields["Groups"].strip() == "", fields
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(fields[kind], 16) == 0, fields
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2"), fields
    assert len(uids) == 2, "netif and the burglar are the same user"
    bound = pathlib.Path(f"/proc/{metered.agent.process.pid}/status").read_text().split("CapBnd:")[1].split()[0]
    assert int(bound, 16) & (1 << 16 | 1 << 12) == 0, "the agent could load modules, or set up the network"
    failed = assert_no_harm(metered, listener, burglar)
    assert failed["read the key"] == failed["read /etc/shadow"] == errno.EACCES, failed
    assert failed["connect out"] == failed["network at load"] == errno.EPERM, failed


def other_user():
    """A folder of nobody's for an agent of nobody's; skips where the build cannot be reached by it."""
    if os.getuid() != 0:
        return None
    reach = subprocess.run([BUILD / "bin/tallyman-agent", "--version"], user=NOBODY, group=NOBODY,
                           extra_groups=[], capture_output=True) if all(
        p.stat().st_mode & 1 for p in [*BUILD.parents, BUILD]) else None
    if reach is None or reach.returncode != 0:
        pytest.skip("the build is below a folder that other users cannot reach")
    return NOBODY


def test_burglar_of_an_ordinary_user(site, listener):
    """Given an agent that is not root's, then its plugins are weaker confined, status says how, and
    still none of what the burglar tries succeeds."""
    user = other_user()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tallyman-user-"))
    try:
        site.directory = folder
        site.agent_socket = folder / "agent.sock"
        site.endpoint = f"ipc://{folder}/link"
        (folder / "plugins.d").mkdir()
        configure(site)
        if user is not None:
            site.agent_user = user
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, user, user)
        site.start_agent()
        netif = site.wait_running("netif")
        weaker = netif["isolation"].split("; weaker: ")[1]
        assert "same user as the agent" in weaker and "no PID namespace" in weaker, netif
        if "Landlock (ABI " not in netif["isolation"] or "can signal" in weaker:
            pytest.skip("this kernel's Landlock does not keep signals within")
        assert_no_harm(site, listener, add_burglar(site, listener))
    finally:
        site.close()
        shutil.rmtree(folder)


def test_needs_that_are_not_granted(metered):
    """Given needs without grants, then the plugin is quarantined with what to write and where, as
    plugin list shows; once that is written, it runs."""
    metered.plugin("netif", interval="500ms", exclude=[], grants={})
    metered.plugin("counter")
    metered.start_agent()
    metered.wait_running("counter")
    netif = wait_for("netif to be refused", lambda: (
        (p := metered.plugin_status("netif")) and p["state"] == "quarantined" and p))
    for words in ("the network", "/proc/sys/kernel/random/boot_id", "network = true",
                  "plugins.d/netif.toml [grants]", 'paths = ["/proc/sys/kernel/random/boot_id"]'):
        assert words in netif["why"], netif
    listed = json.loads(metered.tallyman("plugin", "list", "--json", check=True).stdout)["plugins"]
    row = next(row for row in listed if row["instance"] == "netif")
    assert row["needs"] == {"user": None, "capabilities": [], **GRANTS["netif"]}, row
    assert row["grants"] == {"user": None, "capabilities": [], "paths": [], "network": False}, row
    table = metered.tallyman("plugin", "list", check=True).stdout
    assert "NEEDS" in table and "/proc/sys/kernel/random/boot_id, network" in table, table
    metered.plugin("netif", interval="500ms", exclude=[])
    reload(metered)
    metered.wait_running("netif")


def test_more_granted_than_needed(metered):
    """Given grants beyond the needs, then they are told once and not given, and that costs no poll."""
    metered.plugin("counter", grants={"paths": ["/etc"], "network": True})
    metered.start_agent()
    counter = metered.wait_running("counter")
    assert "/etc" not in counter["isolation"] and "no network" in counter["isolation"], counter
    assert (counter["gaps"], counter["restarts"]) == (0, 0), counter
    told = "granted but not needed, and not given: /etc, network"
    assert metered.agent.tail().count(told) == 1, metered.agent.tail()


@ROOT_ONLY
def test_what_is_granted_is_had(metered):
    """Given a capability and paths that are needed and granted, then a plugin of no user's reads and
    writes what is closed to everybody else, also after the file was replaced."""
    folder = metered.directory / "closed"
    folder.mkdir(mode=0o700)
    (folder / "in").write_text("12345")
    metered.plugin("keyholder", **{"in": str(folder / "in"), "out": str(folder / "out")},
                   grants={"capabilities": ["CAP_DAC_OVERRIDE"], "paths": [f"+{folder}", str(folder)]})
    metered.start_agent()
    keyholder = metered.wait_running("keyholder")
    assert "CAP_DAC_OVERRIDE and no other capabilities" in keyholder["isolation"], keyholder
    beside = " (if a file, what is beside it)"
    assert f"read {folder}/in{beside}, write {folder}/out{beside}" in keyholder["isolation"], keyholder
    assert int((folder / "out").stat().st_uid) >= 1879048192
    (folder / "new").write_text("123456789")
    (folder / "new").rename(folder / "in")

    def read():
        shown = metered.tallyman("readings", "--json", "--plugin", "keyholder").stdout
        return shown and json.loads(shown.splitlines()[0])["value"]
    wait_for("it to read the new file", lambda: read() == "9")
    assert metered.plugin_status("keyholder")["gaps"] == 0


@ROOT_ONLY
def test_a_user_that_is_granted(metered):
    """Given a user in [grants], then the plugin runs as that one, with its group alone."""
    metered.plugin("counter", grants={"user": "nobody"})
    metered.start_agent()
    counter = metered.wait_running("counter")
    assert "user nobody" in counter["isolation"], counter
    status = pathlib.Path(f"/proc/{counter['pid']}/status").read_text()
    assert "Uid:\t65534\t65534\t65534\t65534" in status and "Gid:\t65534\t65534" in status, status


def test_too_much_in_a_poll(metered):
    """Given limits of readings and of bytes in a poll, then a plugin over one of them is blamed for it,
    by name."""
    for instance, limit in (("many", "readings = 5"), ("long", 'bytes = "64KiB"')):
        metered.plugin(instance, plugin="counter", interval="1s", series=7000)
        file = metered.directory / f"plugins.d/{instance}.toml"
        file.write_text(f"{file.read_text()}[limits]\n{limit}\n")
    metered.start_agent()
    for instance, words in (("many", "limit: readings: over 5 in a poll"), ("long", "limit: bytes: ")):
        wait_for(f"{instance} to be blamed", lambda: (
            (p := metered.plugin_status(instance)) and words in p["last_cause"]))
    metered.wait_running("netif")


def test_open_folders_are_closed(metered):
    """Given a spool that others may enter, then the agent closes it and says so."""
    spool = metered.directory / "state/spool"
    spool.mkdir(parents=True)
    spool.chmod(0o755)
    (metered.directory / "state").chmod(0o777)
    metered.start_agent()
    metered.wait_running("netif")
    assert (spool.stat().st_mode & 0o777, spool.parent.stat().st_mode & 0o777) == (0o700, 0o755)
    assert metered.agent.tail().count("was open to others") == 2, metered.agent.tail()


@ROOT_ONLY
def test_a_build_that_others_cannot_read(metered):
    """Given a plugin host and a plugin that are closed to everybody but root, in a folder that is too,
    then the plugin runs as a user of its own all the same."""
    closed = metered.directory / "closed"
    closed.mkdir(mode=0o700)
    for file, mode in ((BUILD / "bin/tallyman-plugin-host", 0o700), (BUILD / "plugins/netif.so", 0o600)):
        shutil.copy(file, closed)
        (closed / file.name).chmod(mode)
    config = metered.directory / "agent.toml"
    text = config.read_text().replace(str(BUILD / "bin"), str(closed))
    config.write_text(text.replace(str(BUILD / "plugins"), str(closed)))
    metered.start_agent()
    netif = metered.wait_running("netif")
    assert netif["file"] == str(closed / "netif.so") and "uid " in netif["isolation"], netif
