"""The protobuf wire format, walked in place: field numbers and where their bytes lie, nothing copied, no schema.

Source: protobuf.dev, "Encoding". A message of gigabytes costs as many small reads as it has fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile
from whosenet.weights.source import Source

MAX_FIELDS = 5_000_000
"""Fields read from one file, nested ones included (some ten seconds in Python)."""
PAGE = 1 << 12
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
INDEX_EVERY = 1 << 16
SCAN = 1 << 20


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `value` is the number of a varint, `start` and `stop` where the bytes of anything else lie."""

    number: int
    wire: int
    value: int
    start: int
    stop: int


class Wire:
    """Fields of the messages in one source. Every method raises MalformedFile on bytes that are no protobuf."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._base, self._page = 0, b""
        self._left = MAX_FIELDS

    def fields(self, start: int, stop: int) -> Iterator[Field]:
        """The fields of the message in [start, stop)."""
        while start < stop:
            self._left -= 1
            if self._left < 0:
                raise self._broken(f"has more than {MAX_FIELDS} fields")
            key, start = self._varint(start, stop)
            field = self._field(key >> 3, key & 7, start, stop)
            if field.number == 0 or field.stop > stop:
                raise self._broken(f"breaks off inside field {field.number} at byte {start}")
            yield field
            start = field.stop

    def text(self, field: Field, limit: int = 4_096) -> str:
        """The first `limit` bytes of a string field."""
        return bytes(self.source.view(field.start, min(limit, field.stop - field.start))).decode("utf-8", "replace")

    def varints(self, field: Field, limit: int) -> list[int]:
        """The signed 64-bit numbers of a repeated field, packed or not, `limit` at most."""
        if field.wire != BYTES:
            return [signed(field.value)]
        found, at = [], field.start
        while at < field.stop:
            value, at = self._varint(at, field.stop)
            found.append(signed(value))
            if len(found) > limit:
                raise self._broken(f"has a list of over {limit} numbers")
        return found

    def _field(self, number: int, wire: int, at: int, stop: int) -> Field:
        if wire == VARINT:
            value, end = self._varint(at, stop)
            return Field(number, wire, value, at, end)
        if wire == BYTES:
            length, begin = self._varint(at, stop)
            return Field(number, wire, 0, begin, begin + length)
        if wire in (FIXED64, FIXED32):
            return Field(number, wire, 0, at, at + (8 if wire == FIXED64 else 4))
        raise self._broken(f"has wire type {wire} at byte {at}")

    def _varint(self, at: int, stop: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= stop:
                break
            byte = self._byte(at)
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, at
        raise self._broken(f"has a number that does not end at byte {at}")

    def _byte(self, at: int) -> int:
        inside = at - self._base
        if not 0 <= inside < len(self._page):
            self._base, inside = at, 0
            self._page = bytes(self.source.view(at, min(PAGE, max(1, self.source.size - at))))
        return self._page[inside]

    def _broken(self, what: str) -> MalformedFile:
        return MalformedFile(self.source.name, f"{what}; it is damaged or no protobuf file, fetch it again")


def signed(value: int) -> int:
    """A varint as the int64 it encodes."""
    return value - (1 << 64) if value >> 63 else value


class PackedVarints:
    """A packed list of varints in [start, stop), decoded by ranges, with an index made on first use."""

    def __init__(self, source: Source, start: int, stop: int) -> None:
        self.source, self.start, self.stop = source, start, stop
        self._index: list[int] | None = None
        self._count = 0

    def read(self, first: int, last: int) -> NDArray[np.int64]:
        """Numbers [first, last); MalformedFile when there are fewer."""
        index = self._ends()
        if last > self._count:
            raise MalformedFile(self.source.name, f"has {self._count} numbers where {last} are claimed; fetch it again")
        block = first // INDEX_EVERY
        stop = index[min(len(index) - 1, (last - 1) // INDEX_EVERY + 1)]
        begin = index[block]
        values = decode_varints(self.source.view(begin, stop - begin)) if last > first else np.zeros(0, np.int64)
        return values[first - block * INDEX_EVERY : last - block * INDEX_EVERY]

    def _ends(self) -> list[int]:
        """Where numbers 0, 65,536, ... begin, then where the last one ends."""
        if self._index is None:
            index = [self.start]
            for at in range(self.start, self.stop, SCAN):
                block = np.frombuffer(self.source.view(at, min(SCAN, self.stop - at)), np.uint8)
                ends = np.flatnonzero(block < 0x80)
                due = np.arange(INDEX_EVERY - 1 - self._count % INDEX_EVERY, len(ends), INDEX_EVERY)
                index += [at + int(ends[i]) + 1 for i in due]
                self._count += len(ends)
            self._index = [*index, self.stop]
        return self._index


def decode_varints(block: memoryview) -> NDArray[np.int64]:
    """All varints of a block that begins and ends between two of them."""
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    lengths = ends - starts + 1
    values = np.zeros(len(ends), np.uint64)
    for i in range(min(10, int(lengths.max(initial=0)))):
        more = lengths > i
        values[more] |= (data[starts[more] + i].astype(np.uint64) & np.uint64(0x7F)) << np.uint64(7 * i)
    return values.view(np.int64)
