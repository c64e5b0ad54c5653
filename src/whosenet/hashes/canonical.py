"""Which tensors speak for a model, and in which axis order: by content and shape, never by name.

Frameworks store one kernel as OIHW, HWIO or OHWI, one matrix as [out, in] or [in, out]; nothing in a file says which.
So axes of size one are dropped, the rest are ordered by size, and where two axes have the same size the features are
averaged over both orders. A code therefore does not depend on storage order at all; there is nothing to guess.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.weights.base import Tensor

Shape = tuple[int, ...]
MIN_PERIOD = 32
"""Shortest vector in which a sinusoid can be told from a trained one."""
CENTRED_FROM = 8
"""Axes at least this long are centred and balanced; shorter ones are taps or few classes."""
MAX_ORDERS = 24
"""More axis orders than this (five or more equal axes) are not averaged over: such a tensor is left out."""
MIN_FREEDOM = 16
"""Fewest degrees of freedom a tensor keeps after centring; below, chance alone often gives a perfect match."""
MAX_TENSORS = 20_000
"""The largest tensors of a model that are looked at: a file may claim a million."""
MAX_AXIS = 1 << 23
"""Longest axis that is indexed in memory."""
PROBE = 32
BLOCK = 512


@dataclass(frozen=True)
class Canonical:
    """How a stored shape maps to the canonical one: `order[k]` is the stored (squeezed) axis that comes k-th."""

    squeezed: Shape
    order: tuple[int, ...]

    @property
    def shape(self) -> Shape:
        return tuple(self.squeezed[a] for a in self.order)


def canonical(shape: Iterable[int]) -> Canonical:
    """Axes of size one dropped, the others from large to small; equal ones keep their stored order."""
    squeezed = tuple(d for d in shape if d != 1)
    return Canonical(squeezed, tuple(sorted(range(len(squeezed)), key=lambda a: -squeezed[a])))


def long_axes(shape: Shape) -> list[int]:
    """The unit axes: the longest, the second if it is too long to be a tap axis, and whatever is as long as these."""
    lengths = {shape[0]} | {d for d in shape[1:2] if d >= CENTRED_FROM}
    return [k for k, d in enumerate(shape) if d in lengths]


def freedom(shape: Shape) -> int:
    """Degrees of freedom left after centring along the unit axes."""
    units = long_axes(shape)
    return math.prod(d - 1 if k in units else d for k, d in enumerate(shape))


def heaviest(tensors: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """The tensors that are looked at, in the order of the file, and those beyond MAX_TENSORS (the smallest)."""
    if len(tensors) <= MAX_TENSORS:
        return list(tensors), []
    least = sorted((t.elements for t in tensors), reverse=True)[MAX_TENSORS - 1]
    return [t for t in tensors if t.elements >= least][:MAX_TENSORS], [t for t in tensors if t.elements < least]


def orders(shape: Shape) -> list[tuple[int, ...]]:
    """All axis permutations that keep a canonical shape: what storage may have done to equal axes."""
    runs = [list(run) for _, run in itertools.groupby(range(len(shape)), key=lambda a: shape[a])]
    return [tuple(itertools.chain(*parts)) for parts in itertools.product(*(itertools.permutations(r) for r in runs))]


def symmetric(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over all axis orders that keep the shape, bit for bit the same however those axes were stored."""
    alike = orders(features.shape)
    if len(alike) == 1:
        return features
    if len(alike) == 2:
        return np.asarray((features + features.transpose(alike[1])) / math.sqrt(2))
    # Added from small to large: rounding would else part what is equal, and ranks would then differ by storage order.
    stack = np.sort([features.transpose(order) for order in alike], axis=0)
    return np.asarray(stack.sum(axis=0) / math.sqrt(len(alike)))


def why_left_out(tensor: Tensor) -> str | None:
    """The reason a tensor says nothing about who trained it, or None if it may speak."""
    if not tensor.trained:
        return "not a weight"
    shape = canonical(tensor.shape).shape
    if len(shape) < 2:
        return "fewer than two dimensions"
    if 0 in shape:
        return "empty"
    if freedom(shape) < MIN_FREEDOM:
        return "too few numbers"
    if max(shape) > MAX_AXIS:
        return "an axis too long"
    if math.prod(math.factorial(n) for n in Counter(shape).values()) > MAX_ORDERS:
        return "too many equal axes"
    rows, columns = _probe(tensor)
    if not (np.isfinite(rows).all() and np.isfinite(columns).all()):
        return "not finite"
    if rows.min() == rows.max() and columns.min() == columns.max():
        return "constant"
    if _mask_like(rows) and _mask_like(columns):
        return "mask or filter bank"
    if _sinusoidal(rows) or _sinusoidal(columns):
        return "fixed basis"
    return None


def _probe(tensor: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Some 16 rows along the last axis and 32 columns along the first, spread over the tensor, as float64."""
    squeezed = canonical(tensor.shape).squeezed
    first, last, length = squeezed[0], squeezed[-1], min(squeezed[0], BLOCK)
    whole = tensor.raw().reshape(first, -1) if tensor.shape[0] == 1 else None
    take = tensor.raw if whole is None else lambda a, b: whole[a:b]
    rows = [_thin(take(i, i + 1).reshape(-1, last), 4) for i in _spread(first, PROBE // 2)]
    block = take(0, length).reshape(length, -1)
    columns = block[:, _spread(block.shape[1], PROBE)]  # row by row, as the memory lies
    return np.concatenate(rows).astype(np.float64), np.ascontiguousarray(columns.T).astype(np.float64)


def _thin(rows: NDArray[Any], count: int) -> NDArray[Any]:
    return rows if len(rows) <= count else rows[_spread(len(rows), count)]


@lru_cache(maxsize=4096)
def _spread(length: int, count: int) -> list[int]:
    return list(range(length)) if length <= count else [i * (length - 1) // (count - 1) for i in range(count)]


def _mask_like(rows: NDArray[np.float64]) -> bool:
    """Mask, filter bank, identity, grid: nothing negative and mostly zero, whole numbers only, or one value among zeros
    or another value (plus and minus the same value is a binarised weight, and may speak)."""
    if rows.min() >= 0 and (rows == 0).mean() > 0.5:
        return True
    if rows.flat[0] == np.rint(rows.flat[0]) and (rows == np.rint(rows)).all():
        return True
    few = np.unique(rows.ravel()[:4096])
    return len(few) <= 2 and bool(np.isin(rows, few).all()) and not (len(few) == 2 and few[0] == -few[1])


def _sinusoidal(rows: NDArray[np.float64]) -> bool:
    """Whether nearly all rows have 90 % of their energy in five neighbouring frequencies (DFT, DCT, position code)."""
    if rows.shape[1] < MIN_PERIOD:
        return False
    few = rows[: len(rows) // 10 + 1]
    if (np.ptp(few, axis=1) > 0).all() and not _peaked(few).any():
        return False  # nearly always known after a tenth of the rows
    rows = rows[np.ptp(rows, axis=1) > 0]
    return len(rows) >= 4 and bool(np.mean(_peaked(rows)) > 0.9)


def _peaked(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows have 90 % of their energy in five neighbouring frequencies (under a Hann window: less leakage)."""
    window = np.hanning(rows.shape[1])
    power = np.abs(np.fft.rfft((rows - rows.mean(axis=1, keepdims=True)) * window)) ** 2
    ring = np.concatenate([power[:, -2:], power, power[:, :2]], axis=1)
    near = ring[:, 4:] + ring[:, 3:-1] + ring[:, 2:-2] + ring[:, 1:-3] + ring[:, :-4]
    return np.asarray(near.max(axis=1) > 0.9 * power.sum(axis=1))
