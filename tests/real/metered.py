"""What the tests of the Ceph plugin share: agents that meter a cluster, and what is billed of it."""
import json
import os
import pathlib
import pwd
import time
import uuid

from ceph_cluster import METER
from harness import BUILD, Daemon, PATIENCE, toml, wait_for

NOBODY = pwd.getpwnam("nobody").pw_uid
DAY = 86_400
ROOM = 300  # seconds that a test takes at most


def keys_in_words(keys=METER):
    return f'access_key = "{keys[0]}"\nsecret_key = "{keys[1]}"\n'


def key_file(cluster, keys=METER):
    """A file that only the plugin's user can read."""
    path = cluster.folder / "keys" / uuid.uuid4().hex
    path.write_text(keys_in_words(keys))
    path.chmod(0o600)
    os.chown(path, NOBODY, NOBODY)
    return path


def options(cluster, **more):
    chosen = {"fsid": cluster.fsid, "rgw.endpoints": [cluster.rgw],
              "rgw.credentials": str(key_file(cluster)), "rgw.flush": 5, "mgr.scrape_interval": 1,
              "mgr.endpoints": [cluster.mgr(name) for name in cluster.mgrs]}
    chosen.update(more)
    return {f'"{key}"': value for key, value in chosen.items() if value is not None}


def flattened(chosen):
    """As TOML wants them: a table for each prefix."""
    tables = {}
    for key, value in chosen.items():
        prefix, _, last = key.strip('"').rpartition(".")
        tables.setdefault(prefix, {})[last] = value
    return {**tables.pop("", {}), **tables}


def plugin_file(directory, cluster, interval="1s", deadline=None, plugin="ceph", **more):
    lines = [f"plugin = {toml(plugin)}", f"interval = {toml(interval)}",
             f"deadline = {toml(deadline or interval)}", "[limits]", 'memory = "256MiB"', "[grants]",
             "network = true", 'user = "nobody"', 'paths = ["@rgw.credentials", "@ca_file"]',
             "[options]"]
    for key, value in flattened(options(cluster, **more)).items():
        if isinstance(value, dict):
            inner = ", ".join(f"{name} = {toml(each)}" for name, each in value.items())
            lines.append(f"{key} = {{ {inner} }}")
        else:
            lines.append(f"{key} = {toml(value)}")
    (pathlib.Path(directory) / "plugins.d/ceph.toml").write_text("\n".join(lines) + "\n")


CATALOGUE = """
currency = "EUR"
[billing]
period = "PERIOD"
[[meter]]
id = "received"
measure = "volume"
in = "ceph_rgw_received_bytes_total"
direction = "in"
unit = "B"
[[meter]]
id = "sent"
measure = "volume"
out = "ceph_rgw_sent_bytes_total"
direction = "out"
unit = "B"
[[meter]]
id = "stored"
measure = "peak"
metric = "ceph_bucket_bytes"
unit = "B"
[[meter]]
id = "written"
measure = "volume"
in = "ceph_rbd_written_bytes_total"
direction = "in"
unit = "B"
[[plan]]
id = "basic"
"""


def catalogue(site, customers, period):
    """Customers by id with the labels of what is theirs."""
    text = CATALOGUE.replace("PERIOD", period)
    for meter in ("received", "sent", "stored", "written"):
        text += f'[[plan.item]]\nmeter = "{meter}"\nallowance = "0"\nprice = "0.01"\n'
    for customer, matches in customers.items():
        text += f'[[customer]]\nid = "{customer}"\nname = "{customer}"\nplan = "basic"\n'
        for match in matches:
            rules = ", ".join(f"{key} = {toml(value)}" for key, value in match.items())
            text += f'[[resource]]\ncustomer = "{customer}"\nmatch = {{ {rules} }}\n'
    (site.directory / "catalogue.toml").write_text(text)


def metered(site, cluster, customers, automatic=False, **more):
    """Agent and rater on the cluster, once the plugin has polled. Only a period that is to close by itself
    ends during a test."""
    if not automatic:
        wait_for("a fresh day", lambda: DAY - time.time() % DAY > ROOM, patience=ROOM + 10)
    site.configure_agent()
    site.configure_rater(automatic=automatic)
    catalogue(site, customers, "1h" if automatic else "1d")
    plugin_file(site.directory, cluster, **more)
    site.start()
    follow(site)
    site.wait_running("ceph")
    return site


def follow(site):
    """gaps() has, beside what it had, what the agent that runs says from now on."""
    site.follower = Follower(site)
    site.others.append(site.follower)


def usage(site, customer, meter):
    """The record that a close would make of the running period; None before there is one."""
    answer = site.rater_command("usage", "--json")
    if answer.returncode != 0:
        return None
    return next((record for record in json.loads(answer.stdout)["usage"]
                 if (record["key"]["customer"], record["key"]["meter"]) == (customer, meter)), None)


def readings(site, metric=None):
    """The agent's latest readings."""
    answer = site.tallyman("readings", "--json", "--plugin", "ceph")
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    return [r for r in found if metric in (None, r.get("metric"))]


def gaps(site):
    """What polls said, since metered(), of parts that gave nothing: reasons by source, in order."""
    lines = site.follower.tail_of_all().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    return [(r.get("source", ""), r["gap"]) for r in found if "gap" in r]


class Follower(Daemon):
    """`readings -f` of a site's agent, into a file."""

    def __init__(self, site):
        super().__init__([BUILD / "bin/tallyman", "--socket", site.agent_socket, "readings", "-f",
                          "--json", "--plugin", "ceph"], site.directory / "readings.jsonl")

    def tail_of_all(self):
        return pathlib.Path(self.log).read_text()


__all__ = ["BUILD", "Daemon", "NOBODY", "PATIENCE", "catalogue", "follow", "gaps", "key_file", "keys_in_words",
           "metered", "plugin_file", "readings", "usage", "wait_for"]
