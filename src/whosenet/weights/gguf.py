"""GGUF: llama.cpp's container. The header is parsed here, blocks are de-quantised by the gguf package by ranges."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile, UnreadableInput
from whosenet.weights.base import MAX_NAME, MAX_TENSORS, Reader, Tensor, check_shape
from whosenet.weights.quantised import Flat, Numbers, as_tensor
from whosenet.weights.source import Source

MAX_ITEMS = 5_000_000
"""Metadata values and array elements that are strings (a vocabulary and its merges are under a million)."""
MAX_STRING = 1 << 26
MAX_NESTING = 4
MAX_PARTS = 1_000
FIRST_PART = re.compile(r"([^/\\]+)-00001-of-(\d{5})\.gguf$")
MAX_DIMS = 8
PAGE = 1 << 16
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
PLAIN: dict[int, tuple[str, Any]] = {
    0: ("float32", np.float32), 1: ("float16", np.float16), 24: ("int8", np.int8), 25: ("int16", np.int16),
    26: ("int32", np.int32), 27: ("int64", np.int64), 28: ("float64", np.float64), 30: ("bfloat16", ml_dtypes.bfloat16),
}  # fmt: skip
BLOCKS: dict[int, tuple[str, int, int]] = {
    2: ("q4_0", 32, 18), 3: ("q4_1", 32, 20), 6: ("q5_0", 32, 22), 7: ("q5_1", 32, 24), 8: ("q8_0", 32, 34),
    10: ("q2_k", 256, 84), 11: ("q3_k", 256, 110), 12: ("q4_k", 256, 144), 13: ("q5_k", 256, 176),
    14: ("q6_k", 256, 210), 16: ("iq2_xxs", 256, 66), 17: ("iq2_xs", 256, 74), 18: ("iq3_xxs", 256, 98),
    19: ("iq1_s", 256, 50), 20: ("iq4_nl", 32, 18), 21: ("iq3_s", 256, 110), 22: ("iq2_s", 256, 82),
    23: ("iq4_xs", 256, 136), 29: ("iq1_m", 256, 56), 34: ("tq1_0", 256, 54), 35: ("tq2_0", 256, 66),
    39: ("mxfp4", 32, 17), 40: ("nvfp4", 64, 36),
}  # fmt: skip
"""ggml type -> (name, numbers in a block, bytes of a block)."""


class Gguf(Reader):
    """Source: ggml/docs/gguf.md (versions 1 to 3) and ggml-common.h. Shapes are in NumPy's order: GGUF's, reversed.

    The first file of a split model (name-00001-of-00003.gguf, gguf-split's names) stands for all of them, any other
    for itself. Big-endian files are read unless they are quantised.
    """

    name = "gguf"
    suffixes = (".gguf",)
    extra = "gguf"

    def sniff(self, head: bytes, name: str) -> bool:
        return head[:4] == b"GGUF" or name.endswith(".gguf")

    def _read(self, source: Source) -> tuple[list[Tensor], list[Source]]:
        more = [source.sibling(name) for name in _further_parts(source)]
        return [tensor for part in (source, *more) for tensor in _tensors(part)], more


def _further_parts(source: Source) -> list[str]:
    """Names of the files that follow the first one of a split model."""
    match = FIRST_PART.search(source.name)
    if match is None:
        return []
    stem, count = match[1], int(match[2])
    if count > MAX_PARTS:
        raise MalformedFile(source.name, f"claims to be split in {count} files; refused")
    return [f"{stem}-{part:05d}-of-{count:05d}.gguf" for part in range(2, count + 1)]


def _tensors(source: Source) -> list[Tensor]:
    header = Header(source)
    entries = header.read()
    for kind in {entry.kind for entry in entries if entry.kind in BLOCKS}:
        _check_supported(source.name, kind)
    return [_tensor(source, header, entry) for entry in entries]


@dataclass(frozen=True)
class Entry:
    """One tensor of the header; `offset` counts from where the data begin."""

    name: str
    dims: tuple[int, ...]
    kind: int
    offset: int


class Header:
    """A cursor over the header. MalformedFile on any count, length or type that no real file has."""

    def __init__(self, source: Source) -> None:
        self.source, self.order, self.version = source, "<", 3
        self.alignment, self.data = 32, 0
        self._at, self._base, self._page = 0, 0, b""
        self._items = MAX_ITEMS

    def read(self) -> list[Entry]:
        if self._bytes(4) != b"GGUF":
            raise self._broken("does not begin with GGUF")
        self.version = self._number("I")
        if self.version & 0xFFFF == 0:
            self.order, self.version = ">", self.version >> 24
        if self.version not in (1, 2, 3):
            raise self._broken(f"has version {self.version} where 1 to 3 are known")
        tensors, values = self._count(), self._count()
        if tensors > MAX_TENSORS or values > self._items:
            raise self._broken(f"claims {tensors} tensors and {values} values")
        for _ in range(values):
            self._metadata()
        entries = [self._entry() for _ in range(tensors)]
        self.data = -(-self._at // self.alignment) * self.alignment
        return entries

    def _metadata(self) -> None:
        """One key and value; only general.alignment is kept."""
        key, kind = self._text(), self._number("I")
        if key == "general.alignment" and kind == 4:
            self.alignment = self._number("I")
            if not 0 < self.alignment <= 1 << 20:
                raise self._broken(f"has the alignment {self.alignment}")
        else:
            self._skip(kind, 0)

    def _skip(self, kind: int, depth: int) -> None:
        self._items -= 1
        if self._items < 0 or depth > MAX_NESTING:
            raise self._broken("has more metadata, or nested deeper, than any model")
        if kind == STRING:
            self._advance(self._length())
        elif kind == ARRAY:
            inner, count = self._number("I"), self._count()
            if inner in SCALARS:
                self._advance(struct.calcsize(SCALARS[inner]) * count)
            else:
                for _ in range(min(count, self._items + 1)):
                    self._skip(inner, depth + 1)
        elif kind in SCALARS:
            self._advance(struct.calcsize(SCALARS[kind]))
        else:
            raise self._broken(f"has the unknown value type {kind}")

    def _entry(self) -> Entry:
        name, rank = self._text(), self._number("I")
        if rank > MAX_DIMS:
            raise self._broken(f"has a tensor of {rank} dimensions")
        dims = tuple(self._count() for _ in range(rank))
        return Entry(name, dims[::-1], self._number("I"), self._number("Q"))

    def _count(self) -> int:
        return self._number("I" if self.version == 1 else "Q")

    def _length(self) -> int:
        length = self._count()
        if length > MAX_STRING:
            raise self._broken(f"has a string of {length} bytes")
        return length

    def _text(self) -> str:
        length = self._length()
        text = self._bytes(min(length, MAX_NAME)).decode("utf-8", "replace")
        self._advance(max(0, length - MAX_NAME))
        return text

    def _number(self, code: str) -> int:
        (value,) = struct.unpack(self.order + code, self._bytes(struct.calcsize(code)))
        return int(value)

    def _advance(self, length: int) -> None:
        if self._at + length > self.source.size:
            raise self._broken("breaks off inside its header")
        self._at += length

    def _bytes(self, length: int) -> bytes:
        if not self._base <= self._at <= self._at + length <= self._base + len(self._page):
            room = max(length, min(PAGE, self.source.size - self._at))
            self._base, self._page = self._at, bytes(self.source.view(self._at, room))
        begin = self._at - self._base
        self._at += length
        return self._page[begin : begin + length]

    def _broken(self, what: str) -> MalformedFile:
        return MalformedFile(self.source.name, f"{what}; it is damaged or no GGUF file, fetch it again")


def _tensor(source: Source, header: Header, entry: Entry) -> Tensor:
    dims, start = check_shape(source.name, entry.name, entry.dims), header.data + entry.offset
    count = math.prod(dims)
    if entry.kind in PLAIN:
        label, plain = PLAIN[entry.kind]
        kind = np.dtype(plain)
        return as_tensor(entry.name, dims, label, _ordered(Numbers(source, start, kind, count), header.order))
    if entry.kind not in BLOCKS:
        why = f"tensor {entry.name[:80]!r} has the unknown type {entry.kind}; convert the file to a current GGUF"
        raise UnreadableInput(source.name, why)
    label, block, size = BLOCKS[entry.kind]
    if header.order == ">" or not dims or dims[-1] % block or start + count // block * size > source.size:
        why = f"tensor {entry.name[:80]!r} is not made of whole blocks inside the file; fetch it again"
        raise MalformedFile(source.name, why)
    return as_tensor(entry.name, dims, label, _blocks(source, start, entry.kind), trained=True)


def _ordered(numbers: Numbers, order: str) -> Flat:
    """Reads of big-endian numbers as native ones."""
    if order == "<" or numbers.kind.itemsize == 1:
        return numbers.read
    bits = np.dtype(f"u{numbers.kind.itemsize}")
    return lambda first, last: numbers.read(first, last).view(bits).byteswap().view(numbers.kind)


def _blocks(source: Source, start: int, kind: int) -> Flat:
    """Numbers [first, last) out of the blocks that hold them, as float32."""
    name, block, size = BLOCKS[kind]

    def read(first: int, last: int) -> NDArray[Any]:
        begin, end = first // block, -(-last // block)
        stored = np.frombuffer(source.view(start + begin * size, (end - begin) * size), np.uint8)
        return _dequantize(source.name, stored, kind)[first - begin * block : last - begin * block]

    return read


def _dequantize(file: str, stored: NDArray[np.uint8], kind: int) -> NDArray[np.float32]:
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import dequantize

    if not len(stored):
        return np.zeros(0, np.float32)
    try:
        with np.errstate(all="ignore"):
            numbers: NDArray[np.float32] = dequantize(stored, GGMLQuantizationType(kind))
    except (NotImplementedError, ValueError, KeyError) as error:
        why = f"is quantised as {BLOCKS[kind][0]}, which the installed gguf package cannot undo; pip install -U gguf"
        raise UnreadableInput(file, why) from error
    return numbers.reshape(-1)


def _check_supported(file: str, kind: int) -> None:
    """One empty block through the package: a missing package or type is told now rather than in the middle."""
    _dequantize(file, np.zeros(BLOCKS[kind][2], np.uint8), kind)
