"""The model's derivation, continued: what one reading of a counter counts."""
from dataclasses import dataclass

import derivation
from derivation import Interval, SECOND


@dataclass
class Reading:
    value: int
    raw: int       # where it says it stands
    at: int        # its position
    read: int      # when it was read at the latest
    own: bool      # it brought a time of its own
    forced: bool   # a clock step put it where it is


class Agent(derivation.Agent):
    def count(self, stream, instance, view, c, start, r):
        if c.at is None:
            self.first(stream, instance, view, c, start, r)
            return True
        other = c.stream is not stream
        if r.raw < c.at and other:
            return False  # the counter went on: this is in already
        if r.raw < c.at and r.own and r.value <= c.value:
            return False
        if r.raw == c.at and self.disputed(view, c, r, other):
            return False
        at = max(r.at, c.at)
        broken = not other and c.losses != stream.losses
        c.stream, c.losses = stream, stream.losses
        if not r.own or at > c.ended:
            c.ended = 0
        before = (c.value, c.at)
        if not r.own and at <= instance.forgotten:
            # Counters of that time are forgotten: nothing tells what of it was counted.
            self.anomaly(view, min(c.at, at - 1), at, self.growth(c, r))
            c.begin, c.counted = at, 0
        elif c.trusted is not None and c.trusted[0] <= r.value < c.value:
            # The reading that could not be believed was wrong: the one before it counts on.
            value, since = c.trusted
            self.interval(instance, view, c, min(since, r.at - 1), max(c.at, r.at), r.value - value,
                          0, r, estimated=True, step=c.forced or r.forced, before=c.trusted)
        elif at == c.at:
            if self.growth(c, r) == 0:
                c.value = r.value
                return True
            # Learnt late: of the interval that ended here.
            self.interval(instance, view, c, min(c.begin, at - 1), at, self.growth(c, r), c.counted,
                          r, estimated=r.value < c.value or r.forced, broken=broken, step=True,
                          before=c.trusted or before)
        else:
            self.interval(instance, view, c, c.at, at, self.growth(c, r), 0, r,
                          estimated=r.value < c.value or r.forced, broken=broken,
                          step=c.forced or r.forced, before=c.trusted or before)
        if at > c.at:
            c.disputed = 0
        c.value, c.at, c.forced = r.value, at, r.forced
        return True

    @staticmethod
    def growth(c, r):
        """A decrease is a reset: it counts from zero."""
        return r.value - c.value if r.value >= c.value else r.value

    def first(self, stream, instance, view, c, start, r):
        c.at = c.begin = r.at
        c.value, c.stream, c.losses, c.forced = r.value, stream, stream.losses, r.forced
        if start == 0:
            return  # a baseline
        begin = min(start, r.at - 1)
        if start <= instance.forgotten:
            self.anomaly(view, begin, r.at, r.value)
        else:
            self.interval(instance, view, c, begin, r.at, r.value, 0, r, estimated=r.forced,
                          step=r.forced, before=(0, begin))

    def disputed(self, view, c, r, other):
        """At the very instant the counter stands at, what another incarnation says counts nothing,
        nor what is no more than is known and brings its own time."""
        if not other and not r.own:
            return False
        if r.own and r.value > c.value:
            return False
        if r.value not in (c.value, c.disputed):
            below = [v for v in (c.value, c.disputed, 0) if v < r.value]
            known = c.value if c.value < r.value else below[0] if below else 0
            self.anomaly(view, min(c.begin, c.at - 1), c.at, r.value - known)
            c.disputed = r.value
        return True

    def anomaly(self, view, begin, end, value):
        if value:
            self.anomalies.append((view.agent, view.series, begin, end, value))

    def interval(self, instance, view, c, begin, end, delta, counted, r, estimated=False,
                 broken=False, step=False, before=None):
        """Counts `delta` in [begin, end), unless the line cannot carry that much."""
        limit = None if step else self.limit(view, begin, end, max(end, r.read))
        if limit is not None and counted + delta > limit:
            self.anomaly(view, begin, end, delta)
            c.begin, c.counted, c.trusted = end, 0, before
            return
        guess = estimated or self.guessed(instance, view, begin, end, broken)
        view.intervals.append(Interval(begin, end, delta, guess))
        c.begin, c.counted, c.trusted = begin, counted + delta, None

    def limit(self, view, begin, end, read):
        """What the line carried until it was read: the fastest it was, and 5 %. None = not known."""
        most = self.most(view, begin, end)
        return None if most is None else most * 125_000 * 105 * (read - begin) // (100 * SECOND)

    def guessed(self, instance, view, begin, end, broken):
        """Whether nothing tells how the growth falls into slots."""
        if begin // self.slot == (end - 1) // self.slot or end - begin <= instance.interval:
            return False
        if broken or end - begin > 2 * self.beat(instance):
            return True
        mine = self.series[view.series]
        for part, number, a, b in instance.gaps:
            its = self.series[number] if part != "all" else mine
            same = {"all": True, "source": its["source"] == mine["source"],
                    "metric": its["metric"] == mine["metric"], "series": its is mine}[part]
            if same and b > begin and a < end:
                return True
        return False


derivation.Reading = Reading
