"""Units that say nothing: parallel slices of a tensor become one, slices of zeros beside such are dropped.

A widened layer (Chen et al., Net2Net, ICLR 2016) holds some units twice; its readers share their weights out, cancel
them or have zeros for them. In every one of its tensors such units are slices parallel to others. A tensor without
parallel slices is left as it is, bit for bit: its zeros may be pruning, and its code must stay what it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Stack = NDArray[Any]
SAME, MANY, LONG, SHARE = 0.95, 0.85, 48, 1 / 16
"""Least cosine of parallel slices, and of LONG ones if this share of them (and three) have a parallel: copied units may
carry noise of 10 % and four bits on top of it, and trained ones are sometimes that near to one another."""
SILENT = 0.1
"""Share of the median length up to which a slice is as good as zero: silent units may carry noise of 5 %."""
LIKELY = 0.6
"""The same of their sketches of SKETCH numbers, for candidates only."""
SKETCH = 16
MIN_LENGTH = 24
"""Shorter slices are parallel by chance or by training too often."""
MAX_SLICES = 1 << 14
MAX_PAIRS = 1 << 15
"""Candidates looked at in full. More are no dummies: a layer whose units all say the same."""
ROWS = 512


def condensed(whole: Stack, axes: Iterable[int]) -> Stack:
    """`whole` itself, or a smaller copy; `axes` are those of units."""
    axes = tuple(axes)
    groups = {a: found for a in axes if (found := _groups(_slices(whole, a))) is not None}
    for axis, group in groups.items():
        whole = _added(whole, axis, group)
    if not groups:
        return whole
    for axis in axes:
        size = np.linalg.norm(_slices(whole, axis), axis=1)
        if size.any():
            whole = np.compress(size > SILENT * np.median(size[size > 0]), whole, axis=axis)
    return whole


def _slices(whole: Stack, axis: int) -> Stack:
    """[n, rest]"""
    return np.moveaxis(whole, axis, 0).reshape(whole.shape[axis], -1)


def _groups(slices: Stack) -> NDArray[np.int64] | None:
    """A number for each slice, one for all that are parallel; None if none are."""
    n, length = slices.shape
    if not 2 <= n <= MAX_SLICES or length < MIN_LENGTH:
        return None
    size = np.sqrt(np.einsum("nk,nk->n", slices, slices))
    a, b = _candidates(slices, size)
    if not 0 < len(a) <= MAX_PAIRS:
        return None
    cosines = _cosines(slices, size, a, b)
    many, group = _connected(n, a, b, cosines > MANY)
    if length < LONG or n - many < max(3, SHARE * n):
        many, group = _connected(n, a, b, cosines > SAME)
    return group if many < n else None


def _connected(
    n: int, a: NDArray[np.int64], b: NDArray[np.int64], good: NDArray[np.bool_]
) -> tuple[int, NDArray[np.int64]]:
    links = coo_array((np.ones(int(good.sum())), (a[good], b[good])), shape=(n, n))
    count, group = connected_components(links, directed=False)
    return int(count), np.asarray(group, np.int64)


def _candidates(slices: Stack, size: Stack) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs whose sketches are nearly parallel; slices of zeros are parallel to nothing."""
    sketch = slices @ _signs(slices.shape[1]).astype(slices.dtype)
    length = np.linalg.norm(sketch, axis=1, keepdims=True)
    sketch = np.where(size[:, None] > 0, sketch / np.where(length > 0, length, 1), 0).astype(np.float32)
    found = []
    for low in range(0, len(sketch), ROWS):
        a, b = np.nonzero(np.abs(sketch[low : low + ROWS] @ sketch[low:].T) > LIKELY)
        found.append(np.stack([a, b])[:, a < b] + low)
    a, b = np.concatenate(found, axis=1)
    return a, b


def _cosines(slices: Stack, size: Stack, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    """Without their signs."""
    step = max(1, (1 << 22) // slices.shape[1])
    parts = [np.einsum("nk,nk->n", slices[a[k : k + step]], slices[b[k : k + step]]) for k in range(0, len(a), step)]
    return np.asarray(np.abs(np.concatenate(parts)) / (size[a] * size[b]), np.float64)


def _added(whole: Stack, axis: int, group: NDArray[np.int64]) -> Stack:
    """Slices of one group, each of length one, added up in the sign of most; what is left stands in no order."""
    slices = np.moveaxis(whole, axis, 0)
    size = np.bincount(group)
    made = [slices[size[group] == 1]]
    for number in np.flatnonzero(size > 1):
        some = slices[group == number]
        flat = some.reshape(len(some), -1)
        flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
        sign = np.where(flat @ flat[0] < 0, -1, 1)
        made.append((np.sign(sign.sum() or 1) * (sign @ flat)).reshape(1, *some.shape[1:]).astype(whole.dtype))
    return np.moveaxis(np.concatenate(made), 0, axis)


@lru_cache(maxsize=64)
def _signs(length: int) -> NDArray[np.int8]:
    """+-1 [length, SKETCH]."""
    raw = blake3(f"merge {length}".encode()).digest(length=length * SKETCH // 8)
    return (np.unpackbits(np.frombuffer(raw, np.uint8)).astype(np.int8) * 2 - 1).reshape(length, SKETCH)
