"""Agents that read one shared source: one of them is billed, and a disagreement waits for a person."""
import json

from harness import wait_for

BEGIN = "2026-11-20T08:00:"
WRONG = range(12, 16)  # seconds in which one of the two tells the tenfold


def import_pool(site, agent, wrong=()):
    """A counter of a cluster, read five times a second for half a minute, as a file: a hundred bytes a
    second, in the seconds of `wrong` a thousand."""
    lines, value = [], 1000
    for tick in range(150):
        lines.append(json.dumps({
            "agent": agent, "plugin": "ceph", "instance": "ceph", "source": "ceph:one",
            "metric": "netif_transmit_bytes_total", "kind": "counter", "unit": "bytes",
            "labels": {"pool": "3"}, "info": {"interface": "eth9"}, "epoch": "7",
            "value": str(value), "time": f"{BEGIN}{tick // 5:02d}.{tick % 5 * 2}00000000Z"}))
        value += 200 if tick // 5 in wrong else 20
    file = site.directory / f"{agent}.jsonl"
    file.write_text("\n".join(lines) + "\n")
    answer = site.rater_command("import", str(file), "--why", "a dump")
    assert answer.returncode == 0, answer


def document(site, *words):
    answer = site.rater_command(*words, "--json")
    assert answer.returncode == 0, answer
    return json.loads(answer.stdout)


def billed(site, period):
    """What a close of the period bills acme, in MB."""
    assert site.rater_command("close", period, "--why", "look at it").returncode == 0
    records = document(site, "records", period)["records"]
    return next(e["data"]["quantity"]["billed"] for e in records
                if e["data"]["key"].get("meter") == "transfer")


def test_witnesses_that_disagree(site):
    """Given two agents that read one cluster and disagree for four seconds, then the lower figure is
    billed and never the sum, the rest is listed with its value at risk, and a person who accepts it
    has it billed."""
    site.configure_rater(automatic=False)
    site.catalogue(period="10s", customers=(("acme", {"interface": "eth9"}),))
    site.start_rater()
    wait_for("the rater", lambda: site.rater_command("status").returncode == 0)
    import_pool(site, "stor-01", WRONG)
    import_pool(site, "stor-02")
    period = f"{BEGIN}10Z/10s"
    assert billed(site, period) == "0.001"

    found = document(site, "anomaly", "ls", "--open")["anomalies"]
    assert {a["agent"] for a in found} == {"stor-02"}
    assert sum(int(a["value_at_risk"]) for a in found) == 900 * len(WRONG)
    for anomaly in found:
        assert "stor-01/ceph read so much more" in anomaly["why"]
        assert f"{BEGIN}12" <= anomaly["from"] < anomaly["to"] <= f"{BEGIN}16.000000000Z", anomaly
    for anomaly in found:
        answer = site.rater_command("anomaly", "accept", anomaly["id"], "--why", "stor-01 was right")
        assert answer.returncode == 0, answer
    assert document(site, "anomaly", "ls", "--open")["anomalies"] == []
    assert billed(site, period) == "0.0046"
    other = f"{BEGIN}00Z/10s"
    assert billed(site, other) == "0.001"
