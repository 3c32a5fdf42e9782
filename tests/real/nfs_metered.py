"""What the tests of the NFS plugin share: an agent that meters a server, and what is billed of it."""
import json
import pathlib

from harness import BUILD, Daemon, toml, wait_for

CATALOGUE = """
currency = "EUR"
[billing]
period = "1h"
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
id = "stored"
measure = "peak"
metric = "nfs_stored_bytes"
unit = "B"
[[plan]]
id = "basic"
"""


def catalogue(site, customers):
    """Customers by id with the labels of what is theirs."""
    text = CATALOGUE
    for meter in ("written", "read", "stored"):
        text += f'[[plan.item]]\nmeter = "{meter}"\nallowance = "0"\nprice = "0.01"\n'
    for customer, matches in customers.items():
        text += f'[[customer]]\nid = "{customer}"\nname = "{customer}"\nplan = "basic"\n'
        for match in matches:
            rules = ", ".join(f"{key} = {toml(value)}" for key, value in match.items())
            text += f'[[resource]]\ncustomer = "{customer}"\nmatch = {{ {rules} }}\n'
    (site.directory / "catalogue.toml").write_text(text)


def plugin_file(directory, server, interval="1s", user="nobody", **options):
    chosen = {"ganesha": {"bus": str(server.socket)}, "nfsd": {"folder": "", "server": ""}}
    for table, values in options.items():
        chosen.setdefault(table, {}).update(values)
    lines = ['plugin = "nfs"', f"interval = {toml(interval)}", f"deadline = {toml(interval)}",
             "[limits]", "processes = 24", "[grants]", f"user = {toml(user)}",
             'paths = ["+@ganesha.bus", "@nfsd.folder", "@nfsd.server",',
             ' "/proc/sys/kernel/random/boot_id", "@stored.roots", "@stored.btrfs"]']
    for table, values in chosen.items():
        lines.append(f"[options.{table}]")
        lines += [f"{key} = {toml(value)}" for key, value in values.items()]
    (pathlib.Path(directory) / "plugins.d/nfs.toml").write_text("\n".join(lines) + "\n")


def metered(site, server, customers, **options):
    """Agent and rater on the server, once the plugin has polled."""
    site.configure_agent()
    site.configure_rater(automatic=False)
    catalogue(site, customers)
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


def polled(site, times=3):
    before = site.plugin_status("nfs")["last_poll"]
    for _ in range(times):
        before = wait_for("another poll", lambda: (
            (p := site.plugin_status("nfs")) and p["last_poll"] > before and p["last_poll"]))


def billed(site, customer, meter, expected):
    """Waits until it is so, and sees that it stays so when polls go on."""
    try:
        wait_for(f"{meter} of {customer} to be {expected}",
                 lambda: exact(site, customer, meter) == expected)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {exact(site, customer, meter)}") from None
    polled(site)
    assert exact(site, customer, meter) == expected


def readings(site, metric=None):
    """The agent's latest readings."""
    answer = site.tallyman("readings", "--json", "--plugin", "nfs")
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    return [r for r in found if metric in (None, r.get("metric"))]


def gap_of(site, part):
    """The first reason of a gap that has these words."""
    lines = pathlib.Path(site.followed.log).read_text().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    return next((r["gap"] for r in found if part in r.get("gap", "")), None)
