"""The model's rating: one record for every customer and meter of a period."""
from fractions import Fraction

import billing
import catalogue as cat
import measures
import spans
import witnesses
from claims import Attribution, series_text
from counters import Agent


def fold(history):
    """{name: Agent} after all deliveries, in the order of their receipt."""
    agents = {}
    for batch in history["deliveries"]:
        if batch["agent"] not in agents:
            agents[batch["agent"]] = Agent(batch["agent"], history["series"], history["slot"])
        agents[batch["agent"]].apply(batch)
    found = witnesses.find(agents, history["series"], history["slot"])
    for agent in agents.values():
        agent.disagreements = found
    return agents


def base_unit(meter):
    if meter["measure"] == "time_weighted":
        return "byte-seconds"
    return "bytes per slot" if meter["measure"] == "p95" and "metric" not in meter else "bytes"


def waived(holdings, gauges):
    """What waivers left out of a record, and the share of time."""
    left = sum(h.waived_ns for h in holdings)
    if not left:
        return {}
    amount = Fraction(sum(h.waived for h in holdings), cat.SECOND if gauges else 1)
    time = left + sum(spans.length(h.held) for h in holdings)
    return {"waived": [cat.shown(amount, 9), cat.floored(Fraction(left, time), 6)]}


class Rating:
    """All records of a period, from what was derived of the agents."""

    def __init__(self, history, period, agents, decisions):
        self.decisions = decisions
        self.catalogue = cat.Catalogue(history["catalogue"])
        self.slot, self.period, self.agents = history["slot"], period, agents
        self.found = Attribution(self.catalogue, period, self.slot, agents, history["series"],
                                 decisions)
        self.awaited = self.who_is_awaited(history)

    def who_is_awaited(self, history):
        """Agents of whom something before the period's end may still come. An import tells nothing
        of how far its agent is."""
        imported = {(d["agent"], d["life"]) for d in history["deliveries"] if d.get("imported")}
        customers = self.catalogue.customers.values()
        end = max(self.catalogue.bounds(self.period, c)[1] for c in (None, *customers))
        out = set()
        for name, agent in self.agents.items():
            marks = [s.kept for life, s in agent.streams.items() if (name, life) not in imported]
            if marks and max(marks) < end:
                out.add(name)
        return out

    def records(self):
        out = []
        for customer in self.catalogue.customers.values():
            bounds = self.catalogue.bounds(self.period, customer)
            plans = self.catalogue.plans_of(customer, bounds)
            for meter in sorted({i["meter"] for plan, _ in plans for i in plan["item"]}):
                out.append(self.record(customer, self.catalogue.meters[meter], bounds, plans))
        return out

    def inputs(self, customer, meter):
        """(in, out, problems) of what a meter reads of a customer's holdings."""
        roles = self.catalogue.metrics_of(meter)
        sides, problems = {"in": [], "out": []}, set()
        for h in self.found.holdings[customer["id"]]:
            role = roles.get(h.series["metric"])
            wrong = None
            if role is not None and h.series["gauge"] != ("metric" in meter):
                wrong = "is a gauge" if h.series["gauge"] else "is a counter"
            elif role is not None and meter["measure"] == "p95" and h.series["resolution"] > self.slot:
                wrong = "is coarser than a slot"
            if wrong:
                problems.add(f"{series_text(h.series)} {wrong}: meter `{meter['id']}`"
                             f" ({meter['measure']}) cannot read it")
            elif role is not None:
                sides[role].append(h)
        for text, (metric, customers) in self.found.conflicts.items():
            if customer["id"] in customers and metric in roles:
                problems.add(text)
        return sides["in"], sides["out"], sorted(problems)

    def correct(self, customer, meter, segments, quantity):
        """A person's figure in place of what was computed: of a level that of every segment, else
        divided as what was computed is, or by time where that is nothing."""
        figure, decision = self.decisions.corrections.get(
            (customer["id"], meter["id"], self.period), (None, None))
        if figure is None:
            return {}
        computed, figure = quantity[0], Fraction(figure)
        time = sum(s.share for s in segments)
        for s in segments:
            mine = figure * (s.quantity[0] / computed if computed else s.share / time)
            s.bill(figure if cat.is_level(meter) else mine)
        quantity[0] = figure
        return {"correction": [cat.shown(computed, 9), decision]}

    def per_unit(self, customer, meter, bounds):
        scale = Fraction(cat.scale_of(meter["unit"])) / Fraction(meter.get("copies", "1"))
        if meter["measure"] == "time_weighted":
            month = 730 * 3600 if meter["hours"] == "730" else \
                self.catalogue.month_seconds(bounds, customer)
            return scale * month
        if "metric" not in meter and meter["measure"] == "p95":
            return scale * Fraction(self.slot, 8 * cat.SECOND)
        return scale

    def record(self, customer, meter, bounds, plans):
        into, out, problems = self.inputs(customer, meter)
        agents = {a for h in [*into, *out] for a in h.agents}
        with_it = [(plan, item, active) for plan, active in plans for item in plan["item"]
                   if item["meter"] == meter["id"]]
        per_unit = self.per_unit(customer, meter, bounds)
        instants = self.catalogue.daily(customer, meter["snapshot_hour"], bounds)

        def measured(times):
            a, b = [[p for p in (h.within(times) for h in side) if p.held] for side in (into, out)]
            *figures, slots, missing = measures.measure(meter, a, b, self.slot, instants)
            counts = {"held": slots, "missing": missing} if cat.is_level(meter) else None
            return [None if f is None else Fraction(f) for f in figures], counts, [*a, *b]

        whole, slots, read = measured([active for _, _, active in with_it])
        apart = not (cat.is_level(meter) and meter["plan_change"] == "whole")
        segments = []
        for plan, item, active in with_it:
            figures, counts, _ = measured([active]) if apart and len(with_it) > 1 else (whole, slots, 0)
            share = Fraction(active[1] - active[0], bounds[1] - bounds[0])
            segments.append(billing.Segment(meter, plan, item, active, share, figures, per_unit, counts))
        level = cat.is_level(meter)
        in_units = [None if f is None else f / per_unit for f in whole]
        if level and len(segments) > 1:
            quantity = [None if m is None else billing.ruled(meter, m, 1) for m in in_units]
        else:
            parts = zip(*(s.quantity for s in segments))
            quantity = [None if None in p else sum(p) for p in parts]
        corrected = self.correct(customer, meter, segments, quantity)
        if corrected:
            whole = [quantity[0] * per_unit, *whole[1:]]
        known, guessed = measures.coverage(read)
        return {
            "customer": customer["id"], "meter": meter["id"], "plan": with_it[-1][0]["id"],
            "period": [cat.text_of(t) for t in bounds],
            "active": [cat.text_of(with_it[0][2][0]), cat.text_of(with_it[-1][2][1])],
            "measure": meter["measure"], "exact_unit": base_unit(meter), "exact": billing.texts(whole),
            "measured": billing.texts(in_units), "quantity": billing.texts(quantity),
            "coverage": cat.floored(known, 6), "estimated": cat.shown(guessed, 6),
            "series": len(read), "slots": slots,
            "closed_without": sorted(self.awaited & agents), "problems": problems,
            "allowance": cat.shown(billing.together(segments, level, lambda s: s.allowance), 9),
            "overuse": cat.shown(billing.together(segments, level, lambda s: s.overuse), 9),
            "segments": [s.text() for s in segments],
            **corrected, **waived([*into, *out], "metric" in meter),
            **billing.money(segments, self.catalogue.currency)}
