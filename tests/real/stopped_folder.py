"""A file system (FUSE) whose server can stop answering: whoever then asks hangs in the kernel, and cannot
be killed, as with a file system on a server that has died."""
import ctypes
import errno
import os
import pathlib
import stat
import struct
import threading

GETATTR, STATFS, INIT = 3, 17, 26
BLOCK = 4096
libc = ctypes.CDLL(None, use_errno=True)


class StoppedFolder:
    """An empty folder with so many blocks in use. Owns its mount and a thread, until close()."""

    def __init__(self, point, blocks):
        self.point, self.blocks = str(point), blocks
        self.waiting, self.answers = [], True
        self.lock = threading.Lock()
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        data = f"fd={self.device},rootmode={stat.S_IFDIR:o},user_id=0,group_id=0,allow_other"
        if libc.mount(b"test", self.point.encode(), b"fuse", 0, data.encode()) != 0:
            error = ctypes.get_errno()
            os.close(self.device)
            raise OSError(error, os.strerror(error))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def stop(self):
        with self.lock:
            self.answers = False

    def go_on(self):
        """Also with what was asked meanwhile."""
        with self.lock:
            self.answers = True
            for unique in self.waiting:
                self.reply(unique, self.figures())
            self.waiting.clear()

    def close(self):
        self.go_on()
        libc.umount2(self.point.encode(), 2)
        self.thread.join(10)
        os.close(self.device)

    def figures(self):
        return struct.pack("<5Q4I24x", 1000, 1000 - self.blocks, 1000 - self.blocks, 0, 0, BLOCK, 255,
                           BLOCK, 0)

    def serve(self):
        while True:
            try:
                request = os.read(self.device, 1 << 20)
            except OSError as error:
                if error.errno == errno.ENODEV:  # unmounted
                    return
                continue
            operation, unique = struct.unpack("<IQ", request[4:16])
            with self.lock:
                self.answer(operation, unique)

    def answer(self, operation, unique):
        if operation == INIT:
            self.reply(unique, struct.pack("<4I2H2I36x", 7, 31, 0, 0, 1, 1, BLOCK, 1))
        elif operation == GETATTR:
            self.reply(unique, struct.pack("<QII6Q3I7I", 3600, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
                                           stat.S_IFDIR | 0o755, 2, 0, 0, 0, BLOCK, 0))
        elif operation == STATFS and not self.answers:
            self.waiting.append(unique)
        elif operation == STATFS:
            self.reply(unique, self.figures())
        else:
            self.reply(unique, b"", -errno.ENOSYS)

    def reply(self, unique, body, error=0):
        try:
            os.write(self.device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
        except OSError as failure:
            if failure.errno != errno.ENOENT:  # whoever asked has gone
                raise


def missing():
    """Why there can be none; empty when there can."""
    return "" if pathlib.Path("/dev/fuse").exists() else "there is no /dev/fuse"
