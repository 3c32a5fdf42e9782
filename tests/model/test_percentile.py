"""The p95 against rrdtool's VDEF PERCENT, and the tables of the rules.

Where the two define it alike. The rater bills the k-th of N values, ascending, k = ceil(0.95 N): the
lowest that 95 % of the values are at or below, as rrdgraph_rpn(1) says of PERCENT. rrdtool itself
takes the value at round(0.95 (N - 1)) + 1: the same for N mod 20 of 0 to 11, one rank lower for 12 to
19 (8352, a leap February, is one: 94.995 % are at or below what it says).
"""
import json
import random
import subprocess

import pytest

import measures
from catalogue import SECOND, month_start, text_of

SLOT = 300 * SECOND
CATALOGUE = """
currency = "EUR"
[billing]
period = "month"
time_zone = "{zone}"
[[meter]]
id = "burst"
measure = "p95"
out = "tx_bytes_total"
direction = "out"
missing = "{missing}"
unit = "bit/s"
[[plan]]
id = "p"
[[plan.item]]
meter = "burst"
allowance = "0"
[[customer]]
id = "c"
plan = "p"
[[resource]]
customer = "c"
[resource.match]
source = "host:a"
"""


def month(r, zone, year, number, missing):
    """(history, {slot start: bytes or None}) of one interface polled every slot."""
    start, end = month_start(zone, year, number), month_start(zone, year, number + 1)
    slots, value = {}, 1
    polls = [(start, value)]
    gap_until = 0
    for at in range(start, end, SLOT):
        if r.random() < 0.004:
            gap_until = at + SLOT * r.randrange(3, 40)
        grown = r.randrange(10**9)
        value += grown
        lost = at + SLOT < gap_until and at + SLOT < end
        slots[at] = None if lost or slots_end_gap(polls, at) else grown
        if not lost:
            polls.append((at + SLOT, value))
    series = {"source": "host:a", "shared": False, "metric": "tx_bytes_total", "gauge": False,
              "labels": {"ifindex": "1"}, "info": [], "resolution": 0}
    entries = [{"type": "poll", "instance": "netif", "interval": SLOT, "scheduled": at, "wall": at,
                "boot": at - start + SECOND, "in_time": True, "stepped": False,
                "values": [[0, 7, 0, v, 0]], "ended": []} for at, v in polls]
    batch = {"agent": "a", "life": 1, "kind": "normal", "opened": start, "received": end + SLOT,
             "watermark": end + SLOT, "cuts": 1, "entries": entries}
    history = {"seed": 0, "slot": SLOT, "begin": start, "batches_per_tick": 64, "series": [series],
               "catalogue": CATALOGUE.format(zone=zone, missing=missing),
               "periods": [f"{year}-{number:02}"], "close_at": end + 10 * SLOT,
               "deliveries": [batch], "orders": [[0]]}
    return history, slots


def slots_end_gap(polls, at):
    """Whether the slot that begins here ends an interval longer than two beats."""
    return polls[-1][0] < at - SLOT


def rrdtool(folder, slots, function):
    """Its percentile of bytes a slot, unconsolidated; unknown where there is none."""
    begin = min(slots) // SECOND
    script = [f"create p.rrd --start {begin} --step 300 DS:v:GAUGE:300:U:U RRA:AVERAGE:0:1:9200"]
    updates = [f"{at // SECOND + 300}:{'U' if v is None else v}" for at, v in slots.items()]
    script += ["update p.rrd " + " ".join(updates[i:i + 400]) for i in range(0, len(updates), 400)]
    done = subprocess.run(["rrdtool", "-"], input="\n".join(script) + "\n", cwd=folder, text=True,
                          capture_output=True, check=True)
    assert "ERROR" not in done.stdout, done.stdout
    # Wider than there are slots, so that nothing is consolidated for the picture, which is not made.
    graph = ["rrdtool", "graph", "/dev/null", "--width", "20000", "--start", str(begin), "--end",
             str(max(slots) // SECOND + 300), "DEF:v=p.rrd:v:AVERAGE", f"VDEF:p=v,95,{function}",
             "PRINT:p:%.0lf"]
    done = subprocess.run(graph, cwd=folder, text=True, capture_output=True, check=True)
    return done.stdout.splitlines()[-1]


def billed(driver, history):
    done = subprocess.run([driver], input=json.dumps(history) + "\n", capture_output=True, text=True,
                          check=True)
    record = list(json.loads(done.stdout)["periods"].values())[0]["records"][0]
    return int(record["exact"]["billed"]), record


MONTHS = [("UTC", 2027, 2), ("UTC", 2028, 2), ("UTC", 2026, 4), ("UTC", 2026, 12),
          ("Europe/Berlin", 2026, 3), ("Europe/Berlin", 2026, 10), ("America/New_York", 2026, 11)]


# Given random months at 300 s with gaps, of every length, then the p95 is rrdtool's where both take
# the same rank: unknown slots left out as PERCENTNAN does, or counted lowest as PERCENT does; and
# the next higher value where rrdtool's rank falls short.
@pytest.mark.parametrize("missing,function", [("exclude", "PERCENTNAN"), ("zero", "PERCENT")])
@pytest.mark.parametrize("zone,year,number", MONTHS)
def test_p95_agrees_with_rrdtool(driver, tmp_path, zone, year, number, missing, function):
    r = random.Random(f"{zone} {year} {number}")
    history, slots = month(r, zone, year, number, missing)
    got, record = billed(driver, history)
    values = sorted(v if v is not None else 0 for v in slots.values()
                    if v is not None or missing == "zero")
    assert record["slots"]["held"] == len(slots)
    assert record["slots"]["missing"] == sum(v is None for v in slots.values())
    k = (95 * len(values) + 99) // 100
    assert got == values[k - 1]
    theirs = int(rrdtool(tmp_path, slots, function))
    assert theirs == values[k - 1 if len(values) % 20 <= 11 else k - 2]


# Given the table of the rules, then that many slots a month has, and that many are discarded.
@pytest.mark.parametrize("days,n,discarded", [(28, 8064, 403), (29, 8352, 417), (30, 8640, 432),
                                              (31, 8928, 446)])
def test_table_of_discarded_slots(driver, days, n, discarded):
    year, number = {28: (2027, 2), 29: (2028, 2), 30: (2026, 4), 31: (2026, 12)}[days]
    start = month_start("UTC", year, number)
    assert (month_start("UTC", year, number + 1) - start) // SLOT == n
    history, _ = month(random.Random(0), "UTC", year, number, "exclude")
    # Slot by slot one byte more: what is billed tells its rank.
    grown = list(range(n))
    random.Random(1).shuffle(grown)
    value, values = 0, [0]
    for each in grown:
        value += each
        values.append(value)
    polls = history["deliveries"][0]["entries"]
    history["deliveries"][0]["entries"] = [
        {**polls[0], "scheduled": start + i * SLOT, "wall": start + i * SLOT,
         "boot": i * SLOT + SECOND, "values": [[0, 7, 0, v, 0]]} for i, v in enumerate(values)]
    got, record = billed(driver, history)
    assert record["slots"] == {"length": "5m", "held": n, "missing": 0}
    assert got == n - discarded - 1 == measures.rank(n) - 1
    assert record["exact"]["low"] == record["exact"]["high"] == str(got)


# Given months with a change of daylight saving time, then N is twelve slots off.
@pytest.mark.parametrize("zone,year,number,n", [
    ("Europe/Berlin", 2026, 3, 8916), ("Europe/Berlin", 2026, 10, 8940),
    ("America/New_York", 2026, 3, 8916), ("America/New_York", 2026, 11, 8652),
    ("Australia/Lord_Howe", 2026, 4, 8646), ("Europe/Berlin", 2028, 2, 8352)])
def test_months_of_changed_clocks(driver, zone, year, number, n):
    history, slots = month(random.Random(3), zone, year, number, "zero")
    _, record = billed(driver, history)
    assert record["slots"]["held"] == len(slots) == n
    assert record["key"]["period"]["start"] == text_of(month_start(zone, year, number))
