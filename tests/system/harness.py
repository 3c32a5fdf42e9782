"""Starts, feeds, kills and asks real agents and raters. Every wait is for a condition, with a limit."""
import json
import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TALLYMAN_BUILD", ROOT / "build/dev"))
SANITIZED = "san" in BUILD.name
PATIENCE = 120 if SANITIZED else 60
BEAT = "500ms" if SANITIZED else "200ms"  # between two polls


def wait_for(what, condition, patience=PATIENCE):
    """Returns the first true value of condition(); fails with `what` when it never comes."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {patience} s in vain for {what}")


# What the plugins of these tests need.
GRANTS = {
    "netif": {"network": True, "paths": ["/proc/sys/kernel/random/boot_id"]},
    "sleeper": {"capabilities": ["CAP_DAC_READ_SEARCH"], "paths": ["@path"]},
}


class Daemon:
    """One process, in a network namespace if given one, with its standard error in a file; as another
    user (a uid, without groups) if given one."""

    def __init__(self, command, log, namespace=None, user=None):
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen([*prefix, *map(str, command)], stdout=out, stderr=out,
                                            stdin=subprocess.DEVNULL, user=user, group=user,
                                            extra_groups=None if user is None else [])

    def running(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, patience=20):
        """SIGTERM; returns the exit status."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(patience * (5 if SANITIZED else 1))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not end it: {self.tail()}")

    def tail(self):
        return pathlib.Path(self.log).read_text(errors="replace")[-4000:]


def toml(value):
    return json.dumps(value)


class Site:
    """One agent, one rater, their configuration and what they wrote."""

    def __init__(self, directory, port_file=None):
        self.directory = pathlib.Path(directory)
        self.bus = self.directory / "usage.jsonl"
        self.agent_socket = self.directory / "agent.sock"
        self.rater_socket = self.directory / "rater.sock"
        self.endpoint = f"ipc://{self.directory}/link"
        self.namespace = None  # of both, unless the rater has one of its own
        self.rater_namespace = None
        self.agent_user = None  # a uid, if not our own
        self.agent = self.rater = None
        self.others = []
        self.drop_ins = self.directory / "drop-ins"  # not there before a test makes it
        (self.directory / "plugins.d").mkdir()

    # ---- configuration ----

    def configure_agent(self, seal_after="300ms", endpoint=None, extra="", name="stor-01", rater="",
                        group_commit="100ms"):
        """`rater`: further lines under [rater]; `extra`: under [spool] and below."""
        (self.directory / "agent.toml").write_text(f"""
agent = {toml(name)}
state_directory = {toml(str(self.directory / 'state'))}
socket = {toml(str(self.agent_socket))}
plugin_directories = [{toml(str(BUILD / 'plugins'))}, {toml(str(BUILD / 'fault-plugins'))}]
drop_in_directories = [{toml(str(self.drop_ins))}]
plugin_host = {toml(str(BUILD / 'bin/tallyman-plugin-host'))}
[rater]
endpoint = {toml(endpoint or self.endpoint)}
{rater}
[spool]
seal_after = {toml(seal_after)}
group_commit = {toml(group_commit)}
{extra}
""")

    def plugin(self, instance, plugin=None, interval=BEAT, deadline=None, grants=None, **options):
        """An instance; its polls may take as long as they are apart, since these machines are shared."""
        deadline = deadline or interval
        grants = GRANTS.get(plugin or instance, {}) if grants is None else grants
        lines = [f"plugin = {toml(plugin or instance)}", f"interval = {toml(interval)}",
                 f"deadline = {toml(deadline)}", "[grants]"]
        lines += [f"{key} = {toml(value)}" for key, value in grants.items()]
        lines.append("[options]")
        lines += [f"{key} = {toml(value)}" for key, value in options.items()]
        (self.directory / "plugins.d" / f"{instance}.toml").write_text("\n".join(lines) + "\n")

    def configure_rater(self, slot="1s", automatic=True, grace="10m", extra=""):
        flag = "true" if automatic else "false"
        (self.directory / "rater.toml").write_text(f"""
ledger = {toml(str(self.directory / 'ledger.db'))}
listen = {toml(self.endpoint)}
socket = {toml(str(self.rater_socket))}
catalogue = {toml(str(self.directory / 'catalogue.toml'))}
slot = {toml(slot)}
{extra}
[close]
automatic = {flag}
grace = {toml(grace)}
[release]
automatic = {flag}
[bus]
type = "file"
file = {toml(str(self.bus))}
""")

    def catalogue(self, period="10s", customers=(("acme", {"interface": "va"}),), measure="volume",
                  direction="out"):
        text = f"""
currency = "EUR"
[billing]
period = {toml(period)}
[[meter]]
id = "transfer"
measure = {toml(measure)}
in = "netif_receive_bytes_total"
out = "netif_transmit_bytes_total"
direction = {toml(direction)}
unit = "MB"
[[plan]]
id = "basic"
[[plan.item]]
meter = "transfer"
allowance = "0.001"
price = "0.01"
"""
        for customer, match in customers:
            rules = ", ".join(f"{key} = {toml(value)}" for key, value in match.items())
            text += f"""
[[customer]]
id = {toml(customer)}
name = {toml(customer)}
plan = "basic"
[[resource]]
customer = {toml(customer)}
match = {{ {rules} }}
"""
        (self.directory / "catalogue.toml").write_text(text)

    # ---- processes ----

    def start_agent(self):
        self.agent = Daemon([BUILD / "bin/tallyman-agent", "--config", self.directory / "agent.toml"],
                            self.directory / "agent.log", self.namespace, self.agent_user)
        return self.agent

    def start_rater(self):
        self.rater = Daemon([BUILD / "bin/tallyman-rater", "--config", self.directory / "rater.toml"],
                            self.directory / "rater.log", self.rater_namespace or self.namespace)
        return self.rater

    def start(self):
        self.start_rater()
        self.start_agent()
        wait_for("the agent to be connected", self.connected)

    def connected(self):
        for daemon in (self.agent, self.rater):
            assert daemon.running(), daemon.tail()
        return (self.status() or {}).get("link", {}).get("state") == "connected"

    def close(self):
        for daemon in [self.agent, self.rater, *self.others]:
            if daemon and daemon.running():
                daemon.kill()

    # ---- questions ----

    def tallyman(self, *words, check=False):
        return subprocess.run([BUILD / "bin/tallyman", "--socket", self.agent_socket, *words],
                              capture_output=True, text=True, timeout=PATIENCE, check=check)

    def rater_command(self, *words):
        return subprocess.run([BUILD / "bin/tallyman-rater", "--socket", self.rater_socket, *words],
                              capture_output=True, text=True, timeout=PATIENCE)

    def status(self):
        """The agent's status document; nothing while it does not answer."""
        answer = self.tallyman("status", "--json")
        return json.loads(answer.stdout) if answer.returncode == 0 else None

    def plugin_status(self, instance):
        status = self.status() or {}
        return next((p for p in status.get("plugins", []) if p["instance"] == instance), None)

    def wait_running(self, instance):
        return wait_for(f"plugin {instance} to run", lambda: (
            (p := self.plugin_status(instance)) and p["state"] == "running" and p["readings"] > 0 and p))

    def events(self):
        if not self.bus.exists():
            return []
        lines = self.bus.read_text().split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def records(self, customer=None):
        return [event["data"] for event in self.events()
                if event["type"] == "tallyman.usage.record.v1"
                and customer in (None, event["subject"])]

    def record_of(self, customer, instant):
        """The released record of the period that holds the instant (seconds), once it is out."""
        return wait_for(f"the usage record of {customer}", lambda: next(
            (r for r in self.records(customer)
             if seconds_of(r["key"]["period"]["start"]) <= instant < seconds_of(r["key"]["period"]["end"])),
            None))


def seconds_of(rfc3339):
    from datetime import datetime
    return datetime.fromisoformat(rfc3339.replace("Z", "+00:00")).timestamp()


def begin_of_period(length, room):
    """Waits until at least `room` seconds are left of the running period; returns the instant."""
    # Half a second in: a poll stands at its scheduled instant, and runs a little later.
    wait_for("a fresh period", lambda: 0.5 <= time.time() % length <= length - room)
    return time.time()


class Namespaces:
    """tallyman-a and tallyman-b, joined by va and vb; addresses 10.204.0.1 and .2, neighbours fixed."""

    def __init__(self):
        self.a, self.b = f"tm-a-{os.getpid()}", f"tm-b-{os.getpid()}"
        for name in (self.a, self.b):
            self.run("ip", "netns", "add", name)
            self.run("ip", "netns", "exec", name, "sh", "-c",
                     "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6;"
                     "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
            self.run("ip", "-n", name, "link", "set", "lo", "up")
        self.join()

    @staticmethod
    def run(*words):
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def join(self, index=None):
        """Makes the veth; neighbours are fixed, so that no ARP frame is counted."""
        at = ["index", str(index)] if index else []
        self.run("ip", "link", "add", "va", "netns", self.a, *at, "type", "veth",
                 "peer", "name", "vb", "netns", self.b)
        for name, link, own, other in ((self.a, "va", "1", "2"), (self.b, "vb", "2", "1")):
            self.run("ip", "-n", name, "link", "set", link, "address", f"02:00:00:00:00:0{own}")
            self.run("ip", "-n", name, "addr", "add", f"10.204.0.{own}/30", "dev", link)
            self.run("ip", "-n", name, "link", "set", link, "up")
            self.run("ip", "-n", name, "neigh", "replace", f"10.204.0.{other}", "lladdr",
                     f"02:00:00:00:00:0{other}", "dev", link, "nud", "permanent")

    def part(self):
        self.run("ip", "-n", self.a, "link", "del", "va")

    def counter(self, link="va"):
        shown = json.loads(self.run("ip", "-n", self.a, "-s", "-j", "link", "show", link))
        return shown[0]["stats64"]["tx"]["bytes"]

    def index(self, link="va"):
        return json.loads(self.run("ip", "-n", self.a, "-j", "link", "show", link))[0]["ifindex"]

    def send(self, datagrams, size=1000, to="10.204.0.2"):
        """UDP from a to b: exactly (size + 42) bytes on the wire for each datagram."""
        before = self.counter()
        program = (f"import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
                   f"for i in range({datagrams}): s.sendto(bytes({size}),('{to}',9))\n")
        # The peer answers the closed port with ICMP, which va receives and never sends.
        self.run("ip", "netns", "exec", self.a, "/usr/bin/python3", "-c", program)
        assert self.counter() - before == datagrams * (size + 42), "the test's own traffic is not exact"
        return datagrams * (size + 42)

    def close(self):
        for name in (self.a, self.b):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
