"""Plugins that are placed into a folder while the agent runs: admitted or refused, replaced, retired."""
import glob
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from harness import BUILD, PATIENCE, wait_for

COUNTER = BUILD / "fault-plugins/counter.so"


@pytest.fixture
def dropping(site):
    """An agent with netif that runs, and a drop-in folder that is not there yet."""
    site.configure_agent()
    site.plugin("netif", exclude=[])
    site.start_agent()
    site.wait_running("netif")
    return site


def content(source=COUNTER, tail=b""):
    """A plugin whose digest is its own: bytes behind an ELF file say nothing to the loader."""
    return pathlib.Path(source).read_bytes() + tail


def digits(data):
    return hashlib.blake2b(data, digest_size=32).hexdigest()[:16]


def place(site, name, data=None, mode=0o755):
    """As `install` and package managers do: written beside, then renamed."""
    site.drop_ins.mkdir(mode=0o755, exist_ok=True)
    beside = site.drop_ins / f".{name}.so.beside"
    beside.write_bytes(content() if data is None else data)
    beside.chmod(mode)
    beside.rename(site.drop_ins / f"{name}.so")
    return site.drop_ins / f"{name}.so"


def wait_state(site, instance, *states):
    return wait_for(f"{instance} to be {' or '.join(states)}", lambda: (
        (p := site.plugin_status(instance)) and p["state"] in states and p))


def wait_absent(site, instance):
    wait_for(f"{instance} to be gone", lambda: (
        (status := site.status()) and instance not in [p["instance"] for p in status["plugins"]]))


def runs(site, instance, data):
    """Whether the instance's process has mapped the copy of exactly this content."""
    plugin = site.plugin_status(instance)
    if not plugin or not plugin["pid"] or plugin["state"] != "running":
        return None
    try:
        maps = pathlib.Path(f"/proc/{plugin['pid']}/maps").read_text()
    except OSError:
        return None
    return plugin if f"{instance}-{digits(data)}.so" in maps else None


def wait_runs(site, instance, data):
    return wait_for(f"{instance} to run {digits(data)}", lambda: runs(site, instance, data))


def assert_no_harm(site, instance="netif"):
    plugin = site.plugin_status(instance)
    assert (plugin["gaps"], plugin["restarts"]) == (0, 0), plugin


def copies(site, name):
    return sorted(path.name for path in (site.directory / "state/plugins").glob(f"{name}-*"))


def test_placed_and_it_runs(dropping):
    """Given a plugin placed into a folder that was just made, then it runs as the instance of its name,
    from a copy, without a restart of anything."""
    file = place(dropping, "meter")
    plugin = wait_runs(dropping, "meter", content())
    assert plugin["file"] == str(file) and plugin["interval_seconds"] == 60, plugin
    listed = json.loads(dropping.tallyman("plugin", "list", "--json", check=True).stdout)["plugins"]
    assert [(row["instance"], row["state"]) for row in listed if row["file"] == str(file)] == [
        ("meter", "running")]
    copy, = copies(dropping, "meter")
    assert (dropping.directory / "state/plugins" / copy).read_bytes() == content()
    assert_no_harm(dropping)


def test_there_at_the_start(site):
    """Given a drop-in that was there before the agent, then it runs too, and again after a kill."""
    site.configure_agent()
    place(site, "meter")
    for _ in range(2):
        site.start_agent()
        wait_runs(site, "meter", content())
        site.agent.kill()


def test_half_written_is_never_loaded(dropping):
    """Given a copy that takes its time, then it is not looked at before its writer closes it."""
    dropping.drop_ins.mkdir()
    data = content()
    with open(dropping.drop_ins / "slow.so", "wb") as slow:
        for part in (data[:4096], data[4096:len(data) // 2]):
            slow.write(part)
            slow.flush()
            # Others that are placed meanwhile have come and gone through all of it.
            for name in ("one", "two"):
                place(dropping, name)
                wait_state(dropping, name, "running")
                (dropping.drop_ins / f"{name}.so").unlink()
                wait_absent(dropping, name)
            assert dropping.plugin_status("slow") is None
            assert not copies(dropping, "slow")
        slow.write(data[len(data) // 2:])
    wait_runs(dropping, "slow", data)


def test_replaced(dropping):
    """Given another file in its place, by rename and by overwriting, then that one runs, without a gap."""
    dropping.plugin("meter")
    place(dropping, "meter")
    dropping.agent.process.send_signal(signal.SIGHUP)
    dropping.wait_running("meter")
    before = dropping.plugin_status("meter")
    for number, way in enumerate(("rename", "overwrite", "rename")):
        data = content(tail=b"%d" % number)
        if way == "rename":
            place(dropping, "meter", data)
        else:
            (dropping.drop_ins / "meter.so").write_bytes(data)
        wait_runs(dropping, "meter", data)
    polls = dropping.plugin_status("meter")["readings"]
    after = wait_for("more polls", lambda: (
        (p := dropping.plugin_status("meter")) and p["readings"] > polls + 3 and p))
    assert after["gaps"] == before["gaps"] and after["last_cause"] == "", after
    assert_no_harm(dropping)


def test_cut_off_in_place(dropping):
    """Given the file of a running plugin that is truncated, then the plugin goes on from its copy, also
    when its process must be started again, and status says what is wrong with the file."""
    dropping.plugin("meter")
    file = place(dropping, "meter")
    dropping.agent.process.send_signal(signal.SIGHUP)
    pid = dropping.wait_running("meter")["pid"]
    os.truncate(file, 4096)
    plugin = wait_for("the file to be refused", lambda: (
        (p := dropping.plugin_status("meter")) and "not admitted" in p["notes"] and p))
    assert (plugin["pid"], plugin["last_cause"], plugin["state"]) == (pid, "", "running"), plugin
    os.kill(pid, signal.SIGKILL)
    wait_for("another process", lambda: (
        (p := runs(dropping, "meter", content())) and p["pid"] != pid))
    place(dropping, "meter", content(tail=b"mended"))
    wait_runs(dropping, "meter", content(tail=b"mended"))
    assert dropping.plugin_status("meter")["notes"].count("not admitted") == 0


def test_refused_with_the_reason(dropping):
    """Given files that are no plugins or not to be trusted, then each is quarantined with its reason,
    nothing else suffers, and one that is mended runs."""
    dropping.drop_ins.mkdir()
    library = os.path.realpath(glob.glob("/lib/*/libm.so.6")[0])
    place(dropping, "text", b"no plugin at all\n" * 100)
    place(dropping, "library", content(library))
    place(dropping, "shared", mode=0o775)
    place(dropping, "needy", content(BUILD / "fault-plugins/tap.so"))
    place(dropping, "crashing", content(BUILD / "fault-plugins/ctor_crasher.so"))
    place(dropping, "hanging", content(BUILD / "fault-plugins/ctor_hanger.so"))
    (dropping.drop_ins / "linked.so").symlink_to(COUNTER)
    os.mkfifo(dropping.drop_ins / "pipe.so")
    (dropping.drop_ins / "folder.so").mkdir()
    reasons = {"text": "invalid ELF header", "library": "does not export", "shared": "chmod go-w",
               "needy": "it needs CAP_DAC_READ_SEARCH", "crashing": "signal 6", "linked": "symbolic link",
               "pipe": "no regular file", "folder": "no regular file",
               "hanging": "does not declare itself within 10s"}
    if os.getuid() == 0:
        foreign = dropping.drop_ins / ".foreign"
        foreign.write_bytes(content())
        os.chown(foreign, 65534, 65534)
        foreign.rename(dropping.drop_ins / "foreign.so")
        reasons["foreign"] = "belongs to user 65534"
    for name, reason in reasons.items():
        plugin = wait_state(dropping, name, "quarantined")
        assert reason in plugin["why"], plugin
        assert plugin["pid"] == 0 and plugin["file"] == str(dropping.drop_ins / f"{name}.so")
    table = dropping.tallyman("plugin", "list").stdout
    assert all(reason in table for reason in reasons.values()), table
    assert dropping.tallyman("status", "--check").returncode == 1
    (dropping.drop_ins / "shared.so").chmod(0o755)
    wait_runs(dropping, "shared", content())
    place(dropping, "text")
    wait_runs(dropping, "text", content())
    for name in set(reasons) - {"shared", "text", "folder"}:
        (dropping.drop_ins / f"{name}.so").unlink()
        wait_absent(dropping, name)
    assert_no_harm(dropping)


def test_needs_are_granted_by_configuring_it(dropping):
    """Given a drop-in that needs something, then it runs once a plugins.d file names it."""
    values = dropping.directory / "values"
    values.write_text("0 5\n")
    place(dropping, "needy", content(BUILD / "fault-plugins/tap.so"))
    wait_state(dropping, "needy", "quarantined")
    dropping.plugin("needy", path=str(values), grants={
        "capabilities": ["CAP_DAC_READ_SEARCH"], "paths": [str(dropping.directory)]})
    dropping.agent.process.send_signal(signal.SIGHUP)
    dropping.wait_running("needy")


def test_folder_others_may_write_to(dropping):
    """Given a folder that others may write to, then nothing in it is run until that is mended."""
    dropping.drop_ins.mkdir()
    dropping.drop_ins.chmod(0o777)
    place(dropping, "meter")
    assert str(dropping.drop_ins) + ": can be written to by" in wait_state(
        dropping, "meter", "quarantined")["why"]
    dropping.drop_ins.chmod(0o755)
    wait_runs(dropping, "meter", content())


def test_removed(dropping):
    """Given its file is removed, then a drop-in is retired, and runs again when the file is back; a
    configured instance goes on with what it has, and says so."""
    place(dropping, "meter")
    pid = wait_runs(dropping, "meter", content())["pid"]
    (dropping.drop_ins / "meter.so").unlink()
    wait_absent(dropping, "meter")
    wait_for("its process to be gone", lambda: not os.path.exists(f"/proc/{pid}"))
    place(dropping, "meter")
    wait_runs(dropping, "meter", content())
    dropping.plugin("meter")
    dropping.agent.process.send_signal(signal.SIGHUP)
    dropping.wait_running("meter")
    (dropping.drop_ins / "meter.so").unlink()
    plugin = wait_for("it to be missed", lambda: (
        (p := dropping.plugin_status("meter")) and "is gone" in p["notes"] and p))
    os.kill(plugin["pid"], signal.SIGKILL)
    wait_for("it to run from its copy", lambda: (
        (p := runs(dropping, "meter", content())) and p["pid"] != plugin["pid"]))


def test_retired_in_the_ledger(dropping):
    """Given a drop-in that is removed, then the first instant that it does not poll is a gap that says why."""
    file = place(dropping, "meter")
    wait_runs(dropping, "meter", content())
    file.unlink()
    wait_absent(dropping, "meter")

    def gaps():
        dump = subprocess.run([BUILD / "bin/tallyman", "spool", "dump", dropping.directory / "state/spool"],
                              capture_output=True, text=True, timeout=PATIENCE).stdout
        lines = [json.loads(line) for line in dump.splitlines()]
        return [line["gap"] for line in lines if line["instance"] == "meter" and "gap" in line]

    # Its interval is a minute.
    wait_for("the gap", gaps, 60 + PATIENCE)
    assert gaps() == [f"disabled: {file} was removed"]


def test_ignored_names(dropping):
    """Given what editors and package managers leave behind, then nothing of it is looked at."""
    dropping.drop_ins.mkdir()
    for name in (".hidden.so", "a.so~", "a.so.dpkg-new", "a.dpkg-tmp.so", "a.so.rpmsave", "a.rpmnew.so",
                 "a.so.tmp", "a.tmp.so", ".a.so.swp", "a.swp.so", "#a.so#", "a.so.bak", "a", "a b.so"):
        (dropping.drop_ins / name).write_bytes(b"nothing")
    place(dropping, "meter")
    wait_runs(dropping, "meter", content())
    # A whole round more, so that whatever was placed before it has had its turn.
    place(dropping, "second")
    wait_runs(dropping, "second", content())
    names = {p["instance"] for p in dropping.status()["plugins"]}
    assert names == {"netif", "meter", "second"}, names
    assert str(dropping.drop_ins / "a") not in dropping.tallyman("plugin", "list").stdout


def test_folder_comes_and_goes(dropping):
    """Given a folder that is removed, made again, moved away and replaced, then what is in it counts."""
    for number in range(2):
        place(dropping, "meter", content(tail=b"%d" % number))
        wait_runs(dropping, "meter", content(tail=b"%d" % number))
        shutil.rmtree(dropping.drop_ins)
        wait_absent(dropping, "meter")
    place(dropping, "meter")
    wait_runs(dropping, "meter", content())
    dropping.drop_ins.rename(dropping.directory / "moved")
    place(dropping, "other")
    wait_runs(dropping, "other", content())
    wait_absent(dropping, "meter")
    assert_no_harm(dropping)


def test_two_hundred_changes(dropping):
    """Given 200 changes in a row, renamed and overwritten, then exactly the last one runs, few copies are
    kept, and nobody else misses a poll."""
    dropping.drop_ins.mkdir()
    for number in range(200):
        data = content(tail=b"change %d" % number)
        if number % 3 == 1:
            (dropping.drop_ins / "meter.so").write_bytes(data)
        else:
            place(dropping, "meter", data)
    plugin = wait_runs(dropping, "meter", data)
    # What runs then is still what runs after another plugin has gone through all of it.
    place(dropping, "other")
    wait_runs(dropping, "other", content())
    assert runs(dropping, "meter", data)["pid"] == plugin["pid"]
    assert f"meter-{digits(data)}.so" in copies(dropping, "meter")
    # Copies that were still in use then go with the next change.
    place(dropping, "meter", content(tail=b"one more"))
    wait_runs(dropping, "meter", content(tail=b"one more"))
    assert len(copies(dropping, "meter")) <= 3
    assert_no_harm(dropping)


def test_configured_off(dropping):
    """Given a plugins.d file that switches it off, then a drop-in is not even loaded."""
    dropping.plugin("meter")
    file = dropping.directory / "plugins.d/meter.toml"
    file.write_text("enabled = false\n" + file.read_text())
    dropping.agent.process.send_signal(signal.SIGHUP)
    place(dropping, "meter", content(BUILD / "fault-plugins/ctor_crasher.so"))
    place(dropping, "other")
    wait_runs(dropping, "other", content())
    assert dropping.plugin_status("meter") is None
    assert not copies(dropping, "meter")


def test_packages_change_on_reload_only(dropping):
    """Given a plugin outside the drop-in folders that changes, then what runs stays, also when its process
    must be started again, until a reload, which takes the new one over without a gap."""
    file = dropping.directory / "packaged.so"
    file.write_bytes(content())
    dropping.plugin("packaged", plugin=str(file))
    dropping.agent.process.send_signal(signal.SIGHUP)
    pid = dropping.wait_running("packaged")["pid"]
    file.write_bytes(content(tail=b"newer"))
    os.kill(pid, signal.SIGKILL)
    wait_for("another process of the same version", lambda: (
        (p := runs(dropping, "packaged", content())) and p["pid"] != pid))
    gaps = dropping.plugin_status("packaged")["gaps"]
    dropping.agent.process.send_signal(signal.SIGHUP)
    wait_runs(dropping, "packaged", content(tail=b"newer"))
    polls = dropping.plugin_status("packaged")["readings"]
    wait_for("more polls", lambda: dropping.plugin_status("packaged")["readings"] > polls + 2)
    assert dropping.plugin_status("packaged")["gaps"] == gaps
    assert_no_harm(dropping)
