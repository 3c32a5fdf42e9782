"""A client of NFSv4.1 and 4.2, as much of one as it takes to write and to read a file (RFC 8881): libnfs
4.0 speaks 3 and 4.0 only."""
import os
import socket
import struct

PROGRAM, COMPOUND = 100003, 1
(CLOSE, GETFH, LOOKUP, OPEN, PUTFH, PUTROOTFH, READ, WRITE, EXCHANGE_ID, CREATE_SESSION, SEQUENCE,
 RECLAIM_COMPLETE) = (4, 10, 15, 18, 22, 24, 25, 38, 42, 43, 53, 58)
MOST = 1 << 16  # bytes of a READ or a WRITE


def opaque(data):
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def words(*values):
    return struct.pack(f">{len(values)}I", *values)


class Answer:
    """Reads an answer from its start on."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        assert self.at + size <= len(self.data), "an answer is cut short"
        self.at += size
        return self.data[self.at - size:self.at]

    def word(self):
        return struct.unpack(">I", self.take(4))[0]

    def opaque(self):
        size = self.word()
        data = self.take(size)
        self.take(-size % 4)
        return data

    def done(self, operation):
        """The head of an operation's result, which must be good."""
        told, status = self.word(), self.word()
        assert (told, status) == (operation, 0), f"operation {told} (of {operation}): status {status}"


class Session:
    """A session with a server, one request at a time. Owns its connection: use it with `with`."""

    def __init__(self, host, port, minor=1):
        self.minor, self.sequence, self.calls = minor, 0, 0
        self.connection = socket.create_connection((host, port), timeout=60)
        owner = os.urandom(8) + opaque(b"tallyman-test-" + os.urandom(8).hex().encode())
        answer = self.compound((EXCHANGE_ID, owner + words(0, 0, 0)))
        answer.done(EXCHANGE_ID)
        self.client = answer.take(8)
        channel = words(0, 2 * MOST, 2 * MOST, 4096, 16, 1, 0)
        answer = self.compound((CREATE_SESSION, self.client + answer.take(4) + words(0) + 2 * channel +
                                words(0x40000000, 1, 0)))
        answer.done(CREATE_SESSION)
        self.session = answer.take(16)
        self.ask((RECLAIM_COMPLETE, words(0))).done(RECLAIM_COMPLETE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def write(self, path, data):
        """All of it into a file that may be new."""
        file, state = self.open(path, access=2, how=words(1, 0, 0, 0))
        for at in range(0, len(data), MOST):
            part = data[at:at + MOST]
            answer = self.ask((PUTFH, opaque(file)),
                              (WRITE, state + struct.pack(">QI", at, 2) + opaque(part)))
            answer.done(PUTFH)
            answer.done(WRITE)
            assert answer.word() == len(part)
        self.close(file, state)

    def read(self, path):
        file, state = self.open(path, access=1, how=words(0))
        data, end = b"", False
        while not end:
            answer = self.ask((PUTFH, opaque(file)),
                              (READ, state + struct.pack(">QI", len(data), MOST)))
            answer.done(PUTFH)
            answer.done(READ)
            end = answer.word() != 0
            data += answer.opaque()
        self.close(file, state)
        return data

    def open(self, path, access, how):
        """The file's handle, and the state to read or write it by; without a delegation."""
        *folders, name = path.strip("/").split("/")
        owner = self.client + opaque(b"test")
        asked = words(0, access | 0x400, 0) + owner + how + words(0) + opaque(name.encode())
        answer = self.ask((PUTROOTFH, b""), *((LOOKUP, opaque(f.encode())) for f in folders),
                          (OPEN, asked), (GETFH, b""))
        answer.done(PUTROOTFH)
        for _ in folders:
            answer.done(LOOKUP)
        answer.done(OPEN)
        state = answer.take(16)
        answer.take(4 + 8 + 8 + 4)  # what changed in the folder, flags
        answer.take(4 * answer.word())
        if answer.word() == 3 and answer.word() in (1, 2):  # no delegation, and why
            answer.word()
        answer.done(GETFH)
        return answer.opaque(), state

    def close(self, file, state):
        answer = self.ask((PUTFH, opaque(file)), (CLOSE, words(0) + state))
        answer.done(PUTFH)
        answer.done(CLOSE)

    def ask(self, *operations):
        self.sequence += 1
        head = (SEQUENCE, self.session + words(self.sequence, 0, 0, 0))
        answer = self.compound(head, *operations)
        answer.done(SEQUENCE)
        answer.take(16 + 5 * 4)
        return answer

    def compound(self, *operations):
        """The results, of the first operation on."""
        self.calls += 1
        as_root = words(0) + opaque(b"test") + words(0, 0, 0)
        call = words(self.calls, 0, 2, PROGRAM, 4, COMPOUND, 1) + opaque(as_root) + words(0, 0)
        call += opaque(b"") + words(self.minor, len(operations))
        call += b"".join(words(number) + arguments for number, arguments in operations)
        self.connection.sendall(words(1 << 31 | len(call)) + call)
        answer = Answer(self.record())
        assert (answer.word(), answer.word(), answer.word()) == (self.calls, 1, 0), "refused"
        answer.word()  # the verifier: its flavour and body
        answer.opaque()
        assert answer.word() == 0, "not accepted"
        answer.word()  # the status of the last operation: done() looks at each
        answer.opaque()
        answer.word()
        return answer

    def record(self):
        data, last = b"", False
        while not last:
            head = struct.unpack(">I", self.receive(4))[0]
            last = bool(head >> 31)
            data += self.receive(head & 0x7fffffff)
        return data

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.connection.recv(size - len(data))
            assert part, "the server hung up"
            data += part
        return data
