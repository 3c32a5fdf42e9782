"""What the tests of the NFS plugin share: an agent that meters a server, and what is billed of it."""
import json
import pathlib
import time

from harness import BUILD, Daemon, toml, wait_for

DAY = 86_400
ROOM = 200  # seconds that a test takes at most
CATALOGUE = """
currency = "EUR"
[billing]
period = "PERIOD"
[[meter]]
id = "written"
measure = "volume"
in = "nfs_written_bytes_total"
direction = "in"
unit = "B"
[[meter]]
id = "read"
measure = "volume"
out = "nfs_read_bytes_total"
direction = "out"
unit = "B"
[[meter]]
id = "nfsd-written"
measure = "volume"
in = "nfsd_written_bytes_total"
direction = "in"
unit = "B"
[[meter]]
id = "nfsd-read"
measure = "volume"
out = "nfsd_read_bytes_total"
direction = "out"
unit = "B"
[[meter]]
id = "stored"
measure = "time_weighted"
metric = "nfs_stored_bytes"
unit = "B-month"
[[plan]]
id = "basic"
"""


def catalogue(site, customers, period):
    """Customers by id with the labels of what is theirs."""
    text = CATALOGUE.replace("PERIOD", period)
    for meter in ("written", "read", "nfsd-written", "nfsd-read", "stored"):
        text += f'[[plan.item]]\nmeter = "{meter}"\nallowance = "0"\nprice = "0.01"\n'
    for customer, matches in customers.items():
        text += f'[[customer]]\nid = "{customer}"\nname = "{customer}"\nplan = "basic"\n'
        for match in matches:
            rules = ", ".join(f"{key} = {toml(value)}" for key, value in match.items())
            text += f'[[resource]]\ncustomer = "{customer}"\nmatch = {{ {rules} }}\n'
    (site.directory / "catalogue.toml").write_text(text)


def plugin_file(directory, server, interval="1s", user="nobody", plugin="nfs", **options):
    chosen = {"ganesha": {"bus": str(server.socket)}, "nfsd": {"folder": "", "server": ""}}
    for table, values in options.items():
        chosen.setdefault(table, {}).update(values)
    lines = [f"plugin = {toml(str(plugin))}", f"interval = {toml(interval)}", f"deadline = {toml(interval)}",
             "[limits]", "processes = 24", "[grants]", f"user = {toml(user)}",
             'paths = ["+@ganesha.bus", "@nfsd.folder", "@nfsd.server",',
             ' "/proc/sys/kernel/random/boot_id", "@stored.roots", "@stored.btrfs"]']
    for table, values in chosen.items():
        lines.append(f"[options.{table}]")
        lines += [f"{key} = {toml(value)}" for key, value in values.items()]
    (pathlib.Path(directory) / "plugins.d/nfs.toml").write_text("\n".join(lines) + "\n")


def metered(site, server, customers, period=None, **options):
    """Agent and rater on the server, once the plugin has polled. Only a period that is given ends, and
    closes by itself, during a test."""
    if not period:
        wait_for("a fresh day", lambda: DAY - time.time() % DAY > ROOM, patience=ROOM + 10)
    site.configure_agent()
    site.configure_rater(automatic=bool(period))
    catalogue(site, customers, period or "1d")
    plugin_file(site.directory, server, **options)
    site.start()
    follow(site)
    site.wait_running("nfs")
    return site


def follow(site):
    """Notes all that the agent tells from now on, for gap_of()."""
    site.followed = Daemon([BUILD / "bin/tallyman", "--socket", site.agent_socket, "readings", "-f",
                            "--json", "--plugin", "nfs"], site.directory / "readings.jsonl")
    site.others.append(site.followed)


def exact(site, customer, meter):
    """Billed bytes of the running period; None before there are any."""
    answer = site.rater_command("usage", "--json")
    if answer.returncode != 0:
        return None
    return next((int(record["exact"]["billed"]) for record in json.loads(answer.stdout)["usage"]
                 if (record["key"]["customer"], record["key"]["meter"]) == (customer, meter)), None)


def polled(site, times=2):
    before = site.plugin_status("nfs")["last_poll"]
    for _ in range(times):
        before = wait_for("another poll", lambda: (
            (p := site.plugin_status("nfs")) and p["last_poll"] > before and p["last_poll"]))


def billed(site, *expected):
    """Waits until what is billed is as expected: (customer, meter, bytes), each."""
    for customer, meter, size in expected:
        try:
            wait_for(f"{meter} of {customer} to be {size}",
                     lambda: exact(site, customer, meter) == size)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {exact(site, customer, meter)}") from None


def stays_billed(site, *expected):
    """And sees that it stays so when polls go on."""
    billed(site, *expected)
    polled(site)
    assert [exact(site, customer, meter) for customer, meter, _ in expected] == [
        size for _, _, size in expected]


def readings(site, metric=None):
    """The agent's latest readings."""
    answer = site.tallyman("readings", "--json", "--plugin", "nfs")
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    return [r for r in found if metric in (None, r.get("metric"))]


def told(site):
    """All that the agent told since metered(), in order: readings and gaps."""
    lines = pathlib.Path(site.followed.log).read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def gap_of(site, part):
    """The first reason of a gap that has these words."""
    return next((r["gap"] for r in told(site) if part in r.get("gap", "")), None)
