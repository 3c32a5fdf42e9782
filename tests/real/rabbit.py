"""RabbitMQ of its own for a test: nodes in a folder, on loopback, without systemd."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

PATH = "/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USER, PASSWORD = "tallyman", "s3cret of the bus"
EXCHANGE = "tallyman.usage"


def missing():
    """The programs that are not installed."""
    return [name for name in ("rabbitmq-server", "rabbitmqctl", "epmd", "openssl")
            if shutil.which(name, path=PATH) is None]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, patience=120):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {patience} s in vain for {what}")


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Node:
    """One RabbitMQ. Owns its processes, which are a session of their own."""

    def __init__(self, folder, name, epmd, certificates=None):
        self.name = f"{name}@localhost"
        self.folder = pathlib.Path(folder) / name
        self.port, self.tls_port, self.dist = free_port(), free_port(), free_port()
        self.process = None
        for part in ("mnesia", "log", "home", "run"):
            (self.folder / part).mkdir(parents=True)
        cookie = self.folder / "home/.erlang.cookie"
        cookie.write_text("TALLYMANTALLYMANTALL")
        cookie.chmod(0o400)
        lines = [f"listeners.tcp.1 = 127.0.0.1:{self.port}", "loopback_users.guest = true",
                 "log.console = false", f"log.file = {self.folder}/log/rabbit.log", "log.file.level = info",
                 "disk_free_limit.absolute = 50MB", "vm_memory_high_watermark.absolute = 512MB",
                 "cluster_partition_handling = pause_minority"]
        if certificates:
            lines += [f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
                      f"ssl_options.cacertfile = {certificates}/ca.crt",
                      f"ssl_options.certfile = {certificates}/node.crt",
                      f"ssl_options.keyfile = {certificates}/node.key",
                      "ssl_options.verify = verify_none", "ssl_options.fail_if_no_peer_cert = false"]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "none").touch()
        folder = str(self.folder)
        self.environment = {
            **os.environ, "PATH": PATH, "HOME": folder + "/home", "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(epmd), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.name, "RABBITMQ_CONF_ENV_FILE": folder + "/none",
            "RABBITMQ_CONFIG_FILE": folder + "/rabbitmq.conf", "RABBITMQ_MNESIA_BASE": folder + "/mnesia",
            "RABBITMQ_LOG_BASE": folder + "/log", "RABBITMQ_PID_FILE": folder + "/run/beam.pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder + "/enabled_plugins",
            "RABBITMQ_DIST_PORT": str(self.dist), "RABBITMQ_GENERATED_CONFIG_DIR": folder + "/gen",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +A 16 +sbwt none"}

    def start(self, wait=True):
        with open(self.folder / "log/out", "ab") as out:
            self.process = subprocess.Popen(["rabbitmq-server"], stdout=out, stderr=out, cwd=self.folder,
                                            stdin=subprocess.DEVNULL, env=self.environment,
                                            start_new_session=True)
        if wait:
            self.wait()
        return self

    def wait(self):
        def up():
            assert self.process.poll() is None, (self.folder / "log/out").read_text()[-3000:]
            return listens(self.port)
        wait_for(f"{self.name} to listen", up)

    def kill(self):
        """kill -9 of all of it."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        wait_for("its port to be free", lambda: not listens(self.port))
        self.process = None

    def ctl(self, *words, check=True):
        done = subprocess.run(["rabbitmqctl", "-q", "-n", self.name, *words], env=self.environment,
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 or not check, (words, done.stdout, done.stderr)
        return done.stdout

    def allow(self, write=EXCHANGE.replace(".", "\\.")):
        """What the rater's user may do: write to the exchange, or to nothing."""
        self.ctl("set_permissions", "-p", "/", USER, "^$", f"^{write}$" if write else "^$", "^$")


class Rabbit:
    """One node or a cluster of them, with the rater's user. close() ends what was started."""

    def __init__(self, folder, names=("tm",), certificates=None):
        self.folder = pathlib.Path(folder)
        self.epmd_port = free_port()
        self.epmd = None
        self.nodes = [Node(folder, name, self.epmd_port, certificates) for name in names]

    def start(self):
        with open(self.folder / "epmd.log", "ab") as out:
            self.epmd = subprocess.Popen(["epmd", "-port", str(self.epmd_port), "-address", "127.0.0.1"],
                                         stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                         env={**os.environ, "PATH": PATH})
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait()
        first = self.nodes[0]
        for node in self.nodes[1:]:
            node.ctl("stop_app")
            node.ctl("join_cluster", first.name)
            node.ctl("start_app")
        first.ctl("add_user", USER, PASSWORD)
        first.allow()
        return self

    def close(self):
        for node in self.nodes:
            node.kill()
        if self.epmd:
            self.epmd.terminate()
            self.epmd.wait()


def certify(folder, name="localhost"):
    """An authority and a node's certificate for `name`, below the folder."""
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority",
            "-keyout", "ca.key", "-out", "ca.crt")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", "node.key",
            "-out", "node.csr")
    (folder / "ext").write_text(f"subjectAltName=DNS:{name}\n")
    openssl("x509", "-req", "-in", "node.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "ext", "-out", "node.crt")
    return folder


def leader_of(node, queue):
    """The name of the node that leads a quorum queue."""
    rows = json.loads(node.ctl("list_queues", "name", "leader", "--formatter", "json"))
    return next(row["leader"] for row in rows if row["name"] == queue)
