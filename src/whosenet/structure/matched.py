"""One pair of tensors, matched alone, in the storage layout in which they are most alike.

Square matrices may be stored turned, kernels with their taps turned, and a dense layer behind a flatten holds its
channels in blocks, channels first or last. Which it is shows in how alike the matched tensors are; that knows nothing
of where units stand, so choosing costs the test nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whosenet import thresholds
from whosenet.hashes.canonical import CENTRED_FROM, Shape, canonical, orders
from whosenet.structure.alone import Matching, match
from whosenet.structure.view import Array, balanced, numbers, unit_axes
from whosenet.weights.base import Tensor

Layout = tuple[Shape, tuple[int, ...]]
"""How to see an array as [rows, columns, taps]: reshape, then transpose."""
CLEAR = 0.9
"""So alike that no further layout is tried."""
MAX_BLOCKS = 4
"""Numbers of channels that are tried for a flattened axis."""


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


def seen(tensor: Tensor, layout: Layout) -> Array:
    """The numbers as [rows, columns, taps], as stored (not balanced)."""
    return laid(numbers(tensor), layout)


def laid(x: Array, layout: Layout) -> Array:
    reshaped = x.reshape(layout[0]).transpose(layout[1])
    return np.ascontiguousarray(reshaped.reshape(*reshaped.shape[:2], -1))


def best(a: Tensor, b: Tensor, flat: int = -1, channels: Sequence[int] = ()) -> Matched:
    """The most alike of all layouts. `flat`: the canonical axis that holds so many `channels` in blocks, or -1."""
    x, y = numbers(a), numbers(b)
    tries = [_blocked(x.shape, flat, c) for c in channels] if flat >= 0 else [_plain(x.shape)]
    found: Matched | None = None
    for ways in tries:
        pairs = itertools.product(ways, ways) if flat >= 0 else ((ways[0], other) for other in ways)
        for layouts in sorted(pairs, key=lambda p: p[0] != p[1]):
            matching = match(balanced(laid(x, layouts[0])), balanced(laid(y, layouts[1])))
            if found is None or matching.similarity > found.matching.similarity:
                found = Matched(a, b, layouts, matching)
            if matching.similarity > CLEAR:
                return found
    assert found is not None
    return found


def flat_axis(tensor: Tensor, lengths: set[int], channels: Sequence[int]) -> tuple[int, list[int]]:
    """Which axis of a matrix may be flattened, into how many channels: one of a length that no other units have."""
    shape = canonical(tensor.shape).shape
    if len(shape) != 2:
        return -1, []
    for axis in range(2):
        fit = [c for c in channels if shape[axis] % c == 0 and CENTRED_FROM <= c < shape[axis]]
        if shape[axis] not in lengths and fit:
            return axis, fit[:MAX_BLOCKS]
    return -1, []


def _plain(shape: Shape) -> list[Layout]:
    """One for every order of equal axes. Columns are an axis of length one where only the rows hold units."""
    if unit_axes(shape) == 2:
        return [(shape, order) for order in orders(shape)]
    return [
        ((shape[0], 1, *shape[1:]), (0, 1, *[k + 1 for k in order[1:]])) for order in orders(shape) if order[0] == 0
    ]


def _blocked(shape: Shape, flat: int, channels: int) -> list[Layout]:
    """Channels first and last."""
    taps = shape[flat] // channels
    if flat == 1:
        return [((shape[0], channels, taps), (0, 1, 2)), ((shape[0], taps, channels), (0, 2, 1))]
    return [((channels, taps, shape[1]), (2, 0, 1)), ((taps, channels, shape[1]), (2, 1, 0))]
