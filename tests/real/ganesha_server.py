"""An NFS-Ganesha of its own for a test, with a bus of its own that has the packaged policies."""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NAME = "org.ganesha.nfsd"
POLICY = pathlib.Path("/etc/dbus-1/system.d/nfs-ganesha-dbus.conf")  # the package's: root alone
OURS = ROOT / "packaging/dbus/tallyman-nfs.conf"
NOBODY = pwd.getpwnam("nobody").pw_uid


def missing():
    """The programs that are not installed."""
    names = ("ganesha.nfsd", "dbus-daemon", "dbus-send", "nfs-cp", "nfs-cat", "rpcbind", "ip", "nsenter")
    return [name for name in names if shutil.which(name, path=PATH) is None] + (
        [] if POLICY.exists() else [str(POLICY)])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, patience=60):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {patience} s in vain for {what}")


class Ganesha:
    """Owns its processes: close() ends them, and no others. Over NFSv4 alone it listens on loopback;
    with NFSv3 it lives in a network namespace, since that takes a port mapper."""

    def __init__(self, folder, v3=False):
        self.folder = pathlib.Path(folder)
        self.folder.chmod(0o711)  # a plugin's user finds the bus and the exports
        self.v3 = v3
        self.space = f"tm-nfs-{os.getpid()}" if v3 else None
        self.port, self.mount_port = free_port(), free_port()
        self.host = "10.203.0.1" if v3 else "127.0.0.1"
        self.socket = self.folder / "bus"
        self.running = {}
        self.exports = {}
        for part in ("state", "log", "srv"):
            (self.folder / part).mkdir()

    # ---- life ----

    def start(self):
        self.start_bus()
        if self.v3:
            self.make_space()
        self.start_server()
        return self

    def close(self):
        for name in list(self.running):
            self.kill(name)
        if self.space:
            for name in (self.space, f"{self.space}-c"):
                subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def start_bus(self):
        """A system bus as it is packaged: nobody may call anybody, but where a policy says so."""
        (self.folder / "ours.conf").write_text(OURS.read_text().replace('"tallyman-nfs"', '"nobody"'))
        (self.folder / "bus.conf").write_text(f"""<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={self.socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><deny own="*"/><deny send_type="method_call"/>
<allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
<allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
<allow send_destination="org.freedesktop.DBus"/></policy>
<include>{POLICY}</include><include>{self.folder}/ours.conf</include></busconfig>
""")
        self.launch("bus", "dbus-daemon", f"--config-file={self.folder}/bus.conf", "--nofork",
                    "--nopidfile")
        wait_for("the bus", lambda: self.socket.exists())

    def make_space(self):
        client = f"{self.space}-c"
        for name in (self.space, client):
            self.run("ip", "netns", "add", name)
            self.run("ip", "-n", name, "link", "set", "lo", "up")
        self.run("ip", "link", "add", "srv", "netns", self.space, "type", "veth", "peer", "name", "cli",
                 "netns", client)
        for name, link, address in ((self.space, "srv", self.host), (client, "cli", "10.203.0.2")):
            self.run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", link)
            self.run("ip", "-n", name, "link", "set", link, "up")
        self.launch("rpcbind", "ip", "netns", "exec", self.space, "unshare", "-m", "sh", "-c",
                    "mount -t tmpfs tmpfs /run && exec rpcbind -w -f")
        wait_for("rpcbind", lambda: self.listens(111))

    def start_server(self):
        self.configure()
        inside = []
        if self.v3:
            inside = ["nsenter", "-t", str(self.running["rpcbind"].pid), "-n", "-m"]
        self.launch("ganesha", *inside, "ganesha.nfsd", "-F", "-f", self.folder / "ganesha.conf", "-L",
                    self.folder / "log/ganesha.log", "-p", self.folder / "ganesha.pid", "-N", "NIV_EVENT")
        wait_for("Ganesha to listen", lambda: self.listens(self.port))

    def configure(self):
        protocols = "3,4" if self.v3 else "4"
        address = "0.0.0.0" if self.v3 else "127.0.0.1"
        (self.folder / "ganesha.conf").write_text(f"""
NFS_CORE_PARAM {{ NFS_Port = {self.port}; MNT_Port = {self.mount_port}; Bind_addr = {address};
  Protocols = {protocols}; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
  mount_path_pseudo = true; Enable_NFS_Stats = true; }}
NFSv4 {{ Grace_Period = 5; Lease_Lifetime = 5; Graceless = true; RecoveryRoot = {self.folder}/state;
  RecoveryBackend = fs; Minor_Versions = 0,1,2; }}
NFS_KRB5 {{ Active_krb5 = false; }}
LOG {{ Default_Log_Level = EVENT; }}
""" + "".join(map(self.block, self.exports)))

    def block(self, number):
        pseudo, path = self.exports[number]
        protocols = "3,4" if self.v3 else "4"
        return (f"EXPORT {{ Export_Id = {number}; Path = {path}; Pseudo = {pseudo}; Access_Type = RW; "
                f"Squash = No_Root_Squash; SecType = sys, none; Protocols = {protocols}; "
                f"Transports = TCP; FSAL {{ Name = VFS; }} }}\n")

    def export(self, number, pseudo, path=None):
        """Makes the folder, and adds the export to the configuration."""
        path = pathlib.Path(path or self.folder / "srv" / pseudo.strip("/"))
        path.mkdir(exist_ok=True)
        self.exports[number] = (pseudo, path)
        return path

    def add(self, number, pseudo):
        """An export, while it runs."""
        self.export(number, pseudo)
        one = self.folder / f"export-{number}.conf"
        one.write_text(self.block(number))
        self.ask("exportmgr.AddExport", f"string:{one}", f"string:EXPORT(Export_Id={number})")

    def remove(self, number):
        del self.exports[number]
        self.ask("exportmgr.RemoveExport", f"uint16:{number}")

    def launch(self, name, *command):
        environment = {**os.environ, "PATH": PATH, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.socket}"}
        with open(self.folder / "log" / f"{name}.out", "ab") as out:
            # Also when this process is killed, they end.
            self.running[name] = subprocess.Popen(
                ("setpriv", "--pdeathsig", "KILL", *map(str, command)), stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, env=environment, start_new_session=True)

    def kill(self, name, number=signal.SIGKILL):
        process = self.running.pop(name)
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.send_signal(signal.SIGCONT)
        process.wait(60)
        if name == "bus":
            self.socket.unlink(missing_ok=True)

    # ---- questions and traffic ----

    def run(self, *command, check=True, **more):
        done = subprocess.run([str(word) for word in command], capture_output=True, timeout=120,
                              env={**os.environ, "PATH": PATH}, **more)
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done.stdout

    def listens(self, port):
        inside = ["ip", "netns", "exec", self.space] if self.space else []
        assert all(p.poll() is None for p in self.running.values()), self.log()
        return f":{port} ".encode() in self.run(*inside, "ss", "-lnt")

    def log(self):
        return "".join(path.read_text(errors="replace")[-2000:]
                       for path in sorted((self.folder / "log").iterdir()))

    def ask(self, method, *arguments, kind="ExportMgr"):
        """As root, as Ganesha's own policy allows."""
        return self.run("dbus-send", f"--bus=unix:path={self.socket}", "--print-reply",
                        f"--dest={NAME}", f"/org/ganesha/nfsd/{kind}", f"{NAME}.{method}", *arguments)

    def url(self, file, version):
        ports = f"nfsport={self.port}" + (f"&mountport={self.mount_port}" if version == 3 else "")
        return f"nfs://{self.host}{file}?version={version}&{ports}"

    def client(self):
        return ["ip", "netns", "exec", f"{self.space}-c"] if self.space else []

    def write(self, file, size, version=4):
        """Exactly `size` bytes into a new file. (This client cannot write 4000 bytes or more by v4.)"""
        body = self.folder / "body"
        body.write_bytes(os.urandom(size))
        self.run(*self.client(), "nfs-cp", body, self.url(file, version))

    def read(self, file, version=4):
        return len(self.run(*self.client(), "nfs-cat", self.url(file, version)))
