"""Units that say nothing: parallel slices of a tensor become one, slices of zeros beside such are dropped.

A widened layer (Chen et al., Net2Net, ICLR 2016) holds some units twice; its readers share their weights out, cancel
them or have zeros for them. In every one of its tensors such units are slices parallel to others or silent. Training
makes parallel slices, too (rows of tokens never seen), but seldom many, and not as many in the writer and in the reader
of the same units. What is not shown to be widened is left as it is, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Stack = NDArray[Any]
Group = NDArray[np.int64]
SAME = 0.95
"""Least cosine of parallel slices: copied units may carry noise of 10 %, and eight bits on top of it."""
LEAST = 0.8
"""What may be merged once the number of units is known."""
MANY, LONG, SHARE = 0.85, 48, (0.1, 0.55)
"""One tensor by itself must have so large a share of parallel slices; LONG ones may then be less alike (four bits)."""
LARGEST_GROUP = 8
"""Of units that somebody copied."""
LIKELY, SKETCH = 0.62, 32
"""The same of sketches of SKETCH numbers, for candidates only: slices at LEAST scatter by .06 there, and chance reaches
it once in 5,000 pairs."""
LOOK, COLUMNS = 128, 64
"""So many slices are looked at first: if none of them has a parallel, hardly a tenth of all have (.9**128 = 1e-6)."""
SILENT = 0.1
"""Share of the median length up to which a slice is as good as zero: silent units may carry noise of 5 %."""
MIN_LENGTH = 24
"""Shorter slices are parallel by chance or by training too often."""
BEARING = 3
"""So many short slices must have another to be parallel to."""
MAX_SLICES, MAX_PAIRS, ROWS = 1 << 14, 1 << 15, 512
"""More candidates than MAX_PAIRS are no dummies: a layer whose units all say the same."""


class Elsewhere(Protocol):
    """What the other tensors of the model tell of `units` units."""

    def target(self, units: int) -> int | None:
        """How many of them say something; None if they are not known to be widened."""

    def groups(self, units: int) -> list[Group]:
        """Which of them belong together, by tensors that can tell."""


@dataclass(frozen=True)
class Parallels:
    """Pairs of slices with cosines over LEAST, the most alike first, and which slices are not silent."""

    alive: NDArray[np.bool_]
    a: Group
    b: Group
    cosines: NDArray[np.float64]

    def count(self, least: float) -> int:
        """How many different slices there are."""
        return self._joined(int((self.cosines > least).sum()))[0]

    def any(self, least: float) -> bool:
        return bool((self.cosines > least).any())

    def cut(self, target: int) -> Group | None:
        """A number for each slice, `target` numbers in all for those not silent; None where that cannot be."""
        low, high = 0, len(self.a)
        if not self._joined(high)[0] <= target:
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._joined(middle)[0] <= target else (middle + 1, high)
        return self._joined(low)[1]

    def by_itself(self, length: int) -> Group | None:
        """A number for each slice if many of them, but not most, have a parallel: nearly so if they are LONG."""
        n = int(self.alive.sum())
        for least in (MANY, SAME) if length >= LONG else (SAME,):
            count, group = self._joined(int((self.cosines > least).sum()))
            if max(3, SHARE[0] * n) <= n - count <= SHARE[1] * n:
                return group
        return None

    def _joined(self, pairs: int) -> tuple[int, Group]:
        n = len(self.alive)
        links = coo_array((np.ones(pairs), (self.a[:pairs], self.b[:pairs])), shape=(n, n))
        count, group = connected_components(links, directed=False)
        return int(count) - int((~self.alive).sum()), np.asarray(group, np.int64)


def parallels(slices: Stack) -> Parallels | None:
    """None if they are too short or too many."""
    n, length = slices.shape
    if not 2 <= n <= MAX_SLICES or length < MIN_LENGTH:
        return None
    size = np.sqrt(np.einsum("nk,nk->n", slices, slices))
    if not size.any():
        return None
    alive = size > SILENT * np.median(size[size > 0])
    a, b = _candidates(slices, alive)
    if len(a) > MAX_PAIRS:
        return None
    cosines = _cosines(slices, size, a, b)
    order = np.argsort(-cosines, kind="stable")[: int((cosines > LEAST).sum())]
    return Parallels(alive, a[order], b[order], cosines[order])


def along(whole: Stack, axis: int) -> Stack:
    """Slices [n, rest]."""
    return np.moveaxis(whole, axis, 0).reshape(whole.shape[axis], -1)


def condensed(whole: Stack, axes: Iterable[int], elsewhere: Elsewhere) -> Stack:
    """`whole` itself, or a smaller copy; `axes` are those of units."""
    axes = tuple(axes)
    groups = {a: found for a in axes if (found := _group(along(whole, a), elsewhere)) is not None}
    for axis, group in groups.items():
        whole = _added(whole, axis, group)
        size = np.linalg.norm(along(whole, axis), axis=1)
        whole = np.compress(size > SILENT * np.median(size[size > 0]), whole, axis=axis)
    return whole


def _group(slices: Stack, elsewhere: Elsewhere) -> Group | None:
    n, length = slices.shape
    if length < MIN_LENGTH:
        return next((g for g in elsewhere.groups(n) if borne_out(slices, g)), None)
    found = parallels(slices)
    if found is None or found.count(SAME) == n:
        return None
    target = elsewhere.target(n)
    agreed = found.cut(target) if target is not None else None
    group = found.by_itself(length) if agreed is None else agreed
    return group if group is not None and as_by_hand(found.alive, group) else None


def as_by_hand(alive: NDArray[np.bool_], group: Group) -> bool:
    """Many small groups. Units that training let die are parallel, too, but all to one another."""
    sizes = np.bincount(group[alive])
    fewer = int(alive.sum()) - int((sizes > 0).sum())
    some = alive.sum() >= (1 - SHARE[1]) * len(alive) and fewer >= max(3, SHARE[0] * alive.sum())
    return bool(some and sizes.max() <= LARGEST_GROUP)


def borne_out(slices: Stack, group: Group) -> bool:
    """Whether most slices that a group holds together are parallel, short as they are."""
    size = np.linalg.norm(slices, axis=1)
    first = np.zeros(group.max() + 1, np.int64)
    order = np.argsort(size, kind="stable")
    first[group[order]] = order  # the longest of each
    rest = np.flatnonzero((first[group] != np.arange(len(group))) & (size > 0))
    if len(rest) < BEARING:
        return False
    one = first[group[rest]]
    cosines = np.abs(np.einsum("nk,nk->n", slices[rest], slices[one])) / (size[rest] * size[one])
    return bool(np.median(cosines) > SAME)


def _candidates(slices: Stack, alive: NDArray[np.bool_]) -> tuple[Group, Group]:
    """Pairs whose sketches are nearly parallel; silent slices are parallel to nothing."""
    if len(slices) > 2 * LOOK and not _any_parallel(slices, alive):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    sketch = slices @ _signs(slices.shape[1]).astype(slices.dtype)
    length = np.linalg.norm(sketch, axis=1, keepdims=True)
    sketch = np.where(alive[:, None], sketch / np.where(length > 0, length, 1), 0).astype(np.float32)
    found = []
    for low in range(0, len(sketch), ROWS):
        a, b = np.nonzero(np.abs(sketch[low : low + ROWS] @ sketch[low:].T) > LIKELY)
        found.append(np.stack([a, b])[:, a < b] + low)
    a, b = np.concatenate(found, axis=1)
    return a, b


def _any_parallel(slices: Stack, alive: NDArray[np.bool_]) -> bool:
    """Whether one of LOOK evenly spaced slices has a parallel among all, by COLUMNS of them first."""
    n, length = slices.shape
    columns = slices[:, np.linspace(0, length - 1, min(length, COLUMNS)).astype(np.int64)].astype(np.float32)
    size = np.linalg.norm(columns, axis=1, keepdims=True)
    columns = np.where(alive[:, None], columns / np.where(size > 0, size, 1), 0)
    some = np.linspace(0, n - 1, LOOK).astype(np.int64)
    a, b = np.nonzero(np.abs(columns[some] @ columns.T) > LIKELY)
    a, b = some[a[some[a] != b]], b[some[a] != b]
    if not 0 < len(a) <= MAX_PAIRS:
        return len(a) > 0
    whole = np.sqrt(np.einsum("nk,nk->n", slices, slices))
    return bool((_cosines(slices, whole, a, b) > LEAST).any())


def _cosines(slices: Stack, size: Stack, a: Group, b: Group) -> NDArray[np.float64]:
    """Without their signs."""
    step = max(1, (1 << 22) // slices.shape[1])
    parts = [np.einsum("nk,nk->n", slices[a[k : k + step]], slices[b[k : k + step]]) for k in range(0, len(a), step)]
    return np.asarray(np.abs(np.concatenate([np.zeros(0), *parts])) / (size[a] * size[b]), np.float64)


def _added(whole: Stack, axis: int, group: Group) -> Stack:
    """Slices of one group, each of length one, added up in the sign of most; what is left stands in no order."""
    slices = np.moveaxis(whole, axis, 0)
    size = np.bincount(group)
    made = [slices[size[group] == 1]]
    for number in np.flatnonzero(size > 1):
        some = slices[group == number]
        flat = some.reshape(len(some), -1)
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        flat = flat / np.where(length > 0, length, 1)
        sign = np.where(flat @ flat[int(np.argmax(length))] < 0, -1, 1)
        mean = length[length > 0].mean() if length.any() else 0.0
        one = np.sign(sign.sum() or 1) * (sign @ flat) / len(some) * mean
        made.append(one.reshape(1, *some.shape[1:]).astype(whole.dtype))
    return np.moveaxis(np.concatenate(made), 0, axis)


@lru_cache(maxsize=64)
def _signs(length: int) -> NDArray[np.int8]:
    """+-1 [length, SKETCH]."""
    raw = blake3(f"merge {length}".encode()).digest(length=length * SKETCH // 8)
    return (np.unpackbits(np.frombuffer(raw, np.uint8)).astype(np.int8) * 2 - 1).reshape(length, SKETCH)
