"""Makes a history that fails small, so that a person can read it."""
import copy
import re

import compare


def fails(driver, history):
    """Whether rater and model differ; a history that cannot be run at all is no failure."""
    answer = compare.rate(driver, [history])[0]
    if "error" in answer:
        return False
    errors = [p for p in answer["periods"].values() if "error" in p]
    if any(compare.NOTHING_THERE not in p["error"] for p in errors):
        return False
    try:
        return bool(compare.problems(history, answer))
    except (LookupError, ValueError, ArithmeticError):
        return False


def shrink(driver, history, seconds=60):
    """A smaller history that still fails; the same one when nothing can go."""
    import time
    until = time.monotonic() + seconds
    best = history
    one_order = {**best, "orders": [list(range(len(best["deliveries"])))]}
    if fails(driver, one_order):
        best = one_order
    changed = True
    while changed and time.monotonic() < until:
        changed = False
        for lists in (periods, deliveries, tables, entries, values):
            for smaller in halves(best, lists, until):
                if fails(driver, smaller):
                    best, changed = smaller, True
                    break
    return best


def halves(history, lists, until):
    """Histories without a run of what `lists` finds: long runs first."""
    import time
    count = lists(history, None)
    size = count
    while size >= 1:
        for begin in range(0, count, size):
            if time.monotonic() > until:
                return
            smaller = copy.deepcopy(history)
            lists(smaller, range(begin, min(begin + size, count)))
            yield smaller
        size //= 2


def remove(items, gone, at=0):
    """The items but those numbered in `gone`, counted on from `at`."""
    return [x for i, x in enumerate(items, at) if i not in gone]


def periods(history, gone):
    if gone is None:
        return len(history["periods"]) - 1
    history["periods"] = history["periods"][:len(history["periods"]) - len(gone)]


def deliveries(history, gone):
    if gone is None:
        return len(history["deliveries"])
    kept = remove(range(len(history["deliveries"])), gone)
    history["deliveries"] = [history["deliveries"][i] for i in kept]
    number = {old: new for new, old in enumerate(kept)}
    history["orders"] = [[number.get(s, s) for s in order if s == "derive" or s in number]
                         for order in history["orders"]]


def tables(history, gone):
    """Of the catalogue: resources with their match, customers, a plan's items."""
    parts = re.split(r"\n(?=\[\[)", history["catalogue"])
    if gone is None:
        return len(parts)
    history["catalogue"] = "\n".join(remove(parts, gone)) + "\n"


def entries(history, gone):
    if gone is None:
        return sum(len(d["entries"]) for d in history["deliveries"])
    at = 0
    for d in history["deliveries"]:
        count = len(d["entries"])
        d["entries"] = remove(d["entries"], gone, at)
        at += count


def values(history, gone):
    polls = [e for d in history["deliveries"] for e in d["entries"] if e["type"] == "poll"]
    if gone is None:
        return sum(len(p["values"]) + len(p["ended"]) for p in polls)
    at = 0
    for p in polls:
        for name in ("values", "ended"):
            count = len(p[name])
            p[name] = remove(p[name], gone, at)
            at += count
