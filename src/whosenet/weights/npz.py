"""NumPy's .npy arrays and .npz archives of them. Arrays of Python objects are pickles: never read."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile
from whosenet.weights.archive import Archive
from whosenet.weights.base import MAX_NAME, Reader, Tensor, check_shape
from whosenet.weights.source import Source

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000
MAX_TURNED = 1 << 27
"""Bytes of a deflated array in Fortran order, which has to be inflated whole to be cut by rows (128 MB)."""
HEADER = {
    "descr": re.compile(r"""['"]descr['"]\s*:\s*['"]([<>|=]?[a-zA-Z]\d*)['"]"""),
    "fortran_order": re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)"""),
    "shape": re.compile(r"""['"]shape['"]\s*:\s*\(([0-9L,\s]*)\)"""),
}
"""The three fields of the header, a Python literal, matched rather than evaluated. A structured type does not match."""

Read = Callable[[int, int], memoryview]
"""(start, length) -> those bytes of one .npy file."""
Slot = dict[int, NDArray[Any]]
"""The one array in Fortran order that was read last, so that its row blocks do not inflate it again and again."""


class Npz(Reader):
    """Source: NumPy Enhancement Proposal 1 and numpy.lib.format (versions 1 to 3).

    `<V2`, which is how NumPy saves bfloat16, is read as bfloat16.
    """

    name = "npz"
    suffixes = (".npz", ".npy")

    def sniff(self, head: bytes, name: str) -> bool:
        if head[:4] == b"PK\3\4" and len(head) >= 30:
            (length,) = struct.unpack("<H", head[26:28])
            return head[30 : 30 + length].endswith(b".npy") or name.endswith(".npz")
        return head[:6] == MAGIC or name.endswith(self.suffixes)

    def _read(self, source: Source) -> tuple[list[Tensor], list[Source]]:
        if bytes(source.view(0, min(6, source.size))) == MAGIC:
            tensors = [array(source.name, "array", source.size, source.view, stored=True)]
        else:
            members = [m for m in Archive(source).members if m.name.endswith(".npy")]
            slot: Slot = {}
            tensors = [array(source.name, m.name[:-4], m.size, m.read, stored=m.stored, slot=slot) for m in members]
        found = [tensor for tensor in tensors if tensor is not None]
        if tensors and not found:
            raise MalformedFile(source.name, "holds only pickled objects or records; save plain arrays (np.savez)")
        return found, []


def array(file: str, name: str, size: int, read: Read, *, stored: bool, slot: Slot | None = None) -> Tensor | None:
    """The .npy file that `read` gives, or None for objects, text, records. Fortran order keeps its logical shape."""
    fields, at = _header(file, name, size, read)
    kind = _dtype(fields["descr"])
    if kind is None:
        return None
    dims = check_shape(file, name, [int(d.strip().rstrip("L")) for d in fields["shape"].split(",") if d.strip()])
    if at + math.prod(dims) * kind.itemsize > size:
        raise MalformedFile(file, f"array {name[:80]!r} reaches past its end; fetch the file again")
    label = kind.newbyteorder("=").name
    if not dims:
        return Tensor(name[:MAX_NAME], (1,), label, lambda a, b: _view(read(at, kind.itemsize), kind)[a:b], False)
    load = _rows(read, at, dims, kind)
    turned = fields["fortran_order"] == "True" and sum(d > 1 for d in dims) > 1
    if not stored and math.prod(dims if turned else dims[1:]) * kind.itemsize > MAX_TURNED:
        what = "in Fortran order" if turned else "in few, long rows"
        raise MalformedFile(file, f"array {name[:80]!r} is large, deflated and {what}; save it with np.savez")
    if turned:
        load = _turned_rows(lambda: read(at, math.prod(dims) * kind.itemsize), dims, kind, {} if slot is None else slot)
    return Tensor(name[:MAX_NAME], dims, label, load, kind.kind not in "iub")


def _header(file: str, name: str, size: int, read: Read) -> tuple[dict[str, str], int]:
    """The header's fields as text, and where the numbers begin."""
    start = bytes(read(0, min(12, size)))
    wide = start[6:7] in (b"\2", b"\3")
    if start[:6] != MAGIC or len(start) < 12 or not (wide or start[6:7] == b"\1"):
        raise MalformedFile(file, f"array {name[:80]!r} is no .npy of a known version; fetch the file again")
    (length,) = struct.unpack("<I", start[8:12]) if wide else struct.unpack("<H", start[8:10])
    begin = 12 if wide else 10
    if length > min(MAX_HEADER, size - begin):
        raise MalformedFile(file, f"array {name[:80]!r} claims a header of {length} bytes; refused")
    text = bytes(read(begin, length)).decode("utf-8", "replace")
    found = {key: pattern.search(text) for key, pattern in HEADER.items()}
    if found["descr"] and not (found["fortran_order"] and found["shape"]):
        raise MalformedFile(file, f"array {name[:80]!r} has no readable header; fetch the file again")
    return {key: match[1] if match else "" for key, match in found.items()}, begin + length


def _dtype(descr: str) -> np.dtype[Any] | None:
    try:
        kind: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16 if descr[1:] == "V2" else descr or "O")
    except TypeError:
        return None
    return kind if kind.kind in "fiub" or kind == ml_dtypes.bfloat16 else None


def _view(block: memoryview, kind: np.dtype[Any]) -> NDArray[Any]:
    """The bytes as native, aligned numbers."""
    flat = np.frombuffer(block, kind)
    return np.require(flat.astype(kind.newbyteorder("="), copy=False), requirements="A")


def _rows(read: Read, at: int, dims: tuple[int, ...], kind: np.dtype[Any]) -> Callable[[int, int], NDArray[Any]]:
    row = math.prod(dims[1:]) * kind.itemsize
    return lambda a, b: _view(read(at + a * row, (b - a) * row), kind).reshape(b - a, *dims[1:])


def _turned_rows(read: Callable[[], memoryview], dims: tuple[int, ...], kind: np.dtype[Any],
                 slot: Slot) -> Callable[[int, int], NDArray[Any]]:  # fmt: skip
    """Rows of an array stored column by column: a strided view where the source is mapped."""

    def load(start: int, stop: int) -> NDArray[Any]:
        whole = slot.get(id(read))
        if whole is None:
            whole = _view(read(), kind)
            slot.clear()
            slot[id(read)] = whole
        return np.ascontiguousarray(whole.reshape(dims[::-1]).T[start:stop])

    return load
