"""A bounded linear sketch of a tensor in one pass: signed sums over a grid of blocks.

Every axis of n indices is cut into g blocks of neighbours; inside a block the slices are added with fixed random signs.
The result has at most `cap` entries, keeps inner products between models (a count sketch, Charikar et al. 2002), and
needs one multiply-add a weight. Signs depend on the axis length alone, so equal axes share them and a transposed tensor
has the transposed sketch.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from whosenet.hashes.canonical import Canonical, Shape, canonical
from whosenet.weights.base import Tensor

STRIPE = 1 << 22
"""Most accumulator entries held at once (16 MB)."""
MIN_INNER = 256
MAX_ROWS = 1 << 22


def grid(shape: Shape, cap: int) -> Shape:
    """Blocks an axis for a canonical shape: the largest axes are halved (equal ones together) until `cap` is met."""
    blocks = list(shape)
    while math.prod(blocks) > cap and max(blocks) > 1:
        top = max(blocks)
        blocks = [-(-b // 2) if b == top else b for b in blocks]
    return tuple(blocks)


@lru_cache(maxsize=256)
def axis(length: int, blocks: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each index of an axis its block, and its sign (+1 where a block is a single index)."""
    where = np.arange(length, dtype=np.int64) * blocks // length
    if blocks == length:
        return where, np.ones(length, np.float32)
    raw = blake3(f"axis sign {length}".encode()).digest(length=-(-length // 8))
    return where, np.unpackbits(np.frombuffer(raw, np.uint8))[:length].astype(np.float32) * 2 - 1


def sketch(tensor: Tensor, cap: int) -> NDArray[np.float64]:
    """The sketch in canonical axis order, float64, at most `cap` entries. Not finite if any weight is not."""
    layout = canonical(tensor.shape)
    blocks = _stored_blocks(layout, cap)
    split = _split(layout.squeezed)
    lead, inner = layout.squeezed[:split], layout.squeezed[split:]
    where, sign = _rows(lead, blocks[:split])
    width = math.prod(inner)
    out = np.zeros((math.prod(blocks[:split]), *blocks[split:]))
    step = max(1, STRIPE // len(out))
    for low in range(0, width, step):
        sums = _sums(tensor, width, (low, min(low + step, width)), where, sign, len(out))
        _contract(sums, low, inner, blocks[split:], out)
    return out.reshape(blocks).transpose(layout.order)


def _stored_blocks(layout: Canonical, cap: int) -> Shape:
    blocks = grid(layout.shape, cap)
    return tuple(blocks[layout.order.index(a)] for a in range(len(layout.squeezed)))


def _split(shape: Shape) -> int:
    """Axes [split:] form the contiguous inner run: the shortest of at least 256 numbers, few enough rows before."""
    for split in range(len(shape) - 1, 1, -1):
        if math.prod(shape[split:]) >= MIN_INNER and math.prod(shape[:split]) <= MAX_ROWS:
            return split
    return 1


def _rows(lead: Shape, blocks: Shape) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Block number and sign of each row of the flattened leading axes."""
    where, sign = np.zeros(1, np.int64), np.ones(1, np.float32)
    for length, count in zip(lead, blocks, strict=True):
        w, s = axis(length, count)
        where = (where[:, None] * count + w[None, :]).ravel()
        sign = (sign[:, None] * s[None, :]).ravel()
    return where, sign


def _sums(tensor: Tensor, width: int, span: tuple[int, int], where: NDArray[np.int64], sign: NDArray[np.float32],
          count: int) -> NDArray[np.float32]:  # fmt: skip
    """Signed sums of the rows of each block, for columns [low, high) of the inner run: float32 [count, high - low]."""
    from whosenet.hashes.kernels import add_rows

    low, high = span
    sums = np.zeros((count, high - low), np.float32)
    at = 0
    for chunk in tensor.chunks():
        rows = chunk.reshape(-1, width)[:, low:high]
        add_rows(rows, where[at : at + len(rows)], sign[at : at + len(rows)], sums)
        at += len(rows)
    return sums


def _contract(sums: NDArray[np.float32], low: int, inner: Shape, blocks: Shape, out: NDArray[np.float64]) -> None:
    """Add the signed block sums along the inner axes to `out`; `low` is the first column's place in the inner run."""
    if sums.shape[1] == math.prod(inner):
        part: NDArray[Any] = sums.reshape(len(sums), *inner).astype(np.float64)
        for k, (length, count) in enumerate(zip(inner, blocks, strict=True), start=1):
            where, sign = axis(length, count)
            if count < length:
                part = part * sign.reshape([-1 if a == k else 1 for a in range(part.ndim)])
                part = np.add.reduceat(part, np.searchsorted(where, np.arange(count)), axis=k)
        out += part
        return
    span = slice(low, low + sums.shape[1])
    where, sign = _rows(inner, blocks)
    flat = out.reshape(len(out), -1)
    for row, source in zip(flat, sums * sign[span], strict=True):
        row += np.bincount(where[span], source, minlength=len(row))
