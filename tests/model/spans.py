"""Sets of instants, as ascending lists of disjoint [from, to)."""


def union(spans):
    out = []
    for a, b in sorted(spans):
        if a >= b:
            continue
        if out and a <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], b))
        else:
            out.append((a, b))
    return out


def cut(spans, lo, hi):
    """What lies in [lo, hi)."""
    return [(max(a, lo), min(b, hi)) for a, b in spans if max(a, lo) < min(b, hi)]


def intersection(left, right):
    return union([piece for a, b in left for piece in cut(right, a, b)])


def without(spans, holes):
    out = union(spans)
    for lo, hi in holes:
        if lo < hi:
            out = [p for a, b in out for p in ((a, min(b, lo)), (max(a, hi), b)) if p[0] < p[1]]
    return out


def length(spans):
    return sum(b - a for a, b in spans)
