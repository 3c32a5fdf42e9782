"""What there is to be read in a random history: interfaces, buckets, hours, and how they live."""
from catalogue import SECOND


class Thing:
    """A series and its epochs. `live` moves it on, `read` is what a plugin sees of it."""

    def __init__(self, number, source, shared, metric, gauge, labels, info=(), resolution=0):
        self.number = number
        self.series = {"source": source, "shared": shared, "metric": metric, "gauge": gauge,
                       "labels": labels, "info": list(info), "resolution": resolution}
        self.labels, self.lives, self.last_good = {}, [], 0


class Interface(Thing):
    """A counter that grows, is reset, is re-created, and has a last value told late."""

    def __init__(self, r, number, agent, metric, index):
        super().__init__(number, f"host:{agent}", False, metric, False, {"ifindex": index},
                         ("interface", "kind", "speed"))
        self.labels = {"interface": f"eth{r.randrange(3)}", "kind": r.choice(["", "", "veth"]),
                       "speed": r.choice(["", "", "1", "10", "1000"])}
        self.scale = r.choice([10, 1000, 10**6, 2**40])
        self.idle = r.random() < 0.2

    def live(self, r, now, step):
        if r.random() < 0.01:
            name = r.choice(["interface", "speed"])
            self.labels = {**self.labels, name: {"interface": f"eth{r.randrange(3)}",
                                                 "speed": r.choice(["", "1", "10"])}[name]}
        for life in self.lives:
            if life["word"]:
                continue
            if not self.idle:
                life["value"] += r.randrange(self.scale) * step // (10 * SECOND)
            if r.random() < 0.005:
                life["value"] = r.choice([0, r.randrange(1000)])
            elif r.random() < 0.002:
                life["value"] += 10**12
            elif r.random() < 0.002:
                life["value"] -= min(life["value"], r.choice([1, 10**12]))
            life["value"] = min(life["value"], 2**64 - 1)
        if self.lives and r.random() < 0.01:
            if r.random() < 0.5 and not self.lives[0]["word"]:
                self.lives[0]["word"] = max(1, now - r.randrange(2 * step))
            else:
                self.lives.pop(0)
        if len(self.lives) < 3 and r.random() < (0.3 if not self.lives else 0.004):
            start = 0
            if r.random() < 0.6:
                start = r.choice([self.last_good, self.last_good, max(1, now - r.randrange(20 * step))])
            value = r.choice([0, r.randrange(self.scale), 2**64 - 1 - r.randrange(10**9)])
            self.lives.append({"epoch": r.randrange(2**64), "start": start, "word": 0,
                               "value": value if r.random() < 0.2 else r.randrange(1000)})

    def read(self, r, agent, now, poll):
        self.last_good = poll["scheduled"]
        out = [(l["epoch"], l["start"], l["value"], l["word"], l["word"]) for l in self.lives]
        self.lives = [l for l in self.lives if not l["word"]]
        return out


class Bucket(Thing):
    """A gauge of a shared source: several agents may read it, and may differ a little."""

    def __init__(self, r, number, name):
        super().__init__(number, "ceph:one", True, "bucket_bytes", True, {"bucket": name},
                         ("capacity", "owner"))
        self.labels = {"owner": r.choice("abc"), "capacity": self.capacity(r)}
        self.value, self.there, self.differ = r.randrange(10**12), r.random() < 0.8, r.random() < 0.1
        self.wrong, self.wrong_often = wrong(r), r.choice([1, 600, 3600, 10**6]) * SECOND

    def live(self, r, now, step):
        if r.random() < 0.3:
            self.value = max(0, self.value + r.randrange(-10**9, 10**9))
        if r.random() < 0.01:
            self.value = r.choice([0, r.randrange(2**63)])
        if r.random() < 0.01:
            self.there = not self.there
        if r.random() < 0.003:
            self.labels = {"owner": r.choice("abc"), "capacity": self.capacity(r)}

    @staticmethod
    def capacity(r):
        return r.choice(["", "", "much", str(10**12), str(10**15), str(r.randrange(10**12))])

    def read(self, r, agent, now, poll):
        if not self.there:
            return []
        value = self.value + (r.randrange(3) if self.differ else 0)
        if now % (3 * self.wrong_often) < self.wrong_often:
            value = value * self.wrong.get(agent.name, 100) // 100
        return [(0, 0, min(value, 2**64 - 1), 0, 0)]


class Pool(Thing):
    """A counter of a shared source. Some agents are told what it was a while ago, some what it is not."""

    def __init__(self, r, number, name, resolution):
        super().__init__(number, "ceph:one", True, "rgw_sent_bytes_total", False, {"bucket": name},
                         ("owner",), resolution)
        self.labels = {"owner": r.choice("abc")}
        self.scale, self.told = r.choice([0, 10, 10**6, 10**15]), [r.randrange(10**9)]
        self.stale, self.wrong = r.random() < 0.3, wrong(r)

    def live(self, r, now, step):
        grown = r.randrange(self.scale) if self.scale and r.random() < 0.7 else 0
        self.told = [*self.told[-3:], min(self.told[-1] + grown, 2**62)]

    def read(self, r, agent, now, poll):
        value = r.choice(self.told) if self.stale and r.random() < 0.2 else self.told[-1]
        return [(1, 0, value * self.wrong.get(agent.name, 100) // 100, 0, 0)]


def wrong(r):
    """Who reads how many hundredths of what there is."""
    return {name: r.choice([0, 50, 99, 101, 103, 120, 200, 1000]) for name in "abc" if r.random() < 0.4}


class Hours(Thing):
    """Usage in buckets of time that grow late, as RGW tells it: each an epoch that starts at its hour
    and gives its value the hour's end."""

    def __init__(self, r, number, bucket, length, resolution):
        super().__init__(number, "ceph:one", True, "rgw_sent_bytes_total", False, {"bucket": bucket},
                         ("owner",), resolution)
        self.labels = {"owner": r.choice("abc")}
        self.length, self.hours, self.now = length, {}, 0

    def live(self, r, now, step):
        self.now = now
        if r.random() < 0.5:
            hour = now // self.length * self.length
            if r.random() < 0.3 and self.hours:
                hour = r.choice(sorted(self.hours)[-3:])
            self.hours[hour] = self.hours.get(hour, 0) + r.randrange(10**6)

    def read(self, r, agent, now, poll):
        return [(h, h, v, h + self.length, 0) for h, v in sorted(self.hours.items())[-4:] if h > 0]


def things(r, plan):
    out = []
    for agent in plan.agents:
        for index in ["1", "2"][:r.choice([1, 1, 2])]:
            for metric in ("rx_bytes_total", "tx_bytes_total"):
                if r.random() < 0.8:
                    out.append(Interface(r, len(out), agent, metric, index))
    length = plan.slot * r.choice([1, 1, 2])
    resolution = r.choice([0, length])
    for name in ["b1", "b2"][:r.choice([0, 1, 2, 2])]:
        out.append(Bucket(r, len(out), name))
        if r.random() < 0.5:
            out.append(Pool(r, len(out), name + "-pool", resolution))
        if r.random() < 0.4:
            out.append(Hours(r, len(out), name, length, resolution))
    return out or [Bucket(r, 0, "b1")]


def readable(r, all_things, agent):
    """[(instance, things)]: its own host's, and shared ones where it has the plugin."""
    own = [t for t in all_things if t.series["source"] == f"host:{agent}"]
    shared = [t for t in all_things if t.series["shared"]]
    out = []
    if own:
        out.append(("netif", own))
    if shared and (not own or r.random() < 0.85):
        out.append(("ceph", shared))
        if r.random() < 0.15:
            out.append(("ceph2", r.sample(shared, 1)))
    return out or [("netif", [])]
