"""A released period comes out of the raw log again, byte for byte, whatever happened to the rater."""
import json
import shutil
import sqlite3
import subprocess

import pytest

from harness import BUILD, PATIENCE, wait_for


@pytest.fixture
def metered(site):
    site.configure_agent()
    site.configure_rater()
    site.catalogue(period="2s", customers=(("loop", {"interface": "lo"}),), measure="p95", direction="sum")
    text = (site.directory / "catalogue.toml").read_text()
    (site.directory / "catalogue.toml").write_text(
        text.replace('unit = "MB"', 'unit = "kbit/s"').replace('"sum"', '"max_of_p95"'))
    site.plugin("netif", exclude=[])
    site.start()
    site.wait_running("netif")
    return site


def replay(ledger, *words):
    """Asks the ledger's file alone."""
    return subprocess.run([BUILD / "bin/tallyman-rater", "replay", "--ledger", ledger, *words],
                          capture_output=True, text=True, timeout=PATIENCE)


def released(site):
    return [p["id"] for p in json.loads(site.rater_command("periods", "--json").stdout)["periods"]
            if p["state"] == "released"]


def test_every_released_period_replays(metered):
    """Given a running rater, killed with -9 on the way, then each of its periods replays identically."""
    wait_for("two released periods", lambda: len(released(metered)) >= 2)
    metered.rater.kill()
    metered.start_rater()
    wait_for("the rater", lambda: metered.rater_command("status").returncode == 0)
    before = len(released(metered))
    wait_for("two more", lambda: len(released(metered)) >= before + 2)
    ledger = metered.directory / "ledger.db"
    for period in released(metered):
        answer = replay(ledger, period)
        assert answer.returncode == 0, answer
        assert "byte-identical" in answer.stdout and len(answer.stdout.splitlines()) == 1


def test_late_readings_leave_a_period_as_it_was(metered):
    """Given readings imported into a released period, then it replays as it was released."""
    period = wait_for("a released period", lambda: released(metered))[0]
    start = period.split("/")[0].replace("Z", ".{}00000000Z")
    lines = [json.dumps({
        "agent": "old-01", "plugin": "netif", "instance": "netif", "source": "host:old-01",
        "metric": "netif_transmit_bytes_total", "kind": "counter", "unit": "bytes",
        "labels": {"ifindex": "1"}, "info": {"interface": "lo"}, "epoch": "7",
        "value": str(10 ** 9 * n), "time": start.format(n)}) for n in (1, 5, 9)]
    file = metered.directory / "late.jsonl"
    file.write_text("\n".join(lines) + "\n")
    assert metered.rater_command("import", str(file), "--why", "late").returncode == 0
    answer = replay(metered.directory / "ledger.db", period, "--json")
    assert answer.returncode == 0, answer
    assert json.loads(answer.stdout)["identical"]


def test_a_changed_record_is_told(metered):
    """Given a copy of the ledger with one record changed, then replay shows the field, and exits 1."""
    period = wait_for("a released period", lambda: released(metered))[0]
    metered.rater.stop()
    copy = metered.directory / "copy.db"
    shutil.copy(metered.directory / "ledger.db", copy)
    with sqlite3.connect(copy) as db:
        db.execute("UPDATE record SET body = replace(body, '\"plan\":\"basic\"', '\"plan\":\"gold\"')"
                   " WHERE period = ? AND meter != ''", (period,))
    answer = replay(copy, period)
    assert answer.returncode == 1, answer
    assert '- "gold"' in answer.stdout and '+ "basic"' in answer.stdout and "/data/plan" in answer.stdout
    assert replay(copy, "2001-01").returncode == 1
    assert replay(metered.directory / "rater.toml").returncode == 2
