"""The model's measures: what a customer's holdings of a period come to, in base units.

Rules of metering.md, "Measures". Every measure gives (billed, low, high, slots, missing): low counts
what is unknown as nothing, high is None where nobody can say.
"""
from fractions import Fraction

import spans
from catalogue import EVER, FOR_EVER, SECOND
from derivation import by_slot

UNBOUNDED = float("inf")


def rank(n):
    """Of n values ascending, the one that is billed, from 1."""
    return (95 * n + 99) // 100


def percentile(values):
    return sorted(values)[rank(len(values)) - 1] if values else 0


def held_slots(holding, slot):
    """{slot: its parts} of those slots of which the customer holds half or more."""
    parts = {}
    for p in holding.parts:
        parts.setdefault(p.slot, []).append(p)
    held = by_slot(holding.held, slot, EVER, FOR_EVER)
    return {n: (ns, parts.get(n, [])) for n, ns in held.items() if 2 * ns >= slot}


class Cell:
    """One slot of all series that are added up."""

    def __init__(self):
        self.value = self.low = self.high = 0
        self.measured = self.spread = False

    def higher(self, other):
        cell = Cell()
        for name in ("value", "low", "high", "measured", "spread"):
            setattr(cell, name, max(getattr(self, name), getattr(other, name)))
        return cell


def rates(holdings, slot):
    """Cells of counters: bytes in a slot. Only its line's speed bounds what a counter did unseen."""
    out = {}
    for holding in holdings:
        most = holding.mbit * 125_000 * slot // 10**9 if holding.mbit else UNBOUNDED
        for n, (_, parts) in held_slots(holding, slot).items():
            cell = out.setdefault(n, Cell())
            amount, covered = sum(p.amount for p in parts), sum(p.covered for p in parts)
            if 2 * covered < slot:
                cell.high += most
                continue
            seen = covered - sum(p.guessed for p in parts)
            value = amount if covered >= slot else amount * slot // covered
            certain = 2 * seen >= slot
            cell.value += value
            cell.measured |= certain
            cell.spread |= not certain
            cell.low += amount if certain else 0
            cell.high += value if certain and covered >= slot else max(value, most)
    return out


def levels(holdings, slot, peaks):
    """Cells of gauges: byte-nanoseconds of a full slot, or the highest value in it."""
    out = {}
    for holding in holdings:
        read = any(p.covered > p.absent for p in holding.parts)
        most = max((p.peak for p in holding.parts), default=0) * (1 if peaks else slot)
        for n, (held, parts) in held_slots(holding, slot).items():
            cell = out.setdefault(n, Cell())
            amount, covered = sum(p.amount for p in parts), sum(p.covered for p in parts)
            seen = covered - sum(p.guessed for p in parts)
            known = covered > 0 if peaks else 2 * covered >= slot
            value = 0
            if known:
                value = max(p.peak for p in parts) if peaks else amount * slot // min(covered, slot)
                certain = peaks or 2 * seen >= slot
                cell.measured |= certain
                cell.spread |= not certain
                cell.low += (value if peaks else amount) if certain else 0
            cell.value += value
            # Where it is not known it held as much as its peak; one never read, nobody knows.
            whole = known and covered >= held
            cell.high += value if whole else max(value, most) if read else UNBOUNDED
    return out


def bounded(high, billed):
    return None if high == UNBOUNDED else max(high, billed)


def p95(cells, missing):
    billed = [c.value if c.measured or missing == "spread" else 0 for c in cells.values()
              if c.measured or missing == "zero" or (missing == "spread" and c.spread)]
    bill = percentile(billed)
    high = percentile([c.high for c in cells.values()]) if cells else UNBOUNDED
    return (bill, min(percentile([c.low for c in cells.values()]), bill), bounded(high, bill),
            len(cells), unseen(cells.values()))


def unseen(cells):
    return sum(not c.measured for c in cells)


def p95_of_rates(meter, into, out, slot):
    a, b, missing = rates(into, slot), rates(out, slot), meter["missing"]
    direction = meter["direction"]
    if direction in ("in", "out"):
        return p95(a if direction == "in" else b, missing)
    if direction == "p95_of_sum":
        return p95(rates([*into, *out], slot), missing)
    if direction == "p95_of_max":
        return p95({n: a.get(n, Cell()).higher(b.get(n, Cell())) for n in a.keys() | b.keys()}, missing)
    one, two = p95(a, missing), p95(b, missing)
    high = None if None in (one[2], two[2]) else max(one[2], two[2])
    return max(one[0], two[0]), max(one[1], two[1]), high, max(one[3], two[3]), max(one[4], two[4])


def peak(cells):
    billed = max((c.value for c in cells.values() if c.measured), default=0)
    high = max((c.high for c in cells.values()), default=UNBOUNDED)
    return billed, billed, bounded(high, billed), len(cells), unseen(cells.values())


def snapshots(cells, instants, slot):
    """The mean of the slots that hold the instants; one that nobody has is left out."""
    cells = [cells[t // slot] for t in instants if t // slot in cells]
    known = [c.value for c in cells if c.measured]
    billed = Fraction(sum(known), len(known)) if known else Fraction(0)
    if not cells:
        return billed, billed, None, 0, 0
    low, high = sum(c.low for c in cells), sum(c.high for c in cells)
    high = UNBOUNDED if high == UNBOUNDED else Fraction(high, len(cells))
    return (billed, min(Fraction(low, len(cells)), billed), bounded(high, billed), len(cells),
            unseen(cells))


def volume(holdings):
    """Where an end of what is held cuts what is counted, how it fell to both sides is an estimate."""
    total = sum(p.amount for h in holdings for p in h.parts)
    leeway = [h.leeway() for h in holdings]
    bounded = coverage(holdings)[0] == 1 and all(more is not None for _, more in leeway)
    high = total + sum(more for _, more in leeway) if bounded else None
    return total, total - min(total, sum(less for less, _ in leeway)), high, 0, 0


def time_weighted(holdings):
    held = unknown = 0
    known = bool(holdings)
    for h in holdings:
        held += sum(p.amount for p in h.parts)
        missing = spans.length(h.held) - sum(p.covered for p in h.parts)
        known &= not missing or any(p.covered > p.absent for p in h.parts)
        unknown += missing * max((p.peak for p in h.parts), default=0)
    low = Fraction(held, SECOND)
    return low, low, Fraction(held + unknown, SECOND) if known else None, 0, 0


def coverage(holdings):
    """(known of the time held, estimated of the time known)."""
    held = sum(spans.length(h.held) for h in holdings)
    known = sum(p.covered for h in holdings for p in h.parts)
    guessed = sum(p.guessed for h in holdings for p in h.parts)
    return Fraction(known, held) if held else Fraction(0), Fraction(guessed, known) if known else Fraction(0)


def ports(into, out):
    """Each port by itself: what is of one source and has the same labels."""
    found = {}
    for side, holdings in enumerate((into, out)):
        for h in holdings:
            key = (h.series["source"], tuple(sorted(h.series["labels"].items())))
            found.setdefault(key, ([], []))[side].append(h)
    return list(found.values())


def level(meter, into, out, slot, instants):
    if "metric" not in meter:
        return p95_of_rates(meter, into, out, slot)
    if meter["measure"] == "peak":
        return peak(levels(out, slot, True))
    cells = levels(out, slot, False)
    found = (snapshots(cells, instants, slot) if meter["measure"] == "daily_snapshot"
             else p95(cells, meter["missing"]))
    per = lambda value: None if value is None else Fraction(value) / slot
    return per(found[0]), per(found[1]), per(found[2]), found[3], found[4]


def measure(meter, into, out, slot, instants):
    if meter["measure"] == "volume":
        return volume([*into, *out])
    if meter["measure"] == "time_weighted":
        return time_weighted(out)
    if meter["aggregate"] == "sum":
        return level(meter, into, out, slot, instants)
    each = [level(meter, a, b, slot, instants) for a, b in ports(into, out)]
    highs = [f[2] for f in each]
    high = sum(highs) if each and None not in highs else None
    return sum(f[0] for f in each), sum(f[1] for f in each), high, sum(f[3] for f in each), sum(
        f[4] for f in each)
