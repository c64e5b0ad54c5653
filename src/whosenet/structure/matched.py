"""One pair of tensors, matched alone, in the storage layout in which they are most alike.

Square matrices may be stored turned, kernels with their taps turned, and a dense layer behind a flatten holds its
channels in blocks, channels first or last. Which it is shows in how alike the matched tensors are; that knows nothing
of where units stand, so choosing costs the test nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from whosenet import thresholds
from whosenet.hashes.canonical import CENTRED_FROM, Shape, canonical, orders
from whosenet.structure.alone import Matching, match, signed
from whosenet.structure.view import Array, View, balanced, numbers, unit_axes
from whosenet.weights.base import Tensor

Layout = tuple[Shape, tuple[int, ...]]
"""How to see an array as [rows, columns, taps]: reshape, then transpose."""
CLEAR = 0.9
"""So alike that no further layout is tried."""
MAX_BLOCKS = 4
"""Numbers of channels that are tried for a flattened axis."""
PRUNED = 0.2
"""Where the shares of zeros differ by more, the denser tensor is pruned likewise, for matching only."""
TRIES = 2
"""Layouts of equal axes that are tried, those with the most similar taps first."""


@dataclass
class Seen:
    """A tensor in all the ways it may be laid out; what was computed of it once stays."""

    tensor: Tensor
    shape: Shape = field(init=False)
    views: dict[Layout, View] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.shape = canonical(self.tensor.shape).shape

    def view(self, layout: Layout) -> View:
        if layout not in self.views:
            self.views[layout] = View(balanced(laid(numbers(self.tensor), layout)))
        return self.views[layout]

    @cached_property
    def zeros(self) -> float:
        """Share of exact zeros."""
        return float(np.mean(numbers(self.tensor) == 0))

    def thinned(self, share: float) -> Seen:
        """As if magnitude pruning had set so large a share of the numbers to zero."""
        x = numbers(self.tensor)
        least = np.partition(np.abs(x).ravel(), int(share * x.size))[int(share * x.size)]
        x = np.where(np.abs(x) < least, np.float32(0), x)
        return Seen(replace(self.tensor, load=lambda a, b: _stored(x, self.tensor)[a:b]))


@dataclass(frozen=True)
class Matched:
    a: Tensor
    b: Tensor
    layouts: tuple[Layout, Layout]
    """Those of A and of B."""
    matching: Matching

    @property
    def counts(self) -> bool:
        """Whether the two are alike enough for their order of units to say something."""
        return self.matching.similarity >= thresholds.REORDERED_SIMILARITY


def _stored(x: Array, like: Tensor) -> Array:
    """Canonical numbers back in the tensor's own axis order."""
    layout = canonical(like.shape)
    return x.transpose(np.argsort(layout.order)).reshape(like.shape)


def laid(x: Array, layout: Layout) -> Array:
    """[rows, columns, taps] of an array in canonical axis order."""
    reshaped = x.reshape(layout[0]).transpose(layout[1])
    return np.ascontiguousarray(reshaped.reshape(*reshaped.shape[:2], -1))


def best(a: Seen, b: Seen, flat: int = -1, channels: Sequence[int] = ()) -> Matched:
    """The most alike of all layouts. `flat`: the canonical axis that holds so many `channels` in blocks, or -1."""
    if abs(a.zeros - b.zeros) > PRUNED:
        one = best(
            a.thinned(b.zeros) if a.zeros < b.zeros else a,
            b.thinned(a.zeros) if b.zeros < a.zeros else b,
            flat,
            channels,
        )
        rows, columns = one.matching.rows, one.matching.columns
        return Matched(
            a.tensor, b.tensor, one.layouts, signed(a.view(one.layouts[0]), b.view(one.layouts[1]), rows, columns)
        )
    found: Matched | None = None
    for layouts in _flattened(a.shape, flat, channels) if flat >= 0 else _plain(a, b):
        matching = match(a.view(layouts[0]), b.view(layouts[1]))
        if found is None or matching.similarity > found.matching.similarity:
            found = Matched(a.tensor, b.tensor, layouts, matching)
        if matching.similarity > CLEAR:
            break
    assert found is not None
    return found


def flat_axis(shape: Shape, lengths: set[int], channels: Sequence[int]) -> tuple[int, list[int]]:
    """Which axis of a matrix may be flattened, into how many channels: one of a length that no other units have."""
    if len(shape) != 2:
        return -1, []
    for axis in range(2):
        fit = [c for c in channels if shape[axis] % c == 0 and CENTRED_FROM <= c < shape[axis]]
        if shape[axis] not in lengths and fit:
            return axis, fit[:MAX_BLOCKS]
    return -1, []


def _plain(a: Seen, b: Seen) -> list[tuple[Layout, Layout]]:
    """As stored, and with equal axes exchanged, those first whose taps are most alike."""
    first, *more = ways(a.shape)
    profile = a.view(first).profile

    def unlike(layout: Layout) -> float:
        return float(np.linalg.norm(b.view(layout).profile - profile))

    return [(first, other) for other in sorted([first, *more], key=unlike)[:TRIES]] if more else [(first, first)]


def ways(shape: Shape) -> list[Layout]:
    """One layout for every order of equal axes. Columns are an axis of length one where only the rows hold units."""
    if unit_axes(shape) == 2:
        return [(shape, order) for order in orders(shape)]
    turns = [order[1:] for order in orders(shape) if order[0] == 0]
    return [((shape[0], 1, *shape[1:]), (0, 1, *[k + 1 for k in turn])) for turn in turns]


def _flattened(shape: Shape, flat: int, channels: Sequence[int]) -> list[tuple[Layout, Layout]]:
    """Channels first in both, last in both, and one of each, for every number of channels."""
    found = []
    for count in channels:
        first, last = blocked(shape, flat, count)
        found += [(first, first), (last, last), (first, last), (last, first)]
    return found


def blocked(shape: Shape, flat: int, channels: int) -> tuple[Layout, Layout]:
    """Channels first and last."""
    taps = shape[flat] // channels
    if flat == 1:
        return ((shape[0], channels, taps), (0, 1, 2)), ((shape[0], taps, channels), (0, 2, 1))
    return ((channels, taps, shape[1]), (2, 0, 1)), ((taps, channels, shape[1]), (2, 1, 0))
