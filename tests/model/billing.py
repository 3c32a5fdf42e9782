"""The model's billing: from a measured quantity to allowance, overuse and money, exactly.

What adds up over time (volumes, byte-months) has its allowance, minimum, cap and tiers prorated; of a
level (a rate, a peak, a mean) those stay whole, and the charge is prorated.
"""
import math
from fractions import Fraction

import catalogue as cat


def decimal_or_fraction(number):
    rest = number.denominator
    decimals = 0
    while rest % 10 == 0 or rest % 5 == 0 or rest % 2 == 0:
        rest //= 10 if rest % 10 == 0 else 5 if rest % 5 == 0 else 2
        decimals += 1
    return cat.shown(number, decimals) if rest == 1 else f"{number.numerator}/{number.denominator}"


def after_rules(meter, quantity, scale):
    """[(rule, value, before, after)] of increment, minimum, cap, in that order."""
    steps = []
    for rule in ("increment", "minimum", "cap"):
        if rule not in meter:
            continue
        value = Fraction(meter[rule])
        before = steps[-1][3] if steps else quantity
        if rule == "increment":
            after = math.ceil(before / value) * value
        else:
            value *= scale
            after = max(before, value) if rule == "minimum" else min(before, value)
        steps.append((rule, value, before, after))
    return steps


def ruled(meter, quantity, scale):
    steps = after_rules(meter, quantity, scale)
    return steps[-1][3] if steps else quantity


def priced(item):
    return "price" in item or "tier" in item


def charge(item, overuse, scale):
    """[(units, price of one)]; nothing for no overuse."""
    pricing = item.get("pricing", "flat")
    if overuse == 0:
        return []
    if pricing == "flat":
        return [(overuse, Fraction(item["price"]))]
    if pricing == "package":
        return [(Fraction(math.ceil(overuse / Fraction(item["package"]))), Fraction(item["price"]))]
    bounds = [Fraction(t["up_to"]) * scale if "up_to" in t else None for t in item["tier"]]
    prices = [Fraction(t["price"]) for t in item["tier"]]
    if pricing == "volume":
        return [next((overuse, p) for b, p in zip(bounds, prices) if b is None or overuse <= b)]
    lines, below = [], Fraction(0)
    for bound, price in zip(bounds, prices):
        upper = overuse if bound is None else min(bound, overuse)
        if upper > below:
            lines.append((upper - below, price))
            below = upper
    return lines


class Segment:
    """A part of the period in which one plan was in force."""

    def __init__(self, meter, plan, item, active, share, figures, per_unit, slots):
        self.meter, self.plan, self.item, self.active = meter, plan, item, active
        self.share, self.base, self.slots = share, figures, slots
        self.scale = Fraction(1) if cat.is_level(meter) else share
        self.measured = [None if f is None else f / per_unit for f in figures]
        self.quantity = [None if m is None else ruled(meter, m, self.scale) for m in self.measured]
        self.allowance = Fraction(item.get("allowance", "0")) * self.scale
        self.bill(self.quantity[0])

    def bill(self, quantity):
        """Prices that quantity; what was computed stays the bounds'."""
        self.quantity[0] = quantity
        self.overuse = max(Fraction(0), quantity - self.allowance)
        self.lines = charge(self.item, self.overuse, self.scale) if priced(self.item) else []
        self.amounts = [None if q is None else self.cost(q) for q in self.quantity]

    def cost(self, quantity):
        if not priced(self.item):
            return Fraction(0)
        overuse = max(Fraction(0), quantity - self.allowance)
        whole = sum((q * p for q, p in charge(self.item, overuse, self.scale)), Fraction(0))
        return whole * (self.share if cat.is_level(self.meter) else 1)

    def text(self):
        out = {"plan": self.plan["id"], "active": [cat.text_of(t) for t in self.active],
               "share": decimal_or_fraction(self.share), "exact": texts(self.base),
               "measured": texts(self.measured), "quantity": texts(self.quantity),
               "slots": self.slots, "allowance": cat.shown(self.allowance, 9),
               "overuse": cat.shown(self.overuse, 9),
               "rules": [[rule, *(cat.shown(x, 9) for x in step)] for rule, *step in
                         after_rules(self.meter, self.measured[0], self.scale)]}
        if priced(self.item):
            out["pricing"] = self.item.get("pricing", "flat")
            out["tiers"] = [[decimal_or_fraction(x) for x in (q, p, q * p)] for q, p in self.lines]
            out["amount"] = decimal_or_fraction(self.amounts[0])
        return out


def texts(figures):
    return [None if f is None else cat.shown(f, 9) for f in figures]


def together(segments, level, figure):
    """Of all segments; of levels the mean by time."""
    if not level:
        return sum((figure(s) for s in segments), Fraction(0))
    time = sum(s.share for s in segments)
    return sum(figure(s) * s.share for s in segments) / time


def money(segments, default_currency):
    """The record's amount, rounded once."""
    paid = [s for s in segments if priced(s.item)]
    if not paid:
        return {}
    plan = paid[-1].plan
    currency, rule = plan.get("currency", default_currency), plan.get("rounding", "half_up")
    decimals = {"JPY": 0, "KWD": 3}.get(currency, 2)
    sums = [sum(s.amounts[i] for s in paid) if all(s.amounts[i] is not None for s in paid) else None
            for i in range(3)]
    out = {"currency": currency, "rounding": rule}
    names = ("amount", "amount_low", "amount_high")
    for name, amount in zip(names, sums):
        out[name] = None if amount is None else cat.fixed(cat.rounded(amount, decimals, rule), decimals)
    out["remainder"] = cat.shown(sums[0] - cat.rounded(sums[0], decimals, rule), 12)
    if len(segments) == 1 and paid[0].item.get("pricing", "flat") == "flat":
        out["price"] = decimal_or_fraction(Fraction(paid[0].item["price"]))
    return out
