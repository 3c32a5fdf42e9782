"""Whose usage it is: of several views of a series one per slot, and its parts to their owners.

Rules of metering.md (shared sources, ownership splits at the exact instant, conservation), made exact
by the words of rater/rating/measure_claims.hpp.
"""
from dataclasses import dataclass, field

import spans
from catalogue import EVER, FOR_EVER
from decisions import spread

DAY = 86400 * 10**9


@dataclass
class Part:
    """What one owner holds of one slot of one series."""
    slot: int
    begin: int
    end: int
    amount: int
    covered: int   # measured, spread or known not to exist
    guessed: int
    absent: int
    peak: int

    def cut(self, begin, end):
        """Where in the part it was, nothing tells: so it is estimated."""
        if (begin, end) == (self.begin, self.end):
            return self
        a, b, length = begin - self.begin, end - self.begin, self.end - self.begin
        guessed = share(self.covered - self.absent, a, b, length)
        absent = share(self.absent, a, b, length)
        return Part(self.slot, begin, end, share(self.amount, a, b, length), guessed + absent, guessed,
                    absent, self.peak)


@dataclass
class Holding:
    """One series as one customer holds it."""
    series: dict
    agents: set
    held: list = field(default_factory=list)
    parts: list = field(default_factory=list)
    mbit: int = 0   # what its line carries at most; 0: not known
    waived: int = 0      # what was left out of it
    waived_ns: int = 0   # in this time
    runs: list = field(default_factory=list)   # [view, from, to]: what one view tells without a break

    def within(self, times):
        """What of it lies in these times. A part that they cut is divided in proportion."""
        times = spans.union(times)
        out = Holding(self.series, self.agents, spans.intersection(self.held, times), mbit=self.mbit)
        for part in self.parts:
            for a, b in spans.cut(times, part.begin, part.end):
                piece = part.cut(a, b)
                if piece.covered or piece.amount:
                    out.parts.append(piece)
        for view, begin, end in self.runs:
            out.runs += [[view, a, b] for a, b in spans.cut(times, begin, end)]
        return out

    def tell(self, view, begin, end):
        if self.runs and self.runs[-1][0] is view and self.runs[-1][2] == begin:
            self.runs[-1][2] = end
        else:
            self.runs.append([view, begin, end])

    def leeway(self):
        """(how much less, how much more) than its parts the growth may be in truth: at the ends of a
        run nothing tells on which side growth was of which it is not known when it came. The second is
        None where nothing bounds it."""
        less, more = 0, 0
        for view, begin, end in self.runs:
            told = sum(p.amount for p in self.parts if begin <= p.begin and p.end <= end)
            (out, within), (later, beyond) = view.doubt(begin), view.doubt(end)
            known = None not in (out, later)
            less += min(told, within + later) if known else told
            more = more + out + beyond if known and more is not None else None
        return less, more


class Seen:
    """A view in a period: its slots, when it is known not to exist, and its labels."""

    def __init__(self, agent, view, slot, span):
        begin, end = max(span[0], 0), span[1]
        self.agent, self.instance = view.agent, view.instance
        self.view, self.slot = view, slot
        self.slots = view.slots(slot, begin, end)
        absences = [(a, FOR_EVER if b is None else b) for a, b in view.absences]
        births = getattr(view, "births", [])
        if births and min(births) > 0:
            absences.append((0, min(births)))
        polls = agent.instances[view.instance]
        known = spans.intersection(spans.cut(absences, begin, end), spans.union(polls.watched))
        mine = agent.series[view.series]
        holes = []
        for part, number, a, b in polls.gaps:
            its = agent.series[number] if part != "all" else {}
            if (part == "series" and its is mine) or (part in ("source", "metric")
                                                     and its[part] == mine[part]):
                holes.append((a, b + agent.beat(polls)))
        self.absent = spans.without(known, holes)
        self.labels = sorted(view.labels.items()) or [(EVER, {})]
        gone = any(a <= begin and b >= end for a, b in absences)
        expected = (view.first is not None and view.first < end and view.last >= span[0] - 400 * DAY
                    and not gone)
        self.known = bool(self.slots or self.absent or expected)
        self.withheld = []
        for each in agent.disagreements:
            if each.series == view.series and each.counts is not view:
                self.withheld.append((each.first, each.end))
                self.slots = {n: told for n, told in self.slots.items()
                              if not each.first <= n < each.end}
        spread(view.accepted, self.slots, slot, begin // slot * slot, -(-end // slot) * slot,
               view.gauge)
        self.known |= bool(self.slots)

    def crossing(self, at):
        """What intervals that contain a slot's start counted before it and from it on; within what is
        withheld nothing counts but what was accepted in its place."""
        told = [*self.view.accepted]
        if not any(first < at // self.slot < end for first, end in self.withheld):
            told += [(i.begin, i.end, i.amount) for i in self.view.intervals]
        before = sum(v * (at - a) // (b - a) for a, b, v in told if a < at < b)
        return before, sum(v for a, b, v in told if a < at < b) - before

    def doubt(self, at):
        """Growth around an instant that may as well have been on its other side: (before, from it on).
        Within a slot that is all of the slot. A sum of 2⁶⁴ or more is none: (None, None)."""
        number, within = divmod(at, self.slot)
        if not within:
            before, after = self.crossing(at)
            return (before, after) if max(before, after) < 2**64 - 1 else (None, None)
        amount = self.slots.get(number, (0,))[0]
        before, after = self.crossing(number * self.slot)[0], self.crossing((number + 1) * self.slot)[1]
        if max(before, after) >= 2**64 - 1:
            return None, None
        first = amount * within // self.slot
        return before + first, amount - first + after

    def of(self, slot, length):
        """(amount, covered, guessed, peak, absent) of a slot."""
        amount, covered, guessed, peak = self.slots.get(slot, (0, 0, 0, 0))
        gone = spans.length(spans.cut(self.absent, slot * length, (slot + 1) * length))
        return amount, covered, guessed, peak, min(gone, length - covered)


def owners(catalogue, period, series, view, span):
    """[(from, to, owner)]: a customer's id, None for nobody, False for another period's matter."""
    claims = []
    for i, (since, labels) in enumerate(view.labels):
        # The first labels count for the time before them too.
        since = EVER if i == 0 else since
        until = view.labels[i + 1][0] if i + 1 < len(view.labels) else FOR_EVER
        for customer, a, b in catalogue.claims(series, labels):
            claims.append((customer, max(a, since), min(b, until)))
    bounds = {}
    for id, customer in catalogue.customers.items():
        theirs, active = catalogue.bounds(period, customer), catalogue.life(customer)
        bounds[id] = (max(theirs[0], active[0]), min(theirs[1], active[1]))
    bounds[None] = catalogue.bounds(period)
    edges = {*span, *(e for b in bounds.values() for e in b), *(e for c in claims for e in c[1:])}
    edges = sorted(e for e in edges if span[0] <= e <= span[1])
    out, conflicts = [], set()
    for a, b in zip(edges, edges[1:]):
        all_of_it = {c for c, since, until in claims if since <= a and b <= until and since < until}
        owner = all_of_it.pop() if len(all_of_it) == 1 else None
        if all_of_it and owner is None:
            conflicts.add(tuple(sorted(all_of_it)))
        mine = bounds[owner]
        if a < mine[0] or b > mine[1]:
            owner = False
        if out and out[-1][2] == owner and out[-1][1] == a and type(out[-1][2]) is type(owner):
            out[-1] = (out[-1][0], b, owner)
        else:
            out.append((a, b, owner))
    return out, conflicts


def line_speed(views, begin, end):
    """The fastest in Mbit/s that the views tell of for any part of a time; 0 when one does not tell."""
    told = []
    for view in views:
        for i, (since, labels) in enumerate(view.labels):
            until = view.labels[i + 1][0] if i + 1 < len(view.labels) else FOR_EVER
            if until <= begin or (i > 0 and since >= end):
                continue
            text = labels.get("speed", "")
            told.append(int(text) if not labels.get("kind") and text.isdigit() else 0)
    return max(told) if told and 0 not in told else 0


def share(amount, a, b, length):
    return amount * b // length - amount * a // length


def series_text(series):
    labels = ",".join(f'{k}="{v}"' for k, v in sorted(series["labels"].items()))
    return f"{series['metric']}{{{labels}}} of {series['source']}"


class Attribution:
    def __init__(self, catalogue, period, slot, agents, series, decisions):
        self.decisions = decisions
        self.holdings = {id: [] for id in catalogue.customers}
        self.unattributed, self.conflicts = {}, {}
        all_bounds = [catalogue.bounds(period, c) for c in (None, *catalogue.customers.values())]
        span = min(b[0] for b in all_bounds), max(b[1] for b in all_bounds)
        order = sorted(range(len(series)), key=lambda n: (
            series[n]["source"], series[n]["shared"], series[n]["metric"],
            sorted(series[n]["labels"].items())))
        for number in order:
            if series[number]["metric"] not in catalogue.metrics():
                continue
            views = [Seen(agent, view, slot, span) for agent in agents.values()
                     for view in agent.views.values() if view.series == number]
            views = sorted((v for v in views if v.known), key=lambda v: (v.agent, v.instance))
            if views:
                self.one(catalogue, period, slot, series[number], views, span)

    def one(self, catalogue, period, slot, series, views, span):
        timelines = []
        for view in views:
            timeline, conflicts = owners(catalogue, period, series, view, span)
            timelines.append(timeline)
            for customers in conflicts:
                names = " ".join(f"`{c}`" for c in customers)
                text = (f"{series_text(series)} is claimed by {names} at the same time:"
                        " billed to none of them")
                self.conflicts[text] = (series["metric"], customers)
        rest = 0
        holdings, waived = {}, {}

        def left(view, owner):
            if (view, owner) not in waived:
                waived[view, owner] = self.decisions.waived(series, views[view].labels, owner)
            return waived[view, owner]

        for n in range(span[0] // slot, -(-span[1] // slot)):
            told = [view.of(n, slot) for view in views]
            # What was read most, then what is best known, then the first by name.
            best = max(range(len(views)), key=lambda v: (told[v][1], told[v][4], -v))
            for a, b, owner in timelines[best]:
                a, b = max(a, n * slot), min(b, (n + 1) * slot)
                if a >= b or owner is False:
                    continue
                part = self.part(n, slot, a, b, told[best], views[best].absent)
                if owner is None:
                    rest += part.amount
                    continue
                mine = holdings.setdefault(owner, Holding(series, {v.agent for v in views},
                                                          mbit=line_speed(views, *span)))
                left_out = spans.cut(left(best, owner), a, b)
                for c, d in left_out:
                    mine.waived += self.part(n, slot, c, d, told[best], views[best].absent).amount
                    mine.waived_ns += d - c
                for c, d in spans.without([(a, b)], left_out):
                    part = self.part(n, slot, c, d, told[best], views[best].absent)
                    mine.held.append((c, d))
                    if part.covered or part.amount:
                        mine.parts.append(part)
                        mine.tell(views[best], c, d)
        for owner, holding in holdings.items():
            holding.held = spans.union(holding.held)
            self.holdings[owner].append(holding)
        # Conservation is of each source, so what nobody holds is too.
        key = series["metric"], series["source"]
        amount, count = self.unattributed.get(key, (0, 0))
        self.unattributed[key] = amount + rest, count + (rest > 0)

    @staticmethod
    def part(n, slot, begin, end, told, absences):
        amount, covered, guessed, peak, absent = told
        a, b = begin - n * slot, end - n * slot
        if b - a == slot:
            return Part(n, begin, end, amount, covered + absent, guessed, absent, peak)
        # Split in proportion: where in the slot it was, nothing tells.
        covered = share(covered, a, b, slot)
        absent = min(spans.length(spans.cut(absences, begin, end)), b - a - covered)
        return Part(n, begin, end, share(amount, a, b, slot), covered + absent, covered, absent, peak)
