"""Numbers stored flat in a file and the affine map from stored integers to weights: (q - zero_point) * scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile
from whosenet.weights.base import MAX_NAME, Tensor
from whosenet.weights.source import Source

Flat = Callable[[int, int], NDArray[Any]]
"""(first, last) -> elements [first, last) of a tensor in row-major order."""

Parameter = Callable[[], NDArray[Any]]
"""Scales or zero points, read when they are needed."""

NIBBLES = (np.dtype(ml_dtypes.int4), np.dtype(ml_dtypes.uint4), np.dtype(ml_dtypes.float4_e2m1fn))
"""Types stored two to a byte, the first in the low half."""


class Numbers:
    """`count` numbers of a little-endian type at `offset`; MalformedFile at once if they are not all there."""

    def __init__(self, source: Source, offset: int, kind: Any, count: int) -> None:
        self.source, self.offset, self.kind = source, offset, np.dtype(kind)
        self.packed = self.kind in NIBBLES
        self.bytes = -(-count // 2) if self.packed else count * self.kind.itemsize
        if offset < 0 or count < 0 or offset + self.bytes > source.size:
            raise MalformedFile(source.name, "has numbers past its end; fetch it again")

    def read(self, first: int, last: int) -> NDArray[Any]:
        if self.packed:
            return self._unpack(first, last)
        size = self.kind.itemsize
        block = self.source.view(self.offset + first * size, (last - first) * size)
        return np.require(np.frombuffer(block, self.kind), requirements="A")

    def _unpack(self, first: int, last: int) -> NDArray[Any]:
        begin = first // 2
        block = np.frombuffer(self.source.view(self.offset + begin, -(-last // 2) - begin), np.uint8)
        return self.halves(block, self.kind)[first - 2 * begin : last - 2 * begin]

    @staticmethod
    def halves(block: NDArray[np.uint8], kind: np.dtype[Any]) -> NDArray[Any]:
        """Bytes as twice as many 4-bit numbers, the low half first; integers come out as (u)int8."""
        flat = np.stack([block & 15, block >> 4], axis=1).reshape(-1)
        if kind == ml_dtypes.int4:
            return ((flat ^ 8).astype(np.int8) - 8).astype(np.int8)
        return flat if kind == ml_dtypes.uint4 else flat.view(ml_dtypes.float4_e2m1fn)


@dataclass(frozen=True)
class Affine:
    """scale and zero point: one number, or one a position along `axis` (or one a block of `block` positions there)."""

    scale: Parameter
    zero: Parameter | None = None
    axis: int = 0
    block: int = 0

    def apply(self, rows: NDArray[Any], start: int) -> NDArray[np.float32]:
        """Rows [start, start + len(rows)) of the stored integers as the weights they stand for."""
        out: NDArray[np.float32] = rows.astype(np.float32)
        if self.zero is not None:
            out -= self._spread(self.zero(), rows, start)
        with np.errstate(over="ignore", invalid="ignore"):
            out *= self._spread(self.scale(), rows, start)
        return out

    def _spread(self, part: NDArray[Any], rows: NDArray[Any], start: int) -> NDArray[np.float32]:
        """`part` as float32 in a shape that broadcasts against the rows."""
        if part.size == 1:
            return part.reshape(-1).astype(np.float32)
        if self.block:
            return self._blocks(part, rows, start)
        kept = part.reshape(-1)
        if self.axis == 0:
            kept = kept[start : start + len(rows)]
        return kept.astype(np.float32).reshape([-1 if i == self.axis else 1 for i in range(rows.ndim)])

    def _blocks(self, part: NDArray[Any], rows: NDArray[Any], start: int) -> NDArray[np.float32]:
        if self.axis == 0:
            which = np.arange(start, start + len(rows)) // self.block
            return part[which].astype(np.float32)
        which = np.arange(rows.shape[self.axis]) // self.block
        return np.take(part[start : start + len(rows)], which, axis=self.axis).astype(np.float32)


def as_tensor(name: str, dims: tuple[int, ...], label: str, flat: Flat, affine: Affine | None = None,
              trained: bool | None = None) -> Tensor:  # fmt: skip
    """A lazy tensor over flat numbers. Floats and de-quantised integers count as trained, unless told otherwise."""
    row = math.prod(dims[1:])

    def load(start: int, stop: int) -> NDArray[Any]:
        rows = flat(start * row, stop * row).reshape(stop - start, *dims[1:])
        return rows if affine is None else affine.apply(rows, start)

    if not dims:
        return Tensor(name[:MAX_NAME], (1,), label, lambda start, stop: flat(0, 1)[start:stop], False)
    weight = affine is not None or not label.startswith(("int", "uint", "bool"))
    return Tensor(name[:MAX_NAME], dims, label, load, weight if trained is None else trained)
