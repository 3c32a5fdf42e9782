"""RabbitMQ of its own for a test: nodes in a folder, on loopback, without systemd."""
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
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
        self.queues = []  # quorum queues that it has to know again once it was killed
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

    def settle(self):
        """Waits until its queues are on its disk. RabbitMQ 3.10 writes its directory of them each half
        second, and one that was killed before comes back with a queue that never elects a leader."""
        names = self.folder / f"mnesia/{self.name}/quorum/{self.name}/names.dets"
        wait_for("the queues to be on disk", lambda: names.exists() and all(
            queue.encode() in names.read_bytes() for queue in self.queues))

    def kill(self, settled=True):
        """kill -9 of all of it."""
        if self.process is None:
            return
        if settled:
            self.settle()
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
            node.kill(settled=False)
        if self.epmd:
            self.epmd.terminate()
            self.epmd.wait()


class Proxy:
    """In front of a node: speaks TLS with a certificate of its own, if one is given, and breaks connections
    when it is told to. Usable as a context."""

    def __init__(self, certificates, port):
        self.context = None
        if certificates:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificates / "node.crt", certificates / "node.key")
        self.to = port
        self.pairs = []
        self.flows = threading.Event()  # not set: what comes is kept
        self.flows.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.context:
                    client = self.context.wrap_socket(client, server_side=True)
                server = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                client.close()
                continue
            self.pairs.append((client, server))
            for source, to in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=(source, to), daemon=True).start()

    def copy(self, source, to):
        try:
            while data := source.recv(65536):
                self.flows.wait()
                to.sendall(data)
        except OSError:
            pass
        for end in (source, to):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Resets what is connected, whatever is under way."""
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.flows.set()
        self.cut()


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
