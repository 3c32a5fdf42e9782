"""Holds what the rater made of histories against what the model makes of them."""
import json
import subprocess

import catalogue as cat
import claims
import rating
from decisions import Decisions, runs

NOTHING_THERE = "the period is before the first one, and nothing was metered in it"


def rate(driver, histories):
    """What the rater says of each, from one process."""
    text = "".join(json.dumps(h) + "\n" for h in histories)
    done = subprocess.run([driver], input=text, capture_output=True, text=True, check=False)
    out = [json.loads(line) for line in done.stdout.splitlines()]
    if len(out) != len(histories):
        seed = histories[len(out)]["seed"]
        out.append({"error": f"the driver ended at seed {seed} ({done.returncode}): {done.stderr}"})
    return out


def wanted(history, period, agents, decisions):
    """The model's answer for one period, in the shape that found() brings the rater's into."""
    found = rating.Rating(history, period, agents, decisions)
    anomalies = []
    begin, end = found.catalogue.bounds(period)
    for agent in agents.values():
        for name, number, a, b, value in agent.anomalies:
            if a < end and b > begin:
                text = claims.series_text(history["series"][number])
                anomalies.append([name, text, a, b, value])
        for view, a, b, value, _ in runs(agent):
            if a < end and b > begin:
                anomalies.append([agent.name, claims.series_text(history["series"][view.series]), a, b, value])
    for each in next(iter(agents.values())).disagreements if agents else ():
        a, b = each.first * history["slot"], each.end * history["slot"]
        if a < end and b > begin:
            text = claims.series_text(history["series"][each.series])
            anomalies.append([each.counts.agent, text, a, b, each.excess])
    return {"records": found.records(), "anomalies": sorted(anomalies),
            "unattributed": {f"{metric} of {source}": [amount, count] for (metric, source),
                             (amount, count) in sorted(found.found.unattributed.items())}}


def record_of(data):
    """A record's figures, under the model's names."""
    key = data["key"]
    out = {"customer": key["customer"], "meter": key["meter"],
           "period": [key["period"]["start"], key["period"]["end"]],
           "exact_unit": data["exact"]["unit"], **figures_of(data)}
    for name in ("measure", "coverage", "estimated", "series", "closed_without", "problems"):
        out[name] = data[name]
    for name in ("amount", "amount_low", "amount_high", "remainder", "currency", "rounding", "price"):
        if name in data:
            out[name] = data[name]
    if "waived" in data:
        out["waived"] = [data["waived"]["amount"], data["waived"]["share"]]
    if "correction" in data:
        out["correction"] = [data["correction"]["computed"], data["correction"]["decision"]]
    out["segments"] = [segment_of(s) for s in data["segments"]]
    return out


def figures_of(data):
    out = {"plan": data["plan"], "active": [data["active"]["start"], data["active"]["end"]]}
    for name in ("exact", "measured", "quantity"):
        out[name] = [data[name]["billed"], data[name]["low"], data[name]["high"]]
    slots = data.get("slots")
    out["slots"] = slots and {"held": slots["held"], "missing": slots["missing"]}
    out["allowance"], out["overuse"] = data["allowance"], data["overuse"]
    return out


def segment_of(data):
    out = {"share": data["share"], **figures_of(data),
           "rules": [[s["rule"], s["value"], s["before"], s["after"]] for s in data["rules"]]}
    if "pricing" in data:
        out["pricing"], out["amount"] = data["pricing"], data["amount"]
        out["tiers"] = [[t["quantity"], t["price"], t["amount"]] for t in data["tiers"]]
    return out


def found(period):
    anomalies = [[a["agent"], a["series"], cat.nanoseconds(a["from"]), cat.nanoseconds(a["to"]),
                  int(a["value_at_risk"])] for a in period["anomalies"]]
    return {"records": [record_of(r) for r in period["records"] if "meter" in r["key"]],
            "anomalies": sorted(anomalies),
            "unattributed": {f'{u["metric"]} of {u["source"]}': [int(u["amount"]), u["series"]]
                             for u in period["unattributed"]}}


def differences(got, want, path=""):
    """Lines "where: rater says …, model says …"."""
    if isinstance(got, dict) and isinstance(want, dict):
        keys = list(dict.fromkeys([*want, *got]))
        return [d for k in keys for d in differences(got.get(k), want.get(k), f"{path}/{k}")]
    if isinstance(got, list) and isinstance(want, list) and len(got) == len(want):
        names = [f"{path}/{g['customer']}.{g['meter']}" if "customer" in g else f"{path}/{i}"
                 for i, g in enumerate(got)] if got and isinstance(got[0], dict) else [
            f"{path}/{i}" for i in range(len(got))]
        return [d for n, g, w in zip(names, got, want) for d in differences(g, w, n)]
    return [] if got == want else [f"{path}: the rater says {got}, the model {want}"]


def problems(history, answer):
    """All that is wrong with the rater's answer; empty when it is what the model says."""
    if "error" in answer:
        return [answer["error"]]
    out = [f"another order: {answer['differs']}"] if answer["differs"] else []
    agents = rating.fold(history)
    decisions = Decisions(answer["decisions"])
    out += [f"accepted is what is no anomaly: {what}"
            for what in decisions.accept(agents, history["series"], history["slot"])]
    for period, got in answer["periods"].items():
        if "error" in got:
            if NOTHING_THERE not in got["error"]:
                out.append(f"{period}: {got['error']}")
            continue
        out += differences(found(got), wanted(history, period, agents, decisions), period)
    return out
