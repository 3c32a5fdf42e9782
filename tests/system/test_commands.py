"""What people type, and what programs read from it."""
import json
import os
import pathlib
import signal
import subprocess

import jsonschema
import pytest

from harness import BUILD, PATIENCE, ROOT, seconds_of, wait_for


@pytest.fixture
def running(site):
    site.configure_agent()
    site.configure_rater()
    site.catalogue(period="2s", customers=(("loop", {"interface": "lo"}), ("rest", {"interface": "[!l]*"})))
    site.plugin("netif", exclude=[])
    site.start()
    site.wait_running("netif")
    return site


def schema(path):
    return json.loads((ROOT / path).read_text())


def test_readings_follow_their_schema(running):
    """Given readings --json, then every line is valid against the schema and names this agent."""
    lines = wait_for("readings", lambda: running.tallyman("readings", "--json").stdout.splitlines())
    for line in lines:
        document = json.loads(line)
        jsonschema.validate(document, schema("sdk/wire/reading.schema.json"))
        assert document["agent"] == "stor-01"
        assert document["value"].isdigit()
    table = running.tallyman("readings").stdout
    assert "netif_receive_bytes_total" in table and 'interface="lo"' in table


def test_records_follow_their_schema(running):
    """Given released periods, then every event on the bus is valid, and the period event agrees."""
    wait_for("a period record", lambda: [
        e for e in running.events() if e["type"] == "tallyman.usage.period.v1" and "subject" not in e])
    for event in running.events():
        jsonschema.validate(event, schema("rater/schema/usage-record.schema.json"))
    ids = [event["id"] for event in running.events()]
    assert len(ids) == len(set(ids))


def test_status_check(running):
    """Given all well, then status --check exits 0; given no agent, then 1 and one line."""
    wait_for("health", lambda: running.tallyman("status", "--check").returncode == 0)
    assert running.agent.stop() == 0
    gone = running.tallyman("status", "--check")
    assert gone.returncode == 1 and len(gone.stdout.splitlines()) == 1
    assert "no daemon listens here" in gone.stdout


def test_follow_on_a_pipe(running):
    """Given status -f on a pipe, then a killed plugin host shows as one plain line per event."""
    pid = running.plugin_status("netif")["pid"]
    follow = subprocess.Popen([BUILD / "bin/tallyman", "--socket", running.agent_socket, "status", "-f"],
                              stdout=subprocess.PIPE, text=True)
    try:
        assert "netif running" in follow.stdout.readline()
        os.kill(pid, signal.SIGKILL)
        for line in follow.stdout:
            assert "\x1b" not in line
            if "signal 9" in line:
                break
        else:
            pytest.fail("no event named the kill")
    finally:
        follow.kill()
        follow.wait()


def test_plugin_list(running):
    """Given a running agent, then plugin list shows instances and what else is installed."""
    table = running.tallyman("plugin", "list").stdout
    assert "netif" in table and "running" in table
    assert "counter" in table and "available" in table


def test_rater_commands(running):
    """Given a running rater, then status and usage answer in words and in JSON."""
    status = json.loads(running.rater_command("status", "--json").stdout)
    assert status["agents"][0]["agent"] == "stor-01"
    assert "stor-01" in running.rater_command("status").stdout
    usage = wait_for("running figures", lambda: (
        (a := running.rater_command("usage", "loop")).returncode == 0 and "transfer" in a.stdout and a))
    assert "loop" in usage.stdout
    json.loads(running.rater_command("usage", "--json").stdout)


def test_sigterm_and_sighup(running):
    """Given SIGHUP with a new plugin file, then it runs; with a broken one, then the old goes on and
    status says so; given SIGTERM, then both end with 0."""
    running.plugin("counter")
    running.agent.process.send_signal(signal.SIGHUP)
    running.wait_running("counter")
    (running.directory / "plugins.d/counter.toml").write_text("plugin = 5\nbogus = 1\n")
    running.agent.process.send_signal(signal.SIGHUP)
    error = wait_for("the error in status", lambda: running.status()["configuration"].get("error"))
    assert "counter.toml" in error
    assert running.plugin_status("counter")["state"] == "running"
    assert running.agent.stop() == 0, running.agent.tail()
    assert running.rater.stop() == 0, running.rater.tail()


@pytest.mark.parametrize("words", [
    ["tallyman"], ["tallyman", "nonsense"], ["tallyman", "status", "--bogus"],
    ["tallyman-agent"], ["tallyman-agent", "--bogus"], ["tallyman-rater", "nonsense"],
])
def test_wrong_usage(words):
    """Given wrong words, then exit 2 and something on stderr that helps."""
    answer = subprocess.run([BUILD / "bin" / words[0], *words[1:]], capture_output=True, text=True,
                            timeout=PATIENCE)
    assert answer.returncode == 2, answer
    assert answer.stderr.strip()


@pytest.mark.parametrize("program", ["tallyman", "tallyman-agent", "tallyman-rater"])
def test_help_and_version(program):
    """Given --help and --version, then exit 0 and an answer on stdout."""
    for flag in ("--help", "--version"):
        answer = subprocess.run([BUILD / "bin" / program, flag], capture_output=True, text=True,
                                timeout=PATIENCE)
        assert answer.returncode == 0 and answer.stdout.strip(), (program, flag, answer)


def test_wrong_configuration(site):
    """Given several mistakes in several files, then --check and config check name all, and exit 2."""
    site.configure_agent()
    site.configure_rater()
    site.catalogue()
    site.plugin("netif")
    agent_toml = site.directory / "agent.toml"
    agent_toml.write_text(agent_toml.read_text() + "\nseal_aftr = \"5s\"\n")
    (site.directory / "plugins.d/netif.toml").write_text('plugin = "netif"\ninterval = 5\n')
    for command in ([BUILD / "bin/tallyman-agent", "--config", agent_toml, "--check"],
                    [BUILD / "bin/tallyman", "config", "check", agent_toml]):
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        assert answer.returncode == 2, answer
        assert "agent.toml:" in answer.stderr and "`seal_after`" in answer.stderr
        assert "netif.toml:2:12" in answer.stderr
    catalogue = site.directory / "catalogue.toml"
    catalogue.write_text(catalogue.read_text().replace('plan = "basic"', 'plan = "basci"'))
    answer = subprocess.run([BUILD / "bin/tallyman-rater", "--config", site.directory / "rater.toml",
                             "--check"], capture_output=True, text=True, timeout=PATIENCE)
    assert answer.returncode == 2 and "catalogue.toml:" in answer.stderr and "basci" in answer.stderr


def test_import(site):
    """Given readings as JSON lines, then import bills them exactly; a second time changes nothing."""
    site.configure_rater(automatic=False)
    site.catalogue(period="10s", customers=(("acme", {"interface": "eth9"}),))
    site.start_rater()
    wait_for("the rater", lambda: site.rater_command("status").returncode == 0)
    lines = []
    for second, value in enumerate((100, 150, 1150, 1150, 2**53 + 1)):
        lines.append(json.dumps({
            "agent": "old-01", "plugin": "netif", "instance": "netif", "source": "host:old-01",
            "metric": "netif_transmit_bytes_total", "kind": "counter", "unit": "bytes",
            "labels": {"ifindex": "3"}, "info": {"interface": "eth9"}, "epoch": "7",
            "value": str(value), "time": f"2026-11-20T08:00:0{second}.000000000Z"}))
    file = site.directory / "old.jsonl"
    file.write_text("\n".join(lines) + "\n")
    for _ in range(2):
        answer = site.rater_command("import", str(file), "--why", "a try")
        assert answer.returncode == 0, answer
    bad = site.directory / "bad.jsonl"
    bad.write_text(lines[0] + "\n{\"agent\":5}\nnonsense\n")
    answer = site.rater_command("import", str(bad), "--why", "a try")
    assert answer.returncode == 1 and "bad.jsonl:2" in answer.stderr and "bad.jsonl:3" in answer.stderr
    period = "2026-11-20T08:00:00Z/10s"
    for command in ("close", "review", "release"):
        why = [] if command == "review" else ["--why", "history"]
        answer = site.rater_command(command, period, *why)
        assert answer.returncode == 0, answer
    record = site.record_of("acme", seconds_of("2026-11-20T08:00:00Z"))
    # The first value has no known start: a baseline. The rest is exact, beyond what a double holds.
    assert record["exact"]["billed"] == str(2**53 + 1 - 100)
