"""Two ways to have the kernel keep a process: a FUSE mount that takes questions and never answers, and a
frozen cgroup (version 1). Both for root only; each says in words why it cannot be had."""
import ctypes
import os
import pathlib
import struct
import subprocess
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
LOOKUP, FORGET, GETATTR, INIT, INTERRUPT, BATCH_FORGET = 1, 2, 3, 26, 36, 42
IN_HEADER = struct.Struct("<IIQQIIIHH")
OUT_HEADER = struct.Struct("<IiQ")
ENOENT, ENOSYS = 2, 38
MS_NOSUID, MS_NODEV, MNT_DETACH = 2, 4, 2
FREEZER = pathlib.Path("/sys/fs/cgroup/freezer")


class Unavailable(Exception):
    """This machine has no such way."""


class FrozenMount:
    """An empty file system of the test's own. While frozen it reads what the kernel asks and does not
    answer: a process whose question was read waits for the answer, deaf to SIGKILL."""

    def __init__(self, directory):
        if os.getuid() != 0:
            raise Unavailable("only root can mount a FUSE file system by hand")
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.frozen = False
        self.kept = []
        self.lock = threading.Lock()
        try:
            self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as problem:
            raise Unavailable(f"no FUSE: {problem}") from problem
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other"
        if LIBC.mount(b"tallyman-test", bytes(self.directory), b"fuse", MS_NOSUID | MS_NODEV,
                      options.encode()) != 0:
            os.close(self.device)
            raise Unavailable(f"no FUSE: mount: {os.strerror(ctypes.get_errno())}")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                message = os.read(self.device, 1 << 17)
            except OSError:
                return  # unmounted
            _, call, unique, *_ = IN_HEADER.unpack_from(message)
            if call == INIT:
                self.answer_init(unique, message)
            elif call not in (FORGET, INTERRUPT, BATCH_FORGET):
                with self.lock:
                    if self.frozen:
                        self.kept.append((unique, call))
                    else:
                        self.answer(unique, call)

    def answer_init(self, unique, message):
        readahead, = struct.unpack_from("<I", message, IN_HEADER.size + 8)
        body = struct.pack("<IIIIHHII", 7, 31, readahead, 0, 12, 9, 65536, 1).ljust(64, b"\0")
        os.write(self.device, OUT_HEADER.pack(OUT_HEADER.size + len(body), 0, unique) + body)

    def answer(self, unique, call):
        """Nothing is in it; what is known of the folder itself is good for an hour."""
        body, error = b"", ENOENT if call == LOOKUP else ENOSYS
        if call == GETATTR:
            body, error = struct.pack("<QII6Q10I", 3600, 0, 0, 1, *[0] * 8, 0o40755, 2, *[0] * 5), 0
        try:
            os.write(self.device, OUT_HEADER.pack(OUT_HEADER.size + len(body), -error, unique) + body)
        except FileNotFoundError:
            pass  # who asked has gone

    def freeze(self, _pid=None):
        with self.lock:
            self.frozen = True

    def thaw(self):
        with self.lock:
            self.frozen = False
            for unique, call in self.kept:
                self.answer(unique, call)
            self.kept = []

    def waited_for(self):
        with self.lock:
            return len(self.kept)

    def close(self):
        self.thaw()
        LIBC.umount2(bytes(self.directory), MNT_DETACH)
        self.thread.join(10)
        os.close(self.device)


class FrozenGroup:
    """A cgroup of the version-1 freezer: what is in it when it freezes stays until it thaws."""

    def __init__(self, name):
        if os.getuid() != 0:
            raise Unavailable("only root can make a cgroup")
        self.group = FREEZER / f"tallyman-{name}-{os.getpid()}"
        try:
            self.group.mkdir()
            (self.group / "freezer.state").read_text()
        except OSError as problem:
            raise Unavailable(f"no version-1 freezer: {problem}") from problem

    def freeze(self, pid):
        (self.group / "cgroup.procs").write_text(str(pid))
        (self.group / "freezer.state").write_text("FROZEN")

    def thaw(self):
        (self.group / "freezer.state").write_text("THAWED")

    def close(self):
        self.thaw()
        # Who was in it may take a moment to end.
        subprocess.run(["sh", "-c", f"for i in $(seq 100); do rmdir {self.group} && exit; "
                        f"for p in $(cat {self.group}/cgroup.procs); do echo $p > "
                        f"{FREEZER}/cgroup.procs; done; done"], capture_output=True)
