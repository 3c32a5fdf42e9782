"""The model's catalogue: meters, plans, customers and resources, as conf/catalogue.toml explains them."""
import calendar
import datetime
import fnmatch
import tomllib
import zoneinfo
from fractions import Fraction

SECOND = 10**9
EVER, FOR_EVER = -(2**63), 2**63 - 1
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
LENGTHS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86400 * SECOND}
PREFIX = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15,
          "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}


def instant(when):
    """Nanoseconds since the epoch."""
    return (when - EPOCH) // datetime.timedelta(microseconds=1) * 1000


def text_of(ns):
    when = EPOCH + datetime.timedelta(microseconds=ns // 1000)
    fraction = f".{ns % SECOND:09}".rstrip("0") if ns % SECOND else ""
    return when.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def nanoseconds(text):
    """Of an instant as RFC 3339 writes it, in UTC."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(whole + "+00:00")
    return instant(seconds) + int(fraction.ljust(9, "0") or 0)


def scale_of(unit):
    """Base units (bytes, or bits per second) in one of a unit's."""
    for tail in ("bit/s", "B-month", "B"):
        if unit.endswith(tail):
            return PREFIX[unit.removesuffix(tail)]
    raise ValueError(unit)


def local_instant(zone, day, hour):
    """Of a time that clocks show twice the first, of one they leave out that of the change."""
    local = datetime.datetime(day.year, day.month, day.day, hour, tzinfo=zoneinfo.ZoneInfo(zone))
    return instant(local.astimezone(datetime.timezone.utc))


def month_start(zone, year, month, day=1, hour=0):
    """When a month begins by local time; where it has no such day, on its last one."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    last = calendar.monthrange(year, month)[1]
    return local_instant(zone, datetime.date(year, month, min(day, last)), hour)


def is_level(meter):
    """A level is not less for lasting shorter; volumes and byte-months add up over time."""
    return meter["measure"] not in ("volume", "time_weighted")


class Catalogue:
    def __init__(self, text):
        file = tomllib.loads(text)
        self.currency = file.get("currency", "EUR")
        billing = file.get("billing", {})
        self.period, self.zone = billing.get("period", "month"), billing.get("time_zone", "UTC")
        self.meters = {m["id"]: self.meter(m) for m in file.get("meter", [])}
        self.plans = {p["id"]: p for p in file.get("plan", [])}
        self.customers = {c["id"]: c for c in sorted(file.get("customer", []), key=lambda c: c["id"])}
        self.resources = file.get("resource", [])

    @staticmethod
    def meter(m):
        default = "max_of_p95" if m["measure"] == "p95" else "sum"
        return {"direction": default, "missing": "exclude", "hours": "actual", "aggregate": "sum",
                "plan_change": "segments", "snapshot_hour": 0, **m}

    def metrics(self):
        """Every metric that a meter names, in use or not."""
        return {m[key] for m in self.meters.values() for key in ("in", "out", "metric") if key in m}

    @staticmethod
    def metrics_of(m):
        """{name: role} of every metric a meter reads."""
        if "metric" in m:
            return {m["metric"]: "out"}
        roles = {}
        if m["direction"] != "in" and "out" in m:
            roles[m["out"]] = "out"
        if m["direction"] != "out" and "in" in m:
            roles[m["in"]] = "in"
        return roles

    def bounds(self, period, customer=None):
        """[from, to) of the period of that name, in a customer's zone or the catalogue's own."""
        if self.period != "month":
            length = int(self.period[:-1]) * LENGTHS[self.period[-1]]
            start = instant(datetime.datetime.fromisoformat(period.split("/")[0]))
            return start, start + length
        mine = customer or {}
        zone, day, hour = (mine.get("time_zone", self.zone), mine.get("anchor_day", 1),
                           mine.get("anchor_hour", 0))
        year, month = map(int, period.split("-"))
        if day != 1:  # named after the month that its last day lies in
            month -= 1
        return (month_start(zone, year, month, day, hour), month_start(zone, year, month + 1, day, hour))

    def month_seconds(self, bounds, customer):
        """Of the customer's month; where periods are none, of the calendar month of the middle."""
        if self.period == "month":
            return Fraction(bounds[1] - bounds[0], SECOND)
        zone = customer.get("time_zone", self.zone)
        middle = EPOCH + datetime.timedelta(microseconds=(bounds[0] + bounds[1]) // 2000)
        local = middle.astimezone(zoneinfo.ZoneInfo(zone))
        begin = month_start(zone, local.year, local.month)
        return Fraction(month_start(zone, local.year, local.month + 1) - begin, SECOND)

    def daily(self, customer, hour, bounds):
        """Instants in [from, to) at which the customer's clocks show that hour."""
        zone = customer.get("time_zone", self.zone)
        day = (EPOCH + datetime.timedelta(microseconds=bounds[0] // 1000)).date()
        day -= datetime.timedelta(days=2)
        out = []
        for n in range((bounds[1] - bounds[0]) // (86400 * SECOND) + 5):
            out.append(local_instant(zone, day + datetime.timedelta(days=n), hour))
        return [t for t in out if bounds[0] <= t < bounds[1]]

    def plans_of(self, customer, bounds):
        """[(plan, (from, to))] of those in force within the bounds, in their order."""
        spans = customer.get("plans") or [{"plan": customer["plan"]}]
        active = self.life(customer)
        out = []
        for i, each in enumerate(spans):
            since = instant(each["from"]) if "from" in each else EVER
            until = instant(each["to"]) if "to" in each else FOR_EVER
            if "to" not in each and i + 1 < len(spans) and "from" in spans[i + 1]:
                until = instant(spans[i + 1]["from"])
            since, until = max(since, active[0], bounds[0]), min(until, active[1], bounds[1])
            if since < until:
                out.append((self.plans[each["plan"]], (since, until)))
        return out

    @staticmethod
    def life(thing):
        """[from, to) in which a customer or a resource is one."""
        return (instant(thing["from"]) if "from" in thing else EVER,
                instant(thing["to"]) if "to" in thing else FOR_EVER)

    def claims(self, series, labels):
        """(customer, from, to) of every resource that a series with these info labels fits."""
        names = {**labels, **series["labels"], "source": series["source"], "metric": series["metric"]}
        out = []
        for r in self.resources:
            globs = r["match"]
            if all(k in names and fnmatch.fnmatchcase(names[k], g) for k, g in globs.items()):
                mine, theirs = self.life(r), self.life(self.customers[r["customer"]])
                out.append((r["customer"], max(mine[0], theirs[0]), min(mine[1], theirs[1])))
        return [c for c in out if c[1] < c[2]]


def shown(number, decimals):
    """Rounded half away from zero, without trailing zeros."""
    text = fixed(number, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(number, decimals):
    scaled = abs(number) * 10**decimals
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    sign = "-" if number < 0 and whole else ""
    digits = str(whole).rjust(decimals + 1, "0")
    return sign + digits[:-decimals] + "." + digits[-decimals:] if decimals else sign + digits


def rounded(number, decimals, rule="half_up"):
    """A half goes away from zero, to the even neighbour, or all goes up or down."""
    scaled = number * 10**decimals
    down = scaled.numerator // scaled.denominator
    rest = scaled - down
    if rule == "half_up":
        up = rest >= Fraction(1, 2)
    elif rule == "half_even":
        up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and down % 2 == 1)
    else:
        up = rule == "up" and rest > 0
    return Fraction(down + up, 10**decimals)


def floored(number, decimals):
    return fixed(Fraction(number.numerator * 10**decimals // number.denominator, 10**decimals), decimals)
