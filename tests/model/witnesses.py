"""The model's witnesses: where agents that read one shared source cannot all be right.

Written from metering.md ("its readings are witnesses, never summed; disagreement is an anomaly") and
the words at the head of rater/derive/witness.hpp. Slow: it tries every stretch of slots.
"""
from dataclasses import dataclass

BLOCK = 288


@dataclass
class Disagreement:
    series: int
    first: int      # slots [first, end)
    end: int
    counts: object  # the view whose count is the lowest
    excess: int


def find(agents, series, slot):
    """All of them, of all time."""
    out = []
    for number in range(len(series)):
        if not series[number]["shared"]:
            continue
        views = [(agent, view) for agent in agents.values() for view in agent.views.values()
                 if view.series == number and view.last is not None]
        views.sort(key=lambda v: (v[1].agent, v[1].instance))
        if len(views) > 1:
            out += of_series(number, series[number]["resolution"], views, slot)
    return out


def of_series(number, resolution, views, slot):
    beats = [agent.instances[view.instance].longest or slot for agent, view in views]
    lag = max(1, -(-3 * max(beats) // slot))
    if lag > BLOCK // 2:
        return []
    told = []
    for _, view in views:
        ends = [i.end for i in view.intervals]
        begins = [i.begin for i in view.intervals]
        slots = view.slots(slot, min(begins), max(ends)) if ends else {}
        upto = max(view.last - resolution, 0) // slot
        told.append({n: amount for n, (amount, covered, guessed, _) in slots.items()
                     if covered == slot and not guessed and n < upto})
    all_slots = sorted(n for t in told for n in t)
    if not all_slots:
        return []
    out = []
    for block in range(all_slots[0] // BLOCK, all_slots[-1] // BLOCK + 1):
        out += [Disagreement(number, a, b, views[low][1], excess)
                for a, b, low, excess in of_block(told, block * BLOCK, (block + 1) * BLOCK, lag)]
    return out


def of_block(told, first, end, lag):
    """[(from, to, who has the least, what the most has beyond it)], as early and as short as can be."""
    seen = {n: frozenset(v for v, t in enumerate(told) if n in t) for n in range(first - lag, end + lag)}
    out, begin, to = [], first, first + 1
    while to <= end:
        for a in range(to - 1, begin - 1, -1):
            if a - lag < first - lag or to + lag > end + lag:
                break
            who = seen[a - lag]
            if len(who) < 2 or any(seen[n] != who for n in range(a - lag, to + lag)):
                break
            of = lambda v, x, y: sum(told[v][n] for n in range(x, y))
            counts = {v: of(v, a, to) for v in sorted(who)}
            if any(counts[v] > of(w, a - lag, to + lag) for v in who for w in who):
                low = min(counts, key=lambda v: (counts[v], v))
                out.append((a, to, low, max(counts.values()) - counts[low]))
                begin = to
                break
        to += 1
    return out
