"""Keys for agents and raters, and a raw ZeroMQ client that speaks their messages, well or badly."""
import json
import os
import subprocess
import sqlite3

import zmq
import zmq.utils.z85

from harness import BUILD, toml, wait_for

WELCOME, ACK, REFUSED = 17, 18, 19
MALFORMED, NO_SESSION, FENCED, DIVERGED, OUT_OF_ORDER, OTHER_LEDGER, REVOKED, PENDING, BUSY, OTHER_AGENT = range(1, 11)


def new_key(program, path):
    """A key pair made by the program itself; its public half."""
    made = subprocess.run([BUILD / f"bin/{program}", "key", "new", "--out", path],
                          capture_output=True, text=True, check=True)
    return made.stdout.splitlines()[0]


def encrypt(site, endpoint=None, **agent):
    """Keys for both sides of a site, and the configuration that uses them; the agent's public key."""
    site.rater_key = new_key("tallyman-rater", site.directory / "rater.key")
    site.agent_key = new_key("tallyman", site.directory / "agent.key")
    site.endpoint = endpoint or site.endpoint
    site.configure_agent(rater=f"rater_key = {toml(site.rater_key)}", **agent)
    site.configure_rater(extra='key = "rater.key"')
    site.catalogue()
    return site.agent_key


def decide(site, *words):
    """A decision at the rater that must succeed; its answer."""
    if words[0] != "ls" and "--why" not in words:
        words += ("--why", "the test has it so")
    done = site.rater_command("agent", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def start_rater(site):
    """Starts it, and waits until it answers; its status."""
    site.start_rater()
    answer = wait_for("the rater to answer", lambda: (
        (a := site.rater_command("status", "--json")).returncode == 0 and a.stdout))
    return json.loads(answer)


def keys_of(site, *words):
    return decide(site, "ls", *words)["keys"]


def link_of(site):
    return (site.status() or {}).get("link", {})


def acknowledged(site):
    return link_of(site).get("acknowledged", 0)


def wait_progress(site, batches=3):
    """Waits until the rater has acknowledged so many more batches of the agent."""
    before = acknowledged(site)
    return wait_for("the honest agent's batches to be acknowledged",
                    lambda: acknowledged(site) >= before + batches)


def rows(path, query, *values):
    ledger = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return ledger.execute(query, values).fetchall()
    finally:
        ledger.close()


def raw_batches(path, agent):
    """Every batch of an agent that a ledger holds, as it came: (incarnation, sequence, bytes)."""
    out = []
    for stream, incarnation in rows(path, "SELECT id, incarnation FROM stream WHERE agent = ?", agent):
        for (table,) in rows(path, "SELECT name FROM sqlite_master WHERE name GLOB 'raw_2*'"):
            out += [(incarnation, sequence, content) for sequence, content in rows(
                path, f"SELECT sequence, bytes FROM {table} WHERE stream = ? ORDER BY sequence", stream)]
    return sorted(out, key=lambda row: row[1])


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def text(value):
    return varint(len(value)) + value.encode()


def hello(agent, incarnation=bytes(16), token=0, ledger=0):
    return (b"\1\1" + text(agent) + incarnation + token.to_bytes(8, "little")
            + ledger.to_bytes(8, "little") + bytes(8) + bytes(8) + text("hostile 1"))


def batch(token, content):
    return b"\1\3" + token.to_bytes(8, "little") + varint(len(content)) + content


def heartbeat(token):
    return b"\1\4" + token.to_bytes(8, "little") + bytes(16)


class Client:
    """A DEALER with a key pair, or plain without."""

    def __init__(self, context, endpoint, server=None, pair=None):
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.sndtimeo = self.socket.rcvtimeo = 20000
        if server:
            self.socket.curve_publickey, self.socket.curve_secretkey = pair or zmq.curve_keypair()
            self.socket.curve_serverkey = server.encode()
        self.socket.connect(endpoint)

    def send(self, *frames):
        self.socket.send_multipart(list(frames))

    def try_send(self, *frames):
        """False where a plain client has no connection that takes it, or the queue is full."""
        try:
            self.socket.send_multipart(list(frames), zmq.NOBLOCK)
            return True
        except zmq.Again:
            return False

    def answer(self):
        return self.socket.recv()

    def ask(self, *frames):
        self.send(*frames)
        return self.answer()

    def refused(self, *frames):
        """The reason of the refusal that must come."""
        answer = self.ask(*frames)
        assert answer[1] == REFUSED, answer
        return answer[2]

    def welcome(self, message):
        """The token that a hello must be given."""
        answer = self.ask(message)
        assert answer[1] == WELCOME, answer
        return int.from_bytes(answer[10:18], "little")

    def silent(self, milliseconds=300):
        return self.socket.poll(milliseconds) == 0

    def close(self):
        self.socket.close(0)


def pair_of(path):
    """The pair in a key file, as pyzmq wants it."""
    lines = dict(line.split(" = ") for line in path.read_text().splitlines() if " = " in line)
    return tuple(lines[half].strip('"').encode() for half in ("public", "secret"))


def many_descriptors():
    """A thousand connections need as many in this process."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    return os.getpid()
