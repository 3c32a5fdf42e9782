"""Reads what a campaign left, independently of the programs that wrote it, and says what is wrong.

The ledger is read from a copy: opening one whose rater is dead would already recover it. The chain is
recomputed with hashlib over the raw bytes; only the readings are decoded with the project's own codec.
"""
import collections
import hashlib
import pathlib
import shutil
import sqlite3
import struct
import subprocess
import tempfile

import slots

AGENT = "stor-01"
NO_HASH = bytes(32)
MARKER = bytes.fromhex("ff54414c4c59ff4241544348ff9ec3ff")
SLOT = 4096


class Reader:
    """Little-endian fields of a frame's payload."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def raw(self, count):
        out = self.data[self.at:self.at + count]
        assert len(out) == count, "cut short"
        self.at += count
        return out

    def number(self, form):
        return struct.unpack("<" + form, self.raw(struct.calcsize("<" + form)))[0]

    def varint(self):
        out = shift = 0
        while True:
            byte = self.raw(1)[0]
            out |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return out

    def text(self):
        return self.raw(self.varint()).decode()


def head_of(batch):
    """(kind, incarnation, sequence, previous) of a batch, as sdk/wire/batch.hpp documents its head."""
    payload = Reader(batch[9:])
    assert batch[8:9] == b"H" and payload.raw(16) == MARKER, "no head"
    payload.number("H")
    kind = payload.number("B")
    payload.text()
    return kind, payload.raw(16), payload.varint(), payload.raw(32)


def newest_slot(path, kind):
    """The payload after the counter in the newer of a slot file's two (agent/spool/slot_file.hpp)."""
    slots = []
    for at in (0, SLOT) if path.exists() else ():
        frame = path.read_bytes()[at:at + SLOT]
        # No checksum is looked at: the kernel lives on, and tears no slot.
        if frame[8:9] == kind:
            slots.append((struct.unpack("<Q", frame[9:17])[0], frame[17:]))
    return Reader(max(slots)[1]) if slots else None


def read_mark(spool):
    """(incarnation, sequence, hash) of the spool's mark, or nothing."""
    fields = newest_slot(pathlib.Path(spool) / "mark", b"M")
    if fields is None:
        return None
    fields.number("H")
    return fields.raw(16), fields.number("Q"), fields.raw(32)


def read_incarnation(spool):
    fields = newest_slot(pathlib.Path(spool) / "identity", b"I")
    if fields is None:
        return None
    fields.number("H")
    fields.text()
    return fields.raw(16)


def first_in(spool):
    """The lowest sequence number that any segment of the spool may still hold; nothing without one."""
    names = sorted(p.name for p in pathlib.Path(spool).glob("segment-*.seg"))
    return int(names[0][8:24], 16) if names else None


class Ledger:
    """What a rater that is dead, or ended, has committed."""

    def __init__(self, path):
        path = pathlib.Path(path)
        self.folder = tempfile.TemporaryDirectory(prefix="tallyman-crash-")
        for name in (path.name, path.name + "-wal"):
            if (path.parent / name).exists():
                shutil.copy(path.parent / name, self.folder.name)
        self.db = sqlite3.connect(pathlib.Path(self.folder.name) / path.name)
        self.problems = []

    def close(self):
        self.db.close()
        self.folder.cleanup()

    def tables(self):
        return [name for (name,) in self.db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]

    def streams(self):
        if "stream" not in self.tables():
            return []
        return self.db.execute("SELECT id, incarnation, mark, mark_hash FROM stream WHERE agent = ?",
                               (AGENT,)).fetchall()

    def hash_at(self, stream, sequence):
        row = self.db.execute("SELECT hash FROM batch WHERE stream = ? AND sequence = ?",
                              (stream, sequence)).fetchone()
        return row[0] if row else None

    def raw(self, stream):
        """[(sequence, bytes)] in order; one that stands in two tables comes twice."""
        out = []
        for table in self.tables():
            if table.startswith("raw_"):
                out += self.db.execute(f"SELECT sequence, bytes FROM {table} WHERE stream = ?", (stream,))
        return sorted(out)

    def check_chain(self):
        """Each batch from 1 to the mark once, with the hash of its bytes, naming the one before."""
        lost = twice = 0
        other = []
        for stream, incarnation, mark, mark_hash in self.streams():
            raw = self.raw(stream)
            times = collections.Counter(sequence for sequence, _ in raw)
            missing = [n for n in range(1, mark + 1) if n not in times]
            lost += len(missing)
            twice += sum(times.values()) - len(times)
            if missing:
                other.append(f"batches {missing[:10]} of {mark} are not in the ledger")
            if raw and raw[-1][0] > mark:
                other.append(f"the ledger holds batch {raw[-1][0]} above its mark {mark}")
            before = NO_HASH
            for sequence, data in raw:
                digest = hashlib.blake2b(data, digest_size=32).digest()
                kind, whose, number, previous = head_of(data)
                if (kind, whose, number) != (1, incarnation, sequence):
                    other.append(f"batch {sequence} says it is {number}, of kind {kind}")
                if previous != before:
                    other.append(f"batch {sequence} does not name the hash of the one before")
                if self.hash_at(stream, sequence) != digest:
                    other.append(f"batch {sequence} is not what its hash in the ledger says")
                before = digest
            if before != mark_hash and mark > 0:
                other.append(f"the mark {mark} has not the hash of the last batch")
        return lost, twice, other

    def check_spool(self, spool):
        """The agent trims, and marks, only what this ledger holds."""
        streams, mark, first = self.streams(), read_mark(spool), first_in(spool)
        if streams and streams[0][2] > 0 and read_incarnation(spool) != streams[0][1]:
            return ["the agent's incarnation is not the ledger's"]
        held = streams[0][2] if streams else 0
        if mark and mark[1] > held:
            return [f"the agent's mark {mark[1]} leads the ledger's {held}"]
        if mark and mark[1] > 0 and self.hash_at(streams[0][0], mark[1]) != mark[2]:
            return [f"the agent's mark {mark[1]} has another hash than the ledger's batch"]
        if first is not None and first > held + 1:
            return [f"the agent holds batches from {first} on, the ledger up to {held} only"]
        return []

    def usage(self):
        """{(metric, label): derived total over all slots}."""
        totals = collections.defaultdict(int)
        for _, _, key, chunk in slots.chunks(self.db):
            totals[series_of(key)] += sum(chunk.columns["amount"])
        return totals

    def derived(self):
        """How far each stream has been derived."""
        return dict(self.db.execute("SELECT stream, sequence FROM usage_stream"))


def series_of(key):
    """(metric, value of the first label) of a view's key, as rater/derive/usage_store.hpp has it."""
    fields = Reader(key)
    fields.text()
    fields.raw(1)
    metric = fields.text()
    fields.text()
    fields.raw(1)
    labels = [(fields.text(), fields.text()) for _ in range(fields.varint())]
    return metric, labels[0][1] if labels else "-"


def readings(tool, raw, labels):
    """What batches hold, decoded: lines of crash_readings as lists of words."""
    stream = b"".join(struct.pack("<I", len(data)) + data for _, data in raw)
    out = subprocess.run([tool, *labels], input=stream, capture_output=True, check=True, timeout=300)
    return [line.split(" ", 5) for line in out.stdout.decode().splitlines()]


def check_polls(lines, intervals):
    """Each instance's instants, each once: a poll, or within a gap that says why it is none."""
    lost = twice = 0
    other = []
    for instance, interval in intervals.items():
        polls = [int(w[3]) for w in lines if w[0] == "poll" and w[2] == instance]
        gaps = sorted((int(w[3]), int(w[4])) for w in lines if w[0] == "gap" and w[2] == instance)
        again = len(polls) - len(set(polls))
        twice += again
        if again:
            other.append(f"{instance}: {again} polls stand in the ledger twice")
        told = set(polls)
        for start, end in gaps:
            told.update(range(start, end + 1, interval))
        silent = [at for at in range(min(polls, default=0), max(polls, default=0), interval)
                  if at not in told]
        lost += len(silent)
        if silent:
            other.append(f"{instance}: {len(silent)} instants are neither poll nor gap, first {silent[0]}")
    return lost, twice, other


def check_steps(lines, metric, label, step):
    """A counter whose state is committed with its polls: 0, step, 2·step, …, none left out or repeated."""
    values = [int(w[4]) for w in lines if w[0] == "value" and w[2] == metric and w[3] == label]
    wrong = [(n, value) for n, value in enumerate(values) if value != n * step]
    if wrong:
        return [f"{metric} {label}: reading {wrong[0][0]} is {wrong[0][1]}, {len(wrong)} are wrong:"
                " a poll and its plugin's state were torn apart"]
    return []
