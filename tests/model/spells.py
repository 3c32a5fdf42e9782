"""How long a random history is, and what it is measured in."""
from dataclasses import dataclass

from catalogue import SECOND, month_start, text_of
from contracts import ZONES

MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
# Of changed clocks, leap days, and of neither.
MONTHS = [(2026, 3), (2026, 10), (2026, 11), (2028, 2), (2027, 3), (2026, 12), (2027, 2), (2026, 4)]


@dataclass
class Plan:
    """One spell of metering."""
    slot: int
    period: str
    zone: str
    begin: int
    end: int
    periods: list       # names of those that it touches
    intervals: list
    seal_often: float
    agents: list


def make(r):
    return month(r) if r.random() < 0.06 else short(r)


def short(r):
    """Some periods of minutes or hours."""
    slot = r.choice([10 * SECOND, 60 * SECOND, 300 * SECOND])
    length = slot * r.randrange(4, 25)
    start = (1_772_000_000 * SECOND + r.randrange(400 * DAY)) // length * length
    begin = start + r.choice([0, -slot, -slot, -length // 2, r.randrange(length), -slot // 2])
    end = start + length * r.choice([1, 1, 2, 3]) + r.choice([0, slot, -r.randrange(length)])
    end = max(end, begin + slot)
    periods = range(begin // length * length, end + slot, length)
    return Plan(slot, f"{length // SECOND}s", r.choice(ZONES), begin, end,
                [f"{text_of(p)}/{duration(length)}" for p in periods],
                [slot // 10, slot // 5, slot // 5, slot // 2, slot, 7 * SECOND, 2 * slot],
                0.15, ["a", "b", "c"][:r.choice([1, 2, 2, 3])])


def month(r):
    """A calendar month, or its last days."""
    zone = r.choice(ZONES)
    year, number = r.choice(MONTHS)
    start, end = month_start(zone, year, number), month_start(zone, year, number + 1)
    days = r.choice([None, None, 5 * DAY])
    begin = start - HOUR if days is None else r.choice([start - HOUR, end - days])
    before = [f"{year}-{number - 1:02}"] if begin < start else []
    return Plan(HOUR, "month", zone, begin, end + 2 * HOUR if days is None else begin + days,
                [*before, f"{year}-{number:02}"], [HOUR // 2, HOUR, 3 * HOUR], 0.05,
                ["a", "b"][:r.choice([1, 2, 2])])


def duration(length):
    """As the rater names a length of time: "1h30m"."""
    out = ""
    for unit, ns in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND)):
        out += f"{length // ns}{unit}" if length >= ns else ""
        length %= ns
    return out
