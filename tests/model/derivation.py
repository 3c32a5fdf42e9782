"""The model's derivation: what an agent's batches say of each series it reads.

Slow and obvious, written from the rules (metering.md, model.md, and the words at the head of
rater/derive/derive.hpp), not from the rater's code. It keeps every interval that counted, whole, and
makes slots of them only when it is asked for some.
"""
from dataclasses import dataclass, field

import spans

SECOND = 10**9
DAY = 86400 * SECOND
FOR_EVER = 2**62


@dataclass
class Interval:
    """Between two instants a counter grew by `amount`; a gauge held it."""
    begin: int
    end: int
    amount: int
    estimated: bool = False


@dataclass
class Counter:
    """One epoch of a series as one plugin instance reads it."""
    at: int = None            # position of the last reading
    begin: int = 0            # of the interval that ends there; a gauge: held up to here
    value: int = 0
    counted: int = 0          # in that interval
    ended: int = 0
    stream: object = None     # that gave the last reading
    losses: int = 0
    forced: bool = False      # a clock step put `at` where it is
    disputed: int = 0         # another value told for `at`
    trusted: tuple = None     # (value, position) before a reading that cannot be believed


@dataclass
class View:
    """A series through the eyes of one plugin instance of one agent."""
    agent: str
    instance: str
    series: int
    intervals: list = field(default_factory=list)
    counters: dict = field(default_factory=dict)
    labels: dict = field(default_factory=dict)   # from → info labels
    newest_labels: tuple = None                  # (from, labels)
    told: tuple = None                           # (stream, how many of its info definitions)
    speeds: list = field(default_factory=list)   # (from, Mbit/s); of a gauge: (from, bytes)
    seen: int = 0
    gone: int = None                             # known not to exist since
    absences: list = field(default_factory=list)  # [from, to]
    first: int = None
    last: int = None
    accepted: list = field(default_factory=list)  # anomalies that count all the same: (from, to, value)

    def slots(self, slot, lo, hi):
        """{number: (amount, covered, estimated, peak)} of the slots that [lo, hi) touches."""
        amounts, peaks = {}, {}
        lo, hi = lo // slot * slot, -(-hi // slot) * slot
        for i in self.intervals:
            n = max(i.begin, lo) // slot
            while n * slot < min(i.end, hi):
                a, b = max(i.begin, n * slot), min(i.end, (n + 1) * slot)
                amounts[n] = amounts.get(n, 0) + self.share(i, a, b)
                peaks[n] = max(peaks.get(n, 0), i.amount)
                n += 1
        covered = by_slot(spans.union([(i.begin, i.end) for i in self.intervals]), slot, lo, hi)
        guessed = by_slot(spans.union([(i.begin, i.end) for i in self.intervals if i.estimated]),
                          slot, lo, hi)
        return {n: (amounts[n], covered.get(n, 0), guessed.get(n, 0), peaks[n])
                for n in sorted(amounts)}

    gauge = False

    def share(self, i, a, b):
        if self.gauge:
            return i.amount * (b - a)
        upto = lambda t: i.amount * (t - i.begin) // (i.end - i.begin)
        return upto(b) - upto(a)


def by_slot(parts, slot, lo, hi):
    out = {}
    for a, b in spans.cut(parts, lo, hi):
        while a < b:
            n = a // slot
            end = min(b, (n + 1) * slot)
            out[n] = out.get(n, 0) + end - a
            a = end
    return out


@dataclass
class Instance:
    """A plugin instance of an agent."""
    interval: int = 0
    longest: int = 0           # of the intervals it polled at
    gaps: list = field(default_factory=list)       # (part, series, from, to)
    watched: list = field(default_factory=list)    # it polled all the while
    polled_to: int = None
    interrupted: bool = False
    day: int = 0
    forgotten: int = 0


@dataclass
class Stream:
    losses: int = 0
    sealed: int = 0
    watermark: int = 0
    kept: int = 0              # of the watermark, what the rater's own clock agreed with
    last: dict = field(default_factory=dict)       # instance → position of its last poll
    instants: dict = field(default_factory=dict)   # instance → last scheduled instant told
    infos: dict = field(default_factory=dict)      # series → [(from, labels)]


class Agent:
    """All streams of one agent, folded in the order of their receipt."""

    def __init__(self, name, series, slot):
        self.name, self.series, self.slot = name, series, slot
        self.instances, self.streams, self.views, self.anomalies = {}, {}, {}, []
        self.overfull = []  # (view, from, to, value): a gauge that held more than there is room for
        self.latest = FOR_EVER

    def apply(self, batch):
        stream = self.streams.setdefault(batch["life"], Stream())
        # The agent's clock may lead the rater's by a second; nothing stands later than that.
        self.latest = max(batch["received"] + SECOND, 1)
        if batch["kind"] == "stand_in":
            stream.losses += 1
            for name in stream.last.keys() | stream.instants.keys():
                self.instances[name].interrupted = True
        for entry in batch["entries"]:
            if entry["type"] == "info":
                stream.infos.setdefault(entry["series"], []).append((entry["from"], entry["labels"]))
                continue
            instance = self.instances.setdefault(entry["instance"], Instance())
            instance.interval = entry["interval"]
            instance.longest = max(instance.longest, instance.interval)
            if entry["type"] == "poll":
                self.poll(stream, instance, entry)
            else:
                self.gap(stream, instance, entry)
        self.seal(stream, batch["watermark"], batch["received"])

    def seal(self, stream, watermark, received):
        if watermark:
            stream.sealed = max(stream.sealed, min(watermark, self.latest))
            known = stream.sealed
            # Every instant before it is told: nobody is further than a beat from his last one.
            for name in stream.last.keys() | stream.instants.keys():
                beat = self.instances[name].interval
                known = min(known, max(stream.instants.get(name, 0), stream.sealed - beat))
            stream.watermark = max(stream.watermark, known)
            for view in self.views.values():
                for gauge in view.counters.values() if view.gauge else ():
                    if gauge.stream is stream and not gauge.ended:
                        self.hold(view, gauge, stream.sealed)
        stream.kept = max(stream.kept, min(stream.watermark, received))

    def gap(self, stream, instance, gap):
        a, b = min(gap["from"], self.latest), min(gap["to"], self.latest)
        instance.gaps.append((gap["part"], gap["series"], a, b))
        if gap["part"] == "all":
            instance.interrupted = True
            stream.instants[gap["instance"]] = max(stream.instants.get(gap["instance"], 0), b)

    def beat(self, instance):
        return instance.interval or self.slot

    # ---- polls

    def poll(self, stream, instance, poll):
        name = poll["instance"]
        told = poll["scheduled"] if poll["in_time"] else poll["wall"]
        last = stream.last.get(name, 0)
        at, forced = max(told, last), poll["stepped"] or told < last
        if at > self.latest:
            at, forced = max(self.latest, last), True
        at = stream.last[name] = max(at, 1)
        stream.instants[name] = max(stream.instants.get(name, 0), min(poll["scheduled"], self.latest))
        self.watch(instance, at)
        for number, epoch, start, value, own in sorted(poll["values"], key=self.order(poll)):
            view = self.view(name, number)
            self.tell_info(stream, view, at)
            reading = Reading(value, min(told, self.latest), at, min(poll["wall"], self.latest),
                              False, forced)
            if own:
                own = min(own, self.latest)
                reading = Reading(value, own, max(1, min(own, at)), own, True, False)
            self.value(stream, instance, view, epoch, start, reading, poll)
        for number, epoch, start in poll["ended"]:
            self.end(stream, self.view(name, number), epoch, at)
        if at // DAY != instance.day:
            self.forget(instance, name, at)

    @staticmethod
    def order(poll):
        return lambda v: v[0]

    def watch(self, instance, at):
        if instance.polled_to is None:
            instance.polled_to = at
        late = instance.interval > 0 and at - instance.polled_to > 2 * instance.interval
        if not instance.interrupted and not late and at > instance.polled_to:
            instance.watched.append((instance.polled_to, at))
        instance.interrupted = False
        instance.polled_to = max(instance.polled_to, at)

    def view(self, instance, number):
        view = self.views.get((instance, number))
        if view is None:
            view = self.views[instance, number] = View(self.name, instance, number)
            view.gauge = self.series[number]["gauge"]
        return view

    def tell_info(self, stream, view, at):
        """Info labels come into force with the first reading at or after their instant."""
        infos = stream.infos.get(view.series, [])
        if view.told is None or view.told[0] is not stream:
            view.told = (stream, 0)
        done = view.told[1]
        while done < len(infos) and infos[done][0] <= at:
            since, labels = infos[done]
            done += 1
            later = view.newest_labels is None or since >= view.newest_labels[0]
            if later and view.newest_labels and view.newest_labels[1] == labels:
                continue
            view.labels[since] = labels
            if later:
                view.newest_labels = (since, labels)
                self.tell_speed(view, since, labels)
        view.told = (stream, done)

    def tell_speed(self, view, since, labels):
        physical = not labels.get("kind", "")
        text = labels.get("capacity" if view.gauge else "speed", "")
        speed = int(text) if (physical or view.gauge) and text.isdigit() else 0
        if not view.speeds or view.speeds[-1][1] != speed:
            view.speeds.append((since, speed))

    def value(self, stream, instance, view, epoch, start, reading, poll):
        counter = view.counters.setdefault(epoch, Counter())
        begins = counter.at is None and start != 0
        if view.gauge:
            counts = self.gauge(stream, view, counter, reading)
        else:
            counts = self.count(stream, instance, view, counter, start, reading)
        if not counts:
            return
        since = min(start, reading.at) if begins else reading.at
        at = stream.last[poll["instance"]]
        fresh = view.seen == 0
        if view.first is None:  # what was there at its first poll decides whether it was born then
            view.first_poll, view.births = poll, []
        if view.first_poll is poll and counter.at is not None:
            view.births.append(since if begins else 0)
        view.first = at if view.first is None else min(view.first, at)
        view.last = at if view.last is None else max(view.last, at)
        ended = any(e[0] == view.series and e[1] == epoch for e in poll["ended"])
        if not (reading.own and ended):
            view.seen = max(view.seen, at)
        if not fresh and view.gone is None:
            return
        if reading.own and view.gone is not None and reading.at <= view.gone:
            return
        self.present(view, since)

    def present(self, view, since):
        if view.absences and view.absences[-1][1] is None:
            view.absences[-1][1] = max(view.absences[-1][0], since)
        view.gone = None

    def end(self, stream, view, epoch, at):
        counter = view.counters.setdefault(epoch, Counter())
        if counter.at is None or (at < counter.at and counter.stream is not stream):
            return
        if not counter.ended:
            if view.gauge:
                self.hold(view, counter, at)
            counter.ended = max(at, counter.at)
        if view.gone is None and view.seen < at:
            view.gone = at
            view.absences.append([at, None])

    def forget(self, instance, name, at):
        """An ended counter after a day, a silent one after a hundred."""
        instance.day = at // DAY
        for (owner, _), view in self.views.items():
            if owner != name:
                continue
            before = len(view.counters)
            for epoch, c in list(view.counters.items()):
                over = c.ended and c.ended + DAY <= at
                if c.at is not None and (over or c.at + 100 * DAY <= at):
                    instance.forgotten = max(instance.forgotten, c.at)
                    del view.counters[epoch]
            if before and not view.counters:
                view.seen, view.gone, view.newest_labels, view.speeds = 0, None, None, []
                view.told = None

    # ---- gauges

    def hold(self, view, gauge, to):
        if gauge.ended:
            return
        instance = self.instances[view.instance]
        to = min(to, gauge.at + 2 * self.beat(instance))
        gauge.begin = max(gauge.begin, instance.forgotten)
        if to > gauge.begin:
            most = self.most(view, gauge.begin, to)
            if most is not None and gauge.value > most:
                self.overfull.append((view, gauge.begin, to, gauge.value * (to - gauge.begin)))
            else:
                view.intervals.append(Interval(gauge.begin, to, gauge.value))
            gauge.begin = to

    def most(self, view, begin, end):
        """The highest that the labels of any part of a time allow. None = not known."""
        there = []
        for i, (since, most) in enumerate(view.speeds):
            until = view.speeds[i + 1][0] if i + 1 < len(view.speeds) else FOR_EVER
            if until > begin and (since <= end or i == 0):
                there.append(most)
        return max(there) if there and 0 not in there else None

    def gauge(self, stream, view, gauge, reading):
        if gauge.at is not None:
            if reading.raw < gauge.at and (gauge.stream is not stream or reading.own):
                return False
            self.hold(view, gauge, reading.at)
        gauge.stream, gauge.ended, gauge.value = stream, 0, reading.value
        gauge.at = max(gauge.at or 0, reading.at)
        gauge.begin = max(gauge.begin, gauge.at)
        return True
