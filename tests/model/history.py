"""Random histories: what agents read, lost, guessed and sent, as plain JSON that the rater's driver
(rate_history.cpp) and the model take alike. The same seed gives the same history."""
import random

import contracts
import decisions
import spells
import world
from catalogue import SECOND
from spells import DAY, HOUR


def make(seed):
    r = random.Random(seed)
    plan = spells.make(r)
    history = {"seed": seed, "slot": plan.slot, "begin": plan.begin,
               "batches_per_tick": r.choice([1, 2, 7, 64, 1000])}
    things = world.things(r, plan)
    history["series"] = [t.series for t in things]
    agents = [Agent(r, plan, name, things, world.readable(r, things, name)) for name in plan.agents]
    step = min(i.interval for a in agents for i in a.instances)
    now = plan.begin
    while now < plan.end + 3 * step:
        for thing in things:
            thing.live(r, now, step)
        for agent in agents:
            agent.tick(now)
        now += step
    for agent in agents:
        agent.finish(now)
    history["catalogue"] = contracts.make(r, plan, things)
    history["periods"] = plan.periods
    history["close_at"] = now + 60 * DAY
    history["deliveries"] = sorted((d for a in agents for d in a.sent), key=lambda d: d["received"])
    history["orders"] = orders(r, history["deliveries"])
    history["decisions"] = decisions.make(seed, plan, things, history["catalogue"])
    return history


def orders(r, deliveries):
    """The order as it was, and others: streams interleaved anew, batches sent again, derived between.

    Of one agent the order of receipt stays: its incarnations tell of the same counters."""
    out = [with_repeats(r, range(len(deliveries)), 0.1)]
    for _ in range(r.choice([0, 0, 1, 2])):
        queues = {}
        for i, d in enumerate(deliveries):
            queues.setdefault(d["agent"], []).append(i)
        mixed = []
        while queues:
            agent = r.choice(sorted(queues))
            for _ in range(r.randrange(1, 6)):
                if queues[agent]:
                    mixed.append(queues[agent].pop(0))
            if not queues[agent]:
                del queues[agent]
        out.append(with_repeats(r, mixed, r.choice([0, 0.3])))
    return out


def with_repeats(r, order, share):
    steps, before = [], []
    for i in order:
        steps.append(i)
        before.append(i)
        while r.random() < share:
            steps.append(r.choice(before))
        if r.random() < 0.2:
            steps.append("derive")
    return steps


class Instance:
    def __init__(self, r, plan, name, things):
        self.name, self.things = name, things
        self.interval = r.choice(plan.intervals)
        self.present, self.last, self.stepped, self.told = [], 0, False, {}
        self.next = 0


class Agent:
    """Polls its plugin instances, writes batches, loses some, is born again."""

    def __init__(self, r, plan, name, things, mine):
        self.r, self.plan, self.name = r, plan, name
        self.instances = [Instance(r, plan, n, part) for n, part in mine]
        self.steps = r.random() < 0.3
        self.ahead = r.random() < 0.1
        self.offset = r.choice([0, 0, 0, 1]) * r.randrange(-SECOND, SECOND)
        self.silent_from = plan.begin + r.randrange(2 * (plan.end - plan.begin)) \
            if r.random() < 0.15 else None
        self.sent, self.late, self.pending, self.told_to = [], [], [], 0
        self.life, self.entries, self.hold_back = 1, [], r.randrange(3)
        self.imported = False
        self.opened = plan.begin

    def tick(self, now):
        r = self.r
        if self.silent_from is not None and now >= self.silent_from:
            return
        if self.steps and r.random() < 0.01:
            self.offset += r.randrange(-8, 8) * r.choice(self.instances).interval // 2
            for i in self.instances:
                i.stepped = True
        if r.random() < 0.003:
            self.born_again(now)
        for i in self.instances:
            if now >= i.next:
                i.next = now + i.interval
                self.poll(i, now)
        if r.random() < self.plan.seal_often:
            self.seal(now)
        self.send_late(0.1)

    def poll(self, i, now):
        r = self.r
        wall = max(now + self.offset, SECOND)
        scheduled = wall // i.interval * i.interval
        head = {"instance": i.name, "interval": i.interval}
        if r.random() < 0.04:
            self.entries.append({"type": "gap", **head, "part": "all", "series": 0,
                                 "from": scheduled, "to": scheduled})
            i.last = max(i.last, scheduled)
            return
        in_time = r.random() < 0.95
        late = r.randrange(SECOND) if in_time else r.randrange(i.interval)
        poll = {"type": "poll", **head, "scheduled": scheduled, "wall": scheduled + late,
                "boot": now - self.plan.begin + HOUR + late, "in_time": in_time,
                "stepped": i.stepped and r.random() < 0.7, "values": [], "ended": []}
        i.stepped = False
        self.told_to = max(self.told_to + 1, scheduled if in_time else poll["wall"])
        self.fill(i, poll, now)
        i.last = max(i.last, scheduled)
        self.entries.append(poll)

    def fill(self, i, poll, now):
        r = self.r
        missing, part = None, None
        if r.random() < 0.04 and i.things:
            missing, part = r.choice(i.things), r.choice(["source", "metric", "series"])
            self.entries.append({"type": "gap", "instance": i.name, "interval": i.interval,
                                 "part": part, "series": missing.number,
                                 "from": poll["scheduled"], "to": poll["scheduled"]})
        present, excused = [], []
        for thing in i.things:
            lost = missing is not None and (thing is missing if part == "series" else
                                            thing.series[part] == missing.series[part])
            if lost:
                excused += [p for p in i.present if p[0] == thing.number]
                continue
            self.tell_info(i, thing, poll)
            for epoch, start, value, own, goes in thing.read(r, self, now, poll):
                poll["values"].append([thing.number, epoch, start, value, own])
                if not goes:
                    present.append([thing.number, epoch, start])
        poll["ended"] = [p for p in i.present if p not in present and p not in excused]
        i.present = present + excused

    def tell_info(self, i, thing, poll):
        labels = thing.labels
        if labels and i.told.get(thing.number) != labels:
            i.told[thing.number] = dict(labels)
            # Labels are told of no time before what was read already: nothing would tell which of
            # the readings since had them.
            self.entries.append({"type": "info", "series": thing.number, "from": self.told_to,
                                 "labels": dict(labels)})

    def seal(self, now):
        r = self.r
        watermark = 0
        if r.random() < 0.95:
            watermark = min(i.last + (0 if self.steps else i.interval) for i in self.instances)
        received = now + (r.randrange(30 * SECOND) if not self.ahead else 0)
        batch = {"agent": self.name, "life": self.life, "kind": "normal", "opened": self.opened,
                 "received": received, "watermark": max(watermark, 0),
                 "cuts": r.randrange(2**32), "entries": self.entries, "imported": self.imported}
        if r.random() < 0.02:
            batch.update(kind="stand_in", count=r.randrange(1, 4), overlap=r.choice([0, 0, 1, 2]),
                         entries=[], watermark=0)
        elif r.random() < 0.03:
            batch.update(kind="thinned", entries=self.thin(self.entries))
        self.entries, self.opened = [], max(now, self.opened)
        self.pending.append(batch)
        if len(self.pending) > self.hold_back:
            self.give(self.pending.pop(0), now)

    def thin(self, entries):
        """Fewer readings: what ends or is stepped stays."""
        return [e for e in entries if e["type"] != "poll" or e["ended"] or e["stepped"]
                or self.r.random() < 0.5]

    def born_again(self, now):
        """A new incarnation: what the old one has not sent comes late, or never."""
        self.seal(now)
        self.late += self.pending
        self.pending, self.life, self.opened = [], self.life + 1, now
        self.imported = self.r.random() < 0.1
        for i in self.instances:
            i.present, i.told = [], {}

    def give(self, batch, now):
        batch["received"] = max(batch["received"], now,
                                self.sent[-1]["received"] if self.sent else 0)
        self.sent.append(batch)

    def send_late(self, chance):
        if self.late and self.r.random() < chance:
            self.give(self.late.pop(0), self.sent[-1]["received"] if self.sent else 0)

    def finish(self, now):
        self.seal(now)
        while self.late:
            self.send_late(1)
        for batch in self.pending:
            self.give(batch, batch["received"])
        # Nothing is known of an agent before its first batch.
        self.sent = [b for b in self.sent if b["entries"] or b["kind"] == "stand_in" or b["watermark"]]
