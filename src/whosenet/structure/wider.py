"""Layers of another width: units that say nothing were added, or units were taken out.

A unit that is split in two has parallel outgoing weights, one that is cancelled opposite ones, a silent one none. So
slices of zeros are left out and parallel slices count as one, on either axis; what is left is matched as ever, the
smaller side into the larger.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whosenet.hashes.canonical import Shape
from whosenet.structure.alone import Matching, Order, match
from whosenet.structure.matched import Layout, Matched, Seen, blocked, laid, ways
from whosenet.structure.view import Array, View, balanced, numbers, unit_axes

PARALLEL = 0.99
MIN_WIDTH = 8
"""Shorter slices are often parallel by accident."""


@dataclass(frozen=True)
class Condensed:
    """`array` without silent and repeated slices; `rows` and `columns` are those kept, `labels` group all of them."""

    array: Array
    rows: Order
    columns: Order
    labels: tuple[Order, Order]


def condensed(x: Array) -> Condensed:
    """Of raw numbers [rows, columns, taps]."""
    columns, right = _distinct(x.transpose(1, 0, 2).reshape(x.shape[1], -1))
    rows, left = _distinct(x[:, columns].reshape(len(x), -1))
    return Condensed(balanced(np.ascontiguousarray(x[rows][:, columns])), rows, columns, (left, right))


def _distinct(slices: Array) -> tuple[Order, Order]:
    """Indices of the slices kept, and for every slice which one of these it repeats (-1: silent)."""
    norm = np.linalg.norm(slices, axis=1)
    alive = np.flatnonzero(norm > 1e-6 * max(float(norm.max(initial=0.0)), 1e-30))
    labels = np.full(len(slices), -1, np.int64)
    unit = slices[alive] / norm[alive, None]
    same = np.abs(unit @ unit.T) > PARALLEL if slices.shape[1] >= MIN_WIDTH else np.eye(len(alive), dtype=bool)
    kept: list[int] = []
    for i in range(len(alive)):
        if labels[alive[i]] < 0:
            labels[alive[same[i] & (labels[alive] < 0)]] = len(kept)
            kept.append(int(alive[i]))
    return np.array(kept, dtype=np.int64), labels


def best_wider(a: Seen, b: Seen, flat: tuple[int, int] = (-1, -1),
               channels: tuple[Sequence[int], Sequence[int]] = ((), ())) -> Matched | None:  # fmt: skip
    """The most alike of the layouts in which the two may lie; `flat` and `channels` as in `best`, of A and of B."""
    found: Matched | None = None
    x, y = numbers(a.tensor), numbers(b.tensor)
    for layouts in _layouts(a.shape, b.shape, flat, channels):
        matching = _match(condensed(laid(x, layouts[0])), condensed(laid(y, layouts[1])))
        if matching is not None and (found is None or matching.similarity > found.matching.similarity):
            found = Matched(a.tensor, b.tensor, layouts, matching)
    return found


def _layouts(a: Shape, b: Shape, flat: tuple[int, int],
             channels: tuple[Sequence[int], Sequence[int]]) -> Iterator[tuple[Layout, Layout]]:  # fmt: skip
    if min(flat) >= 0:
        for ours, theirs in itertools.product(*channels):
            if a[flat[0]] // ours == b[flat[1]] // theirs:
                yield from itertools.product(blocked(a, flat[0], ours), blocked(b, flat[1], theirs))
        return
    turned = (1, 0, *range(2, len(b)))
    yield ways(a)[0], ways(b)[0]
    if unit_axes(a) == 2:
        yield ways(a)[0], (b, turned)


def _match(a: Condensed, b: Condensed) -> Matching | None:
    """In the indices of the tensors as they are stored."""
    if min(a.array.shape) == 0 or min(b.array.shape) == 0 or (a.array.shape[1] == 1) != (b.array.shape[1] == 1):
        return None
    found = match(View(a.array), View(b.array))
    rows, row_signs = _spread(found.rows, found.row_signs, a.rows, b.rows, len(a.labels[0]))
    columns, column_signs = _spread(found.columns, found.column_signs, a.columns, b.columns, len(a.labels[1]))
    return Matching(rows, columns, row_signs, column_signs, found.similarity, b.labels)


def _spread(order: Order, signs: Array, ours: Order, theirs: Order, length: int) -> tuple[Order, NDArray[np.float32]]:
    out, turned = np.full(length, -1, np.int64), np.ones(length, np.float32)
    known = order >= 0
    out[ours[known]] = theirs[order[known]]
    turned[ours] = signs
    return out, turned
