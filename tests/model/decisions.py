"""People's decisions in the model: waivers, anomalies accepted or rejected, corrected records.

Rules as the head of rater/decisions/decisions.hpp words them. What was decided is read from the
rater's own audit log; what it comes to is worked out here.
"""
import fnmatch
import random

import spans
from catalogue import EVER, FOR_EVER, SECOND, Catalogue


# ---- what the driver is asked to decide


def make(seed, plan, things, catalogue):
    """Decisions for a history, in their order; the driver leaves out what is not there to decide."""
    r = random.Random(f"decisions {seed}")
    if r.random() < 0.4:
        return []
    found = Catalogue(catalogue)
    out, waivers = [], []
    for _ in range(r.choice([0, 1, 1, 2, 4])):
        if waivers and r.random() < 0.2:
            out.append({**waivers.pop(r.randrange(len(waivers))), "withdraw": "yes"})
            continue
        made = waiver(r, plan, things, sorted(found.customers))
        if made not in waivers:
            waivers.append(made)
            out.append(made)
    for _ in range(r.choice([0, 1, 2, 6])):
        out.append({"command": r.choice(["anomaly accept"] * 3 + ["anomaly reject"]),
                    "which": r.randrange(1000)})
    corrected = {}
    for _ in range(r.choice([0, 0, 1, 2, 4])):
        where = r.choice(sorted(found.customers) or [""]), r.choice(sorted(found.meters)), \
            r.choice(plan.periods)
        figure = r.choice(["0", "17", "0.000001", f"{r.randrange(10**9)}.{r.randrange(1, 10**6):06}"])
        if corrected.get(where) and r.random() < 0.3:
            figure = ""
        if corrected.get(where, "") != figure:
            corrected[where] = figure
            out.append({"command": "correct", "customer": where[0], "meter": where[1],
                        "period": where[2], "quantity": figure})
    return out


def waiver(r, plan, things, customers):
    whose = r.choice([*customers, *customers, ""])
    thing = r.choice(things)
    names = {**thing.labels, **thing.series["labels"], "source": thing.series["source"],
             "metric": thing.series["metric"]}
    names = {k: v for k, v in names.items() if v and k != "speed"}
    match = {k: names[k] for k in r.sample(sorted(names), r.choice([0, 1, 1, 2]) % (len(names) + 1))}
    if not whose and not match:
        match = {"metric": "*_total"}
    length = plan.end - plan.begin
    since = plan.begin - length // 10 + r.randrange(length)
    until = since + 1 + r.randrange(r.choice([plan.slot, 4 * plan.slot, 2 * length]))
    step = r.choice([1, SECOND, plan.slot])
    since, until = since // step * step, -(-until // step) * step
    globs = ",".join(f"{escaped(k)}={escaped(v)}" for k, v in sorted(match.items()))
    return {"command": "waive", "from": since, "to": until, "withdraw": "",
            "resource": ":".join(p for p in (escaped(whose), globs) if p)}


def escaped(text):
    return "".join("\\" + c if c in ",:=\\" else c for c in text)


# ---- what they come to


def runs(agent):
    """A gauge that holds more than there is room for at readings without a break is one anomaly:
    [(view, from, to, value, [(from, to, value) of each reading])]. What several counters of it tell of
    one time is never joined."""
    out = []
    for view in {id(view): view for view, *_ in agent.overfull}.values():
        parts = sorted(tuple(part) for other, *part in agent.overfull if other is view)
        alone = [sum(a < end and b > begin for a, b, _ in parts) == 1 for begin, end, _ in parts]
        chains = []
        for part, single in zip(parts, alone):
            if single and chains and chains[-1][0] and chains[-1][1][-1][1] == part[0]:
                chains[-1][1].append(part)
            else:
                chains.append((single, [part]))
        out += [(view, chain[0][0], chain[-1][1], sum(part[2] for part in chain), chain)
                for _, chain in chains]
    return out


class Decisions:
    """All that stands in an audit log; the last word on one thing holds."""

    def __init__(self, log=()):
        self.accepted, self.waivers, self.corrections = {}, {}, {}
        for entry in log:
            what = entry["what"]
            if entry["kind"] == "anomaly accept":
                self.accepted[what["id"]] = what
            elif entry["kind"] == "anomaly reject":
                self.accepted.pop(what["id"], None)
            elif entry["kind"] == "waive":
                key = what["customer"], tuple(sorted(what["match"].items())), what["from"], what["to"]
                self.waivers.pop(key, None)
                if not what["withdraw"]:
                    self.waivers[key] = what
            elif entry["kind"] == "correct":
                key = what["customer"], what["meter"], what["period"]
                self.corrections.pop(key, None)
                if what["quantity"]:
                    self.corrections[key] = what["quantity"], entry["hash"]

    @staticmethod
    def anomalies(agent, slot):
        """All of an agent, and where it has the lowest count of witnesses that disagree."""
        return [tuple(a[1:5]) for a in agent.anomalies] + [
            (view.series, begin, end, value) for view, begin, end, value, _ in runs(agent)] + [
            (d.series, d.first * slot, d.end * slot, d.excess) for d in agent.disagreements
            if d.counts.agent == agent.name]

    def accept(self, agents, series, slot):
        """Gives what was accepted to the views; what no agent has as an anomaly comes back."""
        unknown = []
        for what in self.accepted.values():
            agent = agents[what["agent"]]
            number = next(n for n, s in enumerate(series) if (
                s["source"], "shared" if s["shared"] else "host", s["metric"], s["labels"]) == (
                what["source"], what["scope"], what["metric"], what["labels"]))
            begin, end, value = int(what["from"]), int(what["to"]), int(what["value"])
            if (number, begin, end, value) not in self.anomalies(agent, slot):
                unknown.append(what)
            view = agent.views[what["instance"], number]
            parts = [run[4] for run in runs(agent) if run[0] is view and run[1:4] == (begin, end, value)]
            alike = int(what["ordinal"])
            view.accepted += parts[alike] if alike < len(parts) else [(begin, end, value)]
        return unknown

    def waived(self, series, labels, customer):
        """Times that are left out of a series, of which the info labels since instants are given,
        where they are the customer's."""
        out = []
        for i, (since, info) in enumerate(labels):
            since = EVER if i == 0 else since
            until = labels[i + 1][0] if i + 1 < len(labels) else FOR_EVER
            names = {**info, **series["labels"], "source": series["source"], "metric": series["metric"]}
            for what in self.waivers.values():
                fits = what["customer"] in ("", customer) and all(
                    k in names and fnmatch.fnmatchcase(names[k], g) for k, g in what["match"].items())
                a, b = max(since, int(what["from"])), min(until, int(what["to"]))
                if fits and a < b:
                    out.append((a, b))
        return spans.union(out)


def spread(accepted, slots, slot, lo, hi, gauge):
    """Adds to {number: (amount, covered, estimated, peak)} what was accepted, evenly over its time;
    it covers of a slot what is not covered yet. A gauge stood at the mean: on top of the rest, where the
    slot is covered."""
    for begin, end, value in sorted(accepted):
        a = max(begin, lo)
        while a < min(end, hi):
            n = a // slot
            b = min(end, hi, (n + 1) * slot)
            amount, covered, guessed, peak = slots.get(n, (0, 0, 0, 0))
            amount += value * (b - begin) // (end - begin) - value * (a - begin) // (end - begin)
            if gauge:
                mean = value // (end - begin)
                peak = min(peak + mean if covered + b - a > slot else max(peak, mean), 2**64 - 1)
            covered = min(covered + b - a, slot)
            slots[n] = amount, covered, min(guessed + b - a, covered), peak
            a = b
    return slots
