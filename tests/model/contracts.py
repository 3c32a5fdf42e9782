"""The contracts of a random history: meters, plans, customers, and whose resources are whose."""
import datetime
import zoneinfo

from catalogue import EVER, FOR_EVER, SECOND, Catalogue, instant, is_level

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
MISSING = ["exclude", "zero", "spread", None]
DIRECTIONS = ["max_of_p95", "p95_of_sum", "p95_of_max", "out", "in"]


def make(r, plan, things):
    """A catalogue, as the loader's TOML."""
    found = meters(r, {t.series["metric"] for t in things})
    # Plans that follow each other are of one currency and one rounding.
    money = r.choice([None, "EUR", "JPY"]), r.choice([None, "half_up", "half_even", "up", "down"])
    plans = [make_plan(r, name, found, *money) for name in ("gold", "tin")]
    customers = [customer(r, plan, id) for id in ["a", "b", "c"][:r.choice([1, 2, 2, 3])]]
    resources = []
    for match in matches(r, things):
        resources += claims(r, plan, match, customers, plans, found)
    return text({"currency": r.choice(["EUR", "EUR", "JPY", "KWD"]),
                 "billing": {"period": plan.period, "time_zone": plan.zone},
                 "meter": found, "plan": plans, "customer": customers, "resource": resources})


def meters(r, there):
    """Every kind of meter of what there is to be metered."""
    kinds = (["volume", "p95", "p95"] * bool(there & {"rx_bytes_total", "tx_bytes_total"})
             + ["held"] * ("bucket_bytes" in there) + ["rgw"] * ("rgw_sent_bytes_total" in there))
    return [drop({"id": f"m{n}", **meter(r, r.choice(kinds))}) for n in range(r.randrange(1, 5))]


def meter(r, kind):
    out = {"volume": volume, "rgw": rgw, "p95": rate, "held": held}[kind](r)
    if is_level(out):
        out["plan_change"] = r.choice([None, "segments", "whole"])
    if out["measure"] in ("p95", "peak"):
        out["aggregate"] = r.choice([None, "sum", "each"])
    if r.random() < 0.3:
        out["increment"] = r.choice([decimal(r, 10) + "1", "1"])
    if r.random() < 0.2:
        out["minimum"] = r.choice([f"0.0{1 + r.randrange(10**5)}", str(1 + r.randrange(19))])
    if r.random() < 0.2:
        out["cap"] = str(20 + r.randrange(1000))
    return out


def volume(r):
    return {"measure": "volume", "in": "rx_bytes_total", "out": "tx_bytes_total",
            "direction": r.choice(["sum", "in", "out", None]),
            "unit": r.choice(["B", "kB", "MB", "GB", "GiB", "TB", "PiB"])}


def rgw(r):
    measure = r.choice(["volume", "volume", "p95"])
    return {"measure": measure, "out": "rgw_sent_bytes_total", "direction": "out",
            "unit": "MiB" if measure == "volume" else "kbit/s"}


def rate(r):
    return {"measure": "p95", "in": "rx_bytes_total", "out": "tx_bytes_total",
            "direction": r.choice([*DIRECTIONS, None]), "missing": r.choice(MISSING),
            "unit": r.choice(["bit/s", "kbit/s", "Mbit/s", "Gbit/s"])}


def held(r):
    measure = r.choice(["time_weighted", "peak", "p95", "daily_snapshot"])
    out = {"measure": measure, "metric": "bucket_bytes",
           "unit": r.choice(["MB", "GB", "GiB", "MiB"]) + "-month" * (measure == "time_weighted")}
    if measure == "time_weighted":
        out["hours"] = r.choice(["actual", "730", None])
    elif measure == "p95":
        out["missing"] = r.choice(MISSING)
    elif measure == "daily_snapshot":
        out["snapshot_hour"] = r.choice([None, 0, 2, 3, r.randrange(24)])
    if r.random() < 0.3:
        out["bytes"], out["copies"] = "replicated", r.choice([None, "3", "1.5"])
    return out


def make_plan(r, name, found, currency, rounding):
    items = [m for m in found if r.random() < 0.8 or m is found[0]]
    return drop({"id": name, "currency": currency, "rounding": rounding,
                 "item": [item(r, m) for m in items]})


def item(r, of):
    out = {"meter": of["id"],
           "allowance": r.choice(["0", decimal(r, 10), "0.000001", decimal(r, 1000)])}
    pricing = r.choice([None, None, "flat", "graduated", "volume", "package"])
    if pricing in ("graduated", "volume"):
        bounds = sorted({r.randrange(1, 2000) for _ in range(r.randrange(3))})
        out["tier"] = [{"up_to": str(b), "price": decimal(r, 5)} for b in bounds]
        out["tier"].append({"price": decimal(r, 5)})
    elif pricing == "package":
        out.update(package=r.choice(["1", "100", "0.5"]), price=decimal(r, 10))
    else:
        out["price"] = decimal(r, 10) if pricing else r.choice([None, decimal(r, 10), "0.000123456"])
    return drop({**out, "pricing": pricing})


def decimal(r, top):
    return str(r.randrange(top)) + r.choice(["", ".5", f".{r.randrange(10**6):06}"])


def customer(r, plan, id):
    since, until = part(r, plan, 0.2)
    out = {"id": id, "from": since, "to": until}
    if plan.period == "month":
        out["time_zone"] = r.choice([None, None, *ZONES])
        if r.random() < 0.3:
            out["anchor_day"], out["anchor_hour"] = r.choice([1, 15, 31]), r.choice([None, 2, 6])
    first, then = r.choice([("gold", "tin"), ("tin", "gold")])
    change = moment(r, plan)
    within = (not since or since < change) and (not until or change < until)
    if r.random() < 0.5 or not within:
        return drop({**out, "plan": first})
    return drop({**out, "plans": [{"plan": first}, {"plan": then, "from": change}]})


# ---- whose resources are whose


def matches(r, things):
    """Selectors of which none lies within another one: the loader would refuse two claims of that
    kind. By info labels they may meet all the same, and are then billed to nobody."""
    if r.random() < 0.6:
        out = [{**t.series["labels"], "source": t.series["source"], "metric": t.series["metric"]}
               for t in things if r.random() < 0.8]
    else:
        out = [r.choice([{"metric": "*"}, {"source": "*"}, {"source": "[ch]*"}, {"metric": "*_bytes*"}])]
    with_source = len(out[0]) > 1 and r.random() < 0.5 if out else True
    for thing in r.sample(things, r.choice([0, 0, 1, 2]) % (len(things) + 1)):
        info = {k: v for k, v in thing.labels.items() if k in ("interface", "owner")}
        out.append({**info, "source": thing.series["source"]} if with_source else info)
    return [m for n, m in enumerate(out) if m not in out[:n]][:8]


def claims(r, plan, match, customers, plans, found):
    """Resources of that match: one, or two where it moves from one customer to another."""
    able = [c for c in customers if reads(c, match, plans, found)]
    if not able:
        return []
    a, b = r.choice(able), r.choice(able)
    if r.random() < 0.4:
        at = moment(r, plan)
        late = max(at, moment(r, plan)) if r.random() < 0.2 else at
        out = [resource(a, match, to=at), resource(b, match, since=late)]
    else:
        since, until = part(r, plan, 0.2)
        out = [resource(a, match, since, until)]
    return [c for c in out if meets(c, a if c["customer"] == a["id"] else b)]


def resource(of, match, since=None, to=None):
    return drop({"customer": of["id"], "from": since, "to": to, "match": match})


def reads(of, match, plans, found):
    """Whether a plan of the customer meters what the match takes: else the claim is a mistake."""
    if "*" in match.get("metric", "*"):
        return True
    names = [p["plan"] for p in of["plans"]] if "plans" in of else [of["plan"]]
    metered = {i["meter"] for p in plans if p["id"] in names for i in p["item"]}
    return any(match["metric"] in Catalogue.metrics_of(Catalogue.meter(m))
               for m in found if m["id"] in metered)


def meets(claim, of):
    spans = [(instant(x["from"]) if "from" in x else EVER, instant(x["to"]) if "to" in x else FOR_EVER)
             for x in (claim, of)]
    return max(s[0] for s in spans) < min(s[1] for s in spans)


def moment(r, plan, zone="UTC"):
    """An instant within the history, seldom on a slot's boundary, in some zone's words."""
    ns = plan.begin + r.randrange(plan.end - plan.begin)
    ns = ns // plan.slot * plan.slot if r.random() < 0.4 else ns // SECOND * SECOND
    return datetime.datetime.fromtimestamp(ns // SECOND, zoneinfo.ZoneInfo(zone))


def part(r, plan, chance):
    since = moment(r, plan, r.choice(ZONES)) if r.random() < chance else None
    until = moment(r, plan) if r.random() < chance else None
    return (since, None) if since and until and since >= until else (since, until)


# ---- TOML


def drop(table):
    return {k: v for k, v in table.items() if v is not None}


def text(table, path=""):
    """A table and what is below it: plain values first."""
    out = [f"{k} = {plain(v)}" for k, v in table.items() if not isinstance(v, (dict, list))]
    for name, below in table.items():
        here = f"{path}{name}"
        if isinstance(below, dict):
            out += [f"[{here}]", text(below, here + ".")]
        elif isinstance(below, list):
            for each in below:
                out += [f"[[{here}]]", text(each, here + ".")]
    return "\n".join(out)


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return str(value) if isinstance(value, int) else f'"{value}"'
