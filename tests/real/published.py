"""A rater with many customers that publishes to RabbitMQ, and what its ledger says it released."""
import datetime
import json
import sqlite3
import subprocess

from harness import BUILD, PATIENCE, toml, wait_for
from rabbit import PASSWORD, USER

BEGIN = 1_790_000_000 // 86_400 * 86_400  # a midnight in September 2026
STATES = ("connecting", "connected", "blocked", "unconfirmed", "returned", "nacked", "down", "refused")


def period_name(n):
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=BEGIN + n * 3600)
    return f"{at.isoformat()}Z/1h"


class Publisher:
    """The rater of a site. Each hour since BEGIN is a period with a record for each customer."""

    def __init__(self, site, customers=40):
        self.site, self.customers, self.released = site, customers, 0
        site.configure_rater(slot="1m", automatic=False)
        site.catalogue(period="1h", customers=[(f"customer-{n:04}", {"interface": f"eth{n}"})
                                               for n in range(customers)])
        self.file = site.directory / "rater.toml"
        self.plain = self.file.read_text()
        self.password = site.directory / "bus.password"
        self.password.write_text(PASSWORD + "\n")
        self.password.chmod(0o600)

    def configure(self, nodes, **more):
        keys = {"type": "amqp", "nodes": list(nodes), "user": USER, "password_file": str(self.password),
                "heartbeat": "2s", **more}
        lines = "\n".join(f"{key} = {toml(value)}" for key, value in keys.items())
        self.file.write_text(self.plain.replace('type = "file"', lines))

    def start(self):
        self.site.start_rater()
        wait_for("the rater", lambda: self.site.rater_command("status").returncode == 0)

    def check(self):
        """`--check`: its exit status, and what it says on stderr."""
        done = subprocess.run([BUILD / "bin/tallyman-rater", "--config", self.file, "--check"],
                              capture_output=True, text=True, timeout=PATIENCE)
        assert PASSWORD not in done.stdout + done.stderr
        return done.returncode, done.stderr

    def ask(self, *words):
        answer = self.site.rater_command(*words, "--json")
        assert answer.returncode == 0, (words, answer)
        return json.loads(answer.stdout)

    def bus(self):
        """The outbox as status shows it; nothing while the rater does not answer."""
        answer = self.site.rater_command("status", "--json")
        if answer.returncode != 0:
            return None
        outbox = json.loads(answer.stdout)["billing"]["outbox"]
        assert outbox["state"] in STATES, outbox
        assert PASSWORD not in answer.stdout
        return outbox

    def wait_state(self, *names):
        return wait_for(f"the bus to be {names}", lambda: (b := self.bus()) and b["state"] in names and b)

    def wait_empty(self):
        # A queue that is deleted while it is written to may leave a connection without confirms: the rater
        # gives such a one up after a minute.
        return wait_for("the outbox to be empty", lambda: (b := self.bus()) and b["waiting"] == 0 and b, 150)

    def release(self, periods=1):
        """Imports, closes and releases so many periods more; their names."""
        names = []
        lines = ["source,metric,slot,seconds,bytes,coverage,labels,info"]
        for n in range(self.released, self.released + periods):
            at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=BEGIN + n * 3600)
            lines += [f"host:old-01,netif_transmit_bytes_total,{at.isoformat()}Z,60,"
                      f"{5_000_000 * (n + 1) + c},1,ifindex={c + 1},interface=eth{c}" for c in range(self.customers)]
            names.append(period_name(n))
        file = self.site.directory / f"slots-{self.released}.csv"
        file.write_text("\n".join(lines) + "\n")
        self.ask("import", "--kind", "slots", "--agent", "old-01", "--why", "a test", str(file))
        for name in names:
            self.ask("close", name, "--why", "a test")
            self.ask("release", name, "--why", "a test")
        self.released += periods
        return names

    def adjust(self, n=0):
        """Imports more of a released period for every third customer, and releases what comes of it."""
        at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=BEGIN + n * 3600 + 120)
        lines = ["source,metric,slot,seconds,bytes,coverage,labels,info"]
        lines += [f"host:old-01,netif_transmit_bytes_total,{at.isoformat()}Z,60,{7_000_000 + c},1,"
                  f"ifindex={c + 1},interface=eth{c}" for c in range(0, self.customers, 3)]
        file = self.site.directory / "late.csv"
        file.write_text("\n".join(lines) + "\n")
        self.ask("import", "--kind", "slots", "--agent", "old-01", "--why", "a test", str(file))
        wait_for("the adjustments", lambda: self.ask("review", period_name(n))["adjustments"])
        self.ask("release", period_name(n), "--why", "late usage")

    def ledger(self):
        """Every event that is released, by its id, byte for byte."""
        with sqlite3.connect(f"file:{self.site.directory / 'ledger.db'}?mode=ro", uri=True) as ledger:
            rows = ledger.execute("SELECT r.id, r.body FROM record r JOIN period p ON p.id = r.period"
                                  " WHERE p.state = 2 UNION ALL SELECT a.id, a.body FROM adjustment a JOIN"
                                  " adjustment_round r USING(period, revision) WHERE r.state = 2").fetchall()
        return {row[0]: row[1].encode() for row in rows}

    def reconcile(self, invoices, n=0):
        return self.reconcile_name(invoices, period_name(n))

    def reconcile_name(self, invoices, name):
        """Hands the invoice system's list to `reconcile`; what it says of a period."""
        file = self.site.directory / "received.csv"
        file.write_text(invoices.received_csv())
        done = subprocess.run([BUILD / "bin/tallyman-rater", "reconcile", name, "--json", "--ledger",
                               self.site.directory / "ledger.db", "--received", file],
                              capture_output=True, text=True, timeout=PATIENCE)
        answer = json.loads(done.stdout)
        assert done.returncode == (1 if answer["findings"] else 0), done
        return answer

    def same_as(self, invoices):
        """Waits until all is confirmed and taken, then compares."""
        self.wait_empty()
        expected = self.ledger()
        assert expected, "nothing was released"
        wait_for("the invoice system to have taken everything",
                 lambda: expected.keys() <= invoices.taken().keys())
        assert invoices.taken() == expected
        assert invoices.alarms == []


def tcp(node):
    return f"127.0.0.1:{node.port}"
