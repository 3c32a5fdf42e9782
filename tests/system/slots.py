"""Chunks of slots in a rater's ledger, read and written independently of the rater's own codec: from
the layout that rater/slots/slot_codec.hpp documents."""
import struct

BLOCK = 256
COLUMNS = ("amount", "uncovered", "estimated", "peak", "before", "after")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Chunk:
    """One chunk: `first`, and for each slot from it on its figures by column."""

    def __init__(self, data):
        assert struct.unpack("<I", data[-4:])[0] == crc32c(data[:-4]), "checksum"
        self.data, self.at = data[:-4], 0
        assert self.byte() == 1, "version"
        self.length = self.number()
        zigzag = self.number()
        self.first = zigzag >> 1 ^ -(zigzag & 1)
        self.count = self.number()
        there = self.byte()
        self.columns = {name: self.column() if there >> bit & 1 else [0] * self.count
                        for bit, name in enumerate(COLUMNS)}
        assert self.at == len(self.data), "bytes left over"

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def number(self):
        out = shift = 0
        while True:
            byte = self.byte()
            out |= (byte & 127) << shift
            if byte < 128:
                return out
            shift += 7

    def column(self):
        values = []
        while len(values) < self.count:
            count = min(BLOCK, self.count - len(values))
            width, exceptions = self.byte(), self.byte()
            base, scale = self.number(), self.number()
            size = (count * width + 7) // 8
            packed = int.from_bytes(self.data[self.at:self.at + size], "little")
            self.at += size
            block = [packed >> i * width & (1 << width) - 1 for i in range(count)]
            for _ in range(exceptions):
                place = self.byte()
                block[place] |= self.number() << width
            values += [base + scale * value for value in block]
        return values

    def bytes(self):
        """The same slots, as plainly as the layout allows."""
        def number(value):
            out = bytearray()
            while value >= 128:
                out.append(value & 127 | 128)
                value >>= 7
            return bytes(out) + bytes([value])
        out = bytearray([1]) + number(self.length)
        out += number(self.first << 1 if self.first >= 0 else -2 * self.first - 1) + number(self.count)
        out.append((1 << len(COLUMNS)) - 1)
        for name in COLUMNS:
            for at in range(0, self.count, BLOCK):
                out += b"\x80\0\0\1" + b"".join(v.to_bytes(16, "little") for v in self.columns[name][at:at + BLOCK])
        return bytes(out) + struct.pack("<I", crc32c(out))


def chunks(database, where="", values=()):
    """(table, rowid, key of the view, chunk) of every chunk, the newest ones first; `where` is about the
    view `v`."""
    for table in ("usage_recent", "usage_slots"):
        for rowid, key, data in database.execute(
                f"SELECT s.rowid, v.key, s.slots FROM {table} s JOIN usage_view v ON v.id = s.view {where}"
                " ORDER BY s.rowid DESC", values).fetchall():
            yield table, rowid, key, Chunk(data)
