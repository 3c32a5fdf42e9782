"""A Ceph cluster of its own for a test: one mon, mgr, osd and radosgw in a folder, without systemd."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import uuid

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # the system's python3 for Ceph's scripts
# ceph-mgr imports every module in its path, which takes it a quarter of a minute: only these.
MODULES = ("prometheus", "balancer", "crash", "devicehealth", "orchestrator", "pg_autoscaler",
           "progress", "rbd_support", "status", "telemetry", "volumes")
METER = ("METERKEY", "metersecret")


def missing():
    """The programs that are not installed."""
    return [name for name in ("ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "rbd", "curl", "openssl")
            if shutil.which(name, path=PATH) is None]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, patience=90):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {patience} s in vain for {what}")


class Cluster:
    """Owns its processes: close() ends them, and no others."""

    def __init__(self, folder, mgrs=("x",)):
        self.folder = pathlib.Path(folder)
        self.conf = self.folder / "ceph.conf"
        self.fsid = str(uuid.uuid4())
        self.mon_port, self.rgw_port, self.tls_port = free_port(), free_port(), free_port()
        self.mgrs = {name: free_port() for name in mgrs}
        self.environment = {**os.environ, "CEPH_CONF": str(self.conf), "PATH": PATH}
        self.running = {}
        for part in ("mon", "mgr", "osd.0", "rgw", "run", "log", "crash", "modules", "keys"):
            (self.folder / part).mkdir()
        self.folder.chmod(0o711)  # a plugin's user finds its keys

    # ---- life ----

    def start(self):
        self.make_certificate()
        self.configure()
        self.make_keys()
        self.launch("mon", "ceph-mon", "-i", "a", "-f")
        self.run("ceph", "--connect-timeout", "30", "-s")
        self.set_up_mgr()
        for name in self.mgrs:
            self.start_mgr(name)
        self.start_osd()
        self.run("ceph", "osd", "pool", "create", "volumes", "8", "8", "replicated")
        self.run("rbd", "pool", "init", "volumes")
        self.start_rgw()
        self.run("radosgw-admin", "user", "create", "--uid=meter", "--display-name=meter",
                 f"--access-key={METER[0]}", f"--secret={METER[1]}",
                 "--caps=usage=read;buckets=read")
        wait_for("the mgr to know the pools", lambda: any(map(self.mgr_knows, self.mgrs)))
        return self

    def close(self):
        for name in list(self.running):
            self.kill(name)

    @property
    def certificate(self):
        return self.folder / "keys/gateway.crt"

    def make_certificate(self):
        """For 127.0.0.1, as an address; signed by itself."""
        key, both = self.folder / "keys/gateway.key", self.folder / "keys/gateway.pem"
        self.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                 "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
                 self.certificate)
        both.write_bytes(key.read_bytes() + self.certificate.read_bytes())
        self.certificate.chmod(0o644)

    def configure(self):
        f = self.folder
        self.conf.write_text(f"""[global]
fsid = {self.fsid}
mon host = [v2:127.0.0.1:{self.mon_port}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {f}/keyring
run dir = {f}/run
admin socket = {f}/run/$name.$pid.asok
pid file = {f}/run/$name.pid
log file = {f}/log/$name.log
crash dir = {f}/crash
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
mon warn on insecure global id reclaim allowed = false
auth allow insecure global id reclaim = false
mon max pg per osd = 2000
mon data avail crit = 1
mon data avail warn = 2
mgr initial modules = prometheus
paxos propose interval = 0.05
paxos min wait = 0.01
mon tick interval = 1
mgr tick period = 1
mon mgr beacon grace = 8
[mon]
mon data = {f}/mon
mon cluster log file = {f}/log/cluster.log
mon initial members = a
[mgr]
mgr data = {f}/mgr
mgr module path = {f}/modules
mgr stats period = 1
[osd]
bluestore fsck on mkfs = false
bdev ioring = false
osd op num shards = 2
osd op num threads per shard = 2
osd data = {f}/osd.$id
bluestore block size = 4294967296
bluestore block create = true
bluestore block db create = false
bluestore block wal create = false
osd memory target = 939524096
bluestore cache size = 67108864
bluestore cache autotune = false
osd mgr report interval = 1
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{self.rgw_port} ssl_endpoint=127.0.0.1:{self.tls_port} ssl_certificate={f}/keys/gateway.pem
rgw data = {f}/rgw
rgw enable usage log = true
rgw usage log tick interval = 1
rgw usage log flush threshold = 1
rgw usage max user shards = 1
rgw enable ops log = false
rgw thread pool size = 32
rgw num rados handles = 1
rgw dynamic resharding = false
rgw override bucket index max shards = 1
""")
        for module in ("mgr_module.py", "mgr_util.py", *MODULES):
            (f / "modules" / module).symlink_to(f"/usr/share/ceph/mgr/{module}")

    def make_keys(self):
        allowed = {"mon.": ("mon", "allow *"),
                   "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
                   "client.rgw.a": ("mon", "allow rw", "osd", "allow rwx", "mgr", "allow rw"),
                   "osd.0": ("mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *")}
        for name in self.mgrs:
            allowed[f"mgr.{name}"] = ("mon", "allow profile mgr", "osd", "allow *")
        keyring = self.folder / "keyring"
        self.run("ceph-authtool", "--create-keyring", keyring)
        for name, caps in allowed.items():
            words = [word for i in range(0, len(caps), 2) for word in ("--cap", *caps[i:i + 2])]
            self.run("ceph-authtool", keyring, "--gen-key", "-n", name, *words)
        self.run("monmaptool", "--create", "--fsid", self.fsid, "--addv", "a",
                 f"[v2:127.0.0.1:{self.mon_port}]", self.folder / "monmap")
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", self.folder / "monmap", "--keyring",
                 keyring)

    def set_up_mgr(self):
        """Before a mgr starts: it would start again for each."""
        settings = {"mgr/prometheus/server_addr": "127.0.0.1", "mgr/prometheus/scrape_interval": "1",
                    "mgr/prometheus/rbd_stats_pools": "volumes",
                    "mgr/prometheus/rbd_stats_pools_refresh_interval": "1"}
        for name, port in self.mgrs.items():
            settings[f"mgr/prometheus/{name}/server_port"] = str(port)
        for key, value in settings.items():
            self.run("ceph", "config", "set", "mgr", key, value, "--force")

    def start_mgr(self, name="x"):
        self.launch(f"mgr.{name}", "ceph-mgr", "-i", name, "-f")

    def start_osd(self):
        osd = str(uuid.uuid4())
        self.run("ceph", "osd", "new", osd, "0")
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd, "--keyring",
                 self.folder / "keyring")
        self.launch("osd", "ceph-osd", "-i", "0", "-f")
        wait_for("the osd to be up", lambda: '"num_up_osds":1' in self.run(
            "ceph", "osd", "stat", "-f", "json").replace(" ", ""))

    def start_rgw(self):
        self.launch("rgw", "radosgw", "-n", "client.rgw.a", "-f")
        wait_for("radosgw to answer", lambda: self.answers(self.rgw_port))

    def launch(self, name, *command):
        with open(self.folder / "log" / f"{name}.out", "ab") as out:
            # Also when this process is killed, they end.
            self.running[name] = subprocess.Popen(
                ("setpriv", "--pdeathsig", "KILL", *command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment,
                cwd=self.folder, start_new_session=True)

    def tell(self, name, number):
        self.running[name].send_signal(number)

    def kill(self, name, number=signal.SIGKILL):
        process = self.running.pop(name)
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.send_signal(signal.SIGCONT)
        process.wait(60)

    # ---- questions and traffic ----

    def run(self, *command, check=True):
        done = subprocess.run([str(word) for word in command], env=self.environment, text=True,
                              capture_output=True, timeout=120)
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done.stdout

    @property
    def rgw(self):
        return f"http://127.0.0.1:{self.rgw_port}"

    def mgr(self, name="x"):
        return f"http://127.0.0.1:{self.mgrs[name]}"

    @staticmethod
    def answers(port):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    def scrape(self, name="x"):
        return self.run("curl", "-s", "-m", "5", self.mgr(name) + "/metrics", check=False)

    def mgr_knows(self, name="x"):
        text = self.scrape(name)
        return 'ceph_pg_unknown{pool_id="' in text and all(
            line.endswith(" 0.0") for line in text.split("\n") if line.startswith("ceph_pg_unknown"))

    def user(self, uid, access, secret, *words):
        self.run("radosgw-admin", "user", "create", f"--uid={uid}", f"--display-name={uid}",
                 f"--access-key={access}", f"--secret={secret}", *words)
        return (access, secret)

    def s3(self, keys, method, path, size=None):
        """One request, its body `size` zero bytes; returns the status and the bytes got."""
        body = self.folder / "body"
        words = []
        if size is not None:
            body.write_bytes(bytes(size))
            words = ["-T", body]
        got = self.run("curl", "-sS", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", ":".join(keys),
                       "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-X", method, *words,
                       "-o", self.folder / "got", "-w", "%{http_code} %{size_download}",
                       self.rgw + path)
        status, size = got.split()
        assert status.startswith("2"), (method, path, status, (self.folder / "got").read_bytes()[:300])
        return int(size)

    def new_image(self, image):
        """An image that the mgr counts."""
        self.run("rbd", "create", "--size", "64M", f"volumes/{image}")
        wait_for("the mgr to know the image", lambda: self.counted(image) is not None)

    def counted(self, image):
        """Bytes written to an image, as the active mgr has them; None while it does not know it."""
        for name in self.mgrs:
            for line in self.scrape(name).split("\n"):
                if line.startswith("ceph_rbd_write_bytes{") and f'image="{image}"' in line:
                    return int(float(line.rsplit(" ", 1)[1]))
        return None

    def write_image(self, image, size):
        """Writes exactly `size` bytes (a multiple of 64 KiB) to an image."""
        self.run("rbd", "bench", "--io-type", "write", "--io-size", "65536", "--io-total", size,
                 "--io-threads", "4", "--io-pattern", "seq", f"volumes/{image}")
