"""People's decisions over the command line, and a rater that is killed in the middle of them."""
import collections
import datetime
import fractions
import json
import os
import random
import subprocess
import threading

from harness import BUILD, PATIENCE, wait_for

MORE = 10 if os.environ.get("TALLYMAN_FULL") else 1
BEGIN = "2026-11-20T08:00:"
JUMP = 10**9  # bytes in a second, where 10 Mbit/s are possible
JUMPS = (3, 14, 25, 36, 47)


def import_seconds(site, seconds, agent="old-01", step=100, jumps=()):
    """A counter that grows by `step` each second, from 08:00:00 on, as a file that was imported; in the
    seconds of `jumps` by what its line cannot carry."""
    lines = [json.dumps({
        "agent": agent, "plugin": "netif", "instance": "netif", "source": "host:old-01",
        "metric": "netif_transmit_bytes_total", "kind": "counter", "unit": "bytes",
        "labels": {"ifindex": "3"}, "info": {"interface": "eth9", "speed": "10"}, "epoch": "7",
        "value": str(1000 + step * s + JUMP * sum(j < s for j in jumps)),
        "time": f"{BEGIN}{s:02d}.000000000Z"}) for s in range(seconds)]
    file = site.directory / f"{agent}.jsonl"
    file.write_text("\n".join(lines) + "\n")
    answer = site.rater_command("import", str(file), "--why", "a dump")
    assert answer.returncode == 0, answer


def start(site):
    site.start_rater()
    wait_for("the rater", lambda: site.rater_command("status").returncode == 0)


def with_price(site, price):
    """A catalogue beside the configured one, with another price."""
    text = (site.directory / "catalogue.toml").read_text()
    assert 'price = "0.01"' in text
    file = site.directory / f"price-{price}.toml"
    file.write_text(text.replace('price = "0.01"', f'price = "{price}"'))
    return file


def document(site, *words):
    answer = site.rater_command(*words, "--json")
    assert answer.returncode == 0, answer
    return json.loads(answer.stdout)


def verified(site):
    answer = subprocess.run([BUILD / "bin/tallyman-rater", "verify", "--ledger", site.directory / "ledger.db",
                             "--json"], capture_output=True, text=True, timeout=PATIENCE)
    assert answer.returncode == 0, answer
    return json.loads(answer.stdout)


def test_a_catalogue_by_command(site):
    """Given catalogues on the command line, then mistakes come back with their place and exit 2, a
    reason is wanted, a diff changes nothing, and what is applied is in the log and in the chain."""
    site.configure_rater(automatic=False)
    site.catalogue(period="10s", customers=(("acme", {"interface": "eth9"}),))
    start(site)
    import_seconds(site, 25)
    period = f"{BEGIN}00Z/10s"
    assert site.rater_command("close", period).returncode == 2
    assert site.rater_command("close", period, "--why", " ").returncode == 2
    for command in ("close", "release"):
        assert site.rater_command(command, period, "--why", "the first one").returncode == 0

    broken = site.directory / "broken.toml"
    broken.write_text(with_price(site, "0.02").read_text().replace('unit = "MB"', 'unit = "XB"'))
    answer = site.rater_command("catalogue", "apply", str(broken), "--why", "a try")
    assert answer.returncode == 2 and "broken.toml:" in answer.stderr and "XB" in answer.stderr
    assert site.rater_command("catalogue", "apply", str(site.directory / "none.toml"), "--why",
                              "x").returncode == 2

    dearer = with_price(site, "0.02")
    changes = document(site, "catalogue", "diff", str(dearer))["changes"]
    assert changes and changes[0]["period"] == period and changes[0]["customer"] == "acme"
    refused = site.rater_command("catalogue", "apply", str(dearer), "--why", "dearer")
    assert refused.returncode == 1 and "--adjust" in refused.stderr
    assert len(document(site, "catalogue", "log")["versions"]) == 1
    applied = document(site, "catalogue", "apply", str(dearer), "--adjust", "--why", "a typing error")
    assert applied["changed"]
    assert len(document(site, "catalogue", "log")["versions"]) == 2
    adjusted = wait_for("the adjustment", lambda: document(site, "review", period)["adjustments"])
    assert adjusted[0]["state"] == "draft" and adjusted[0]["revision"] == 2
    assert site.rater_command("release", period, "--why", "told the customer").returncode == 0
    wait_for("the adjustment on the bus", lambda: any(
        event["type"] == "tallyman.usage.adjustment.v1" for event in site.events()))

    log = document(site, "audit", "log")
    assert [d["kind"] for d in log["decisions"]] == [
        "catalogue apply", "import", "close", "release", "catalogue apply", "release"]
    assert log["decisions"][4]["why"] == "a typing error"
    assert log["decisions"][4]["uid"] == os.getuid()
    assert site.rater_command("audit", "log").stdout.count("catalogue apply") == 2
    assert verified(site)["decision_hash"] == log["head"]["hash"]


def test_a_retired_agent(site):
    """Given an agent that is gone for good, then a period waits for it until a person retires it, with a
    reason that stands in the chain; brought back by a decision, it is awaited again."""
    site.configure_agent(seal_after="200ms")
    site.configure_rater(grace="10h")
    site.catalogue(period="2s")
    site.plugin("netif")
    site.start()
    wait_for("a period to close", site.events)
    assert site.agent.stop() == 0, site.agent.tail()

    def ended():
        return [p for p in document(site, "periods")["periods"] if p["state"] == "ended" and p["awaited"]]

    wait_for("a period that waits for it", ended)
    waiting = ended()[0]
    assert waiting["awaited"] == ["stor-01"]
    assert site.rater_command("agent", "retire", "stor-01").returncode == 2
    assert site.rater_command("agent", "retire", "stor-09", "--why", "sold").returncode == 1
    assert not document(site, "agent", "retire", "stor-01", "--why", "sold").get("error")
    wait_for("the period to be published", lambda: any(
        event["data"]["key"]["period"]["id"] == waiting["id"] for event in site.events()))
    assert document(site, "agent", "move", "stor-01", "--why", "bought back")
    wait_for("a period that waits for it again", ended)
    kinds = [(d["kind"], d["why"]) for d in document(site, "audit", "log")["decisions"]]
    assert ("agent retire", "sold") in kinds and ("agent move", "bought back") in kinds
    assert verified(site)["damages"] == 0


def decided(site, chance, periods, prices, record):
    """What a person might want, and whether the same said twice is one decision."""
    period, second = chance.choice(periods), chance.randrange(50)
    from_to = f"{BEGIN}{second:02d}Z", f"{BEGIN}{second + 3:02d}Z"
    anomalies = json.loads(site.rater_command("anomaly", "ls", "--json").stdout or '{"anomalies": []}')
    ids = [a["id"] for a in anomalies["anomalies"]] or ["0" * 64]
    return chance.choice([
        (["close", period], False), (["release", period], False), (["release"], False),
        (["catalogue", "apply", str(chance.choice(prices)), "--adjust"], True),
        (["waive", "acme", *from_to], True), (["waive", "acme", *from_to, "--withdraw"], True),
        (["anomaly", "accept", chance.choice(ids)], True),
        (["anomaly", "reject", chance.choice(ids)], True),
        (["correct", record(period), "--quantity", f"{chance.randrange(9)}.5"], True),
        (["correct", record(period), "--withdraw"], True)])


def billed_by(log, seconds):
    """By period: the quantity in MB that the decisions of the log leave of the imported seconds."""
    accepted, waived, corrected = set(), set(), {}
    for entry in log:
        what = entry["what"]
        if entry["kind"].startswith("anomaly "):
            change = accepted.add if entry["kind"] == "anomaly accept" else accepted.discard
            change(int(what["from"]))
        elif entry["kind"] == "waive":
            change = waived.discard if what["withdraw"] else waived.add
            change((int(what["from"]), int(what["to"])))
        elif entry["kind"] == "correct":
            corrected[what["period"]] = what["quantity"]
    begin = int(datetime.datetime.fromisoformat(f"{BEGIN}00+00:00").timestamp())
    out = collections.Counter()
    for s in range(seconds):
        at = (begin + s) * 10**9
        if any(a <= at < b for a, b in waived):
            continue
        out[f"{BEGIN}{s // 10}0Z/10s"] += 100 if s not in JUMPS else (JUMP + 100) * (at in accepted)
    return {period: fractions.Fraction(corrected.get(period) or fractions.Fraction(out[period], 10**6))
            for period in {*out, *corrected}}


def newest(events):
    """By period: what was published last of acme's transfer."""
    out = {}
    for event in events:
        data = event["data"]
        if data["key"].get("meter") == "transfer" and data["key"]["customer"] == "acme":
            figures = data["new"] if "new" in data else data
            out[data["key"]["period"]["id"]] = max(
                out.get(data["key"]["period"]["id"], (0, 0)),
                (data["revision"], fractions.Fraction(figures["quantity"]["billed"])))
    return {period: quantity for period, (_, quantity) in out.items()}


def test_killed_while_people_decide(site):
    """Given a rater killed with SIGKILL at random moments of closes, releases, decisions on anomalies,
    waivers, corrections and new catalogues, and people who say everything twice, then the ledger
    verifies, each decision is there once or not at all, one that was answered is there, what is billed
    is what those that are there say, nothing is half-published, and no record or adjustment goes out
    twice or in two versions."""
    site.configure_rater(automatic=False)
    site.catalogue(period="10s", customers=(("acme", {"interface": "eth9"}), ("zeta", {"interface": "eth8"})))
    start(site)
    import_seconds(site, 55, jumps=JUMPS)
    chance, moments = random.Random(20261123), random.Random(5)
    prices = [with_price(site, f"0.0{n}") for n in range(2, 8)]
    periods = [f"{BEGIN}{n}0Z/10s" for n in range(5)]
    for command in ("close", "release"):
        assert site.rater_command(command, periods[0], "--why", "the first").returncode == 0
    assert len(document(site, "anomaly", "ls")["anomalies"]) == len(JUMPS)
    over = threading.Event()
    once, answered = set(), set()

    def record(period):
        answer = site.rater_command("records", period, "--json")
        events = json.loads(answer.stdout)["records"] if answer.returncode == 0 else []
        return next((e["id"] for e in events if e["data"]["key"].get("customer") == "acme"), "0" * 64)

    def decide():
        n = 0
        while not over.is_set():
            n += 1
            words, repeatable = decided(site, chance, periods, prices, record)
            # Whether it was done, refused or broken off: the ledger must be whole.
            done = [site.rater_command(*words, "--why", f"decision {n}").returncode == 0
                    for _ in range(2)]
            if repeatable:
                once.add(f"decision {n}")
            if any(done) and words[0] in ("anomaly", "waive", "correct"):
                answered.add(f"decision {n}")

    people = threading.Thread(target=decide)
    people.start()
    for _ in range(20 * MORE):
        over.wait(moments.uniform(0.02, 0.4))
        site.rater.kill()
        start(site)
    over.set()
    people.join()
    for period in periods:
        site.rater_command("close", period, "--why", "at the end")
        site.rater_command("release", period, "--why", "at the end")

    def nothing_left():
        site.rater_command("release", "--why", "at the end")
        adjustments = document(site, "status")["billing"]["adjustments"]
        return adjustments["due"] == 0 and adjustments["drafts"] == 0

    wait_for("nothing to be due", nothing_left)
    wait_for("the outbox to be empty", lambda: document(site, "outbox", "ls")["waiting"] == 0)
    log = document(site, "audit", "log")["decisions"]
    assert site.rater.stop() == 0, site.rater.tail()
    report = verified(site)
    assert report["damages"] == 0 and report["decisions"] == len(log)

    whys = collections.Counter(entry["why"] for entry in log)
    assert [why for why in once if whys[why] > 1] == []
    assert [why for why in answered if whys[why] != 1] == []
    wanted = billed_by(log, 50)
    assert newest(site.events()) == {period: wanted[period] for period in periods}
    published_whole(site.events())


def published_whole(events):
    """Nothing twice, nothing in two versions, and each round with as many records as it says."""
    ids = [event["id"] for event in events]
    assert len(ids) == len(set(ids)), "an event went out twice"
    seen = {}
    for event in events:
        key = event["data"]["key"]
        which = (key.get("customer"), key.get("meter"), key["period"]["id"], event["data"]["revision"])
        assert which not in seen, f"two versions of {which}"
        seen[which] = event
    for event in events:
        if event["type"] != "tallyman.usage.adjustment.v1":
            continue
        assert event["data"]["previous"] in ids and event["data"]["original"] in ids
    for period, revision in {which[2:] for which in seen}:
        count = seen[(None, None, period, revision)]["data"]["records"]
        records = [w for w in seen if w[2:] == (period, revision) and w[1] is not None]
        assert len(records) == count, "a round is half-published"
