"""Matching the units of one tensor of A with those of one of B, by these two tensors alone.

Rows are first told apart by what neither order, scale nor sign of the columns can change: products of taps, the sorted
sizes of a row's numbers, its weight in the leading singular vectors. From there rows and columns are matched in turn,
each by the numbers at the places that the other gives, sizes first and signs last. Two copies come out at a similarity
near one; strangers find some best fit in no particular order, which is why similarity is never evidence: that two
tensors give the *same* order is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whosenet.structure.traits import unit
from whosenet.structure.view import Array, View

Order = NDArray[np.int64]

EXACT = 512
"""Up to so many units the best assignment is computed; beyond, pairs that are each other's best."""
ROUNDS = 8


@dataclass(frozen=True)
class Matching:
    """`rows[i]` is the row of B opposite row i of A, -1 if none; columns alike."""

    rows: Order
    columns: Order
    row_signs: Array
    column_signs: Array
    similarity: float
    """Cosine of the balanced tensors once B is in A's order and signs, -1..1."""
    labels: tuple[Order, Order] | None = None
    """Where units of B repeat each other: for each of its rows and columns the number of its group, -1 if silent."""


def match(a: View, b: View) -> Matching:
    """Match two balanced arrays [rows, columns, taps]; where widths differ, the smaller into the larger."""
    x, y = a.sizes, b.sizes
    kinds = min(a.traits.shape[1], b.traits.shape[1])
    rows, columns = assign(a.traits[:, :kinds], b.traits[:, :kinds]), np.arange(x.shape[1])
    for _ in range(ROUNDS):
        before = rows, columns
        if x.shape[1] > 1:
            columns = assign(*opposite(x.transpose(1, 0, 2), y.transpose(1, 0, 2), rows))
        rows = assign(*opposite(x, y, columns))
        if np.array_equal(rows, before[0]) and np.array_equal(columns, before[1]):
            break
    return signed(a, b, rows, columns)


def signed(a: View, b: View, rows: Order, columns: Order) -> Matching:
    """The signs of rows and columns under a given matching, and how alike the two then are."""
    products = np.einsum("nmt,nmt->nm", a.array, aligned(b.array, rows, columns))
    left, right = np.ones(len(rows), np.float32), np.ones(len(columns), np.float32)
    for _ in range(ROUNDS):
        left = np.where(products @ right < 0, -1, 1).astype(np.float32)
        right = np.where(left @ products < 0, -1, 1).astype(np.float32)
    return Matching(rows, columns, left, right, float(left @ products @ right) / _size(a, b))


def _size(a: View, b: View) -> float:
    """The largest inner product there could be: balanced numbers have mean square one."""
    if a.array.shape == b.array.shape:
        return max(a.norm * b.norm, 1e-30)
    return float(np.prod(np.minimum(a.array.shape, b.array.shape)))


def aligned(b: Array, rows: Order, columns: Order) -> Array:
    """B's rows and columns at the places of A's; zeros where there is no counterpart."""
    out = b[np.maximum(rows, 0)][:, np.maximum(columns, 0)]
    out[rows < 0] = 0
    out[:, columns < 0] = 0
    return out


def opposite(x: Array, y: Array, other: Order) -> tuple[Array, Array]:
    """Unit vectors of the rows of x and y, with the second axis of y in the order `other`."""
    known = np.flatnonzero(other >= 0)
    return unit(x[:, known].reshape(len(x), -1)), unit(y[:, other[known]].reshape(len(y), -1))


def assign(left: Array, right: Array) -> Order:
    """For every row of `left` the row of `right` it is matched with, by inner product; -1 for none."""
    score = left @ right.T
    if len(score) <= EXACT:
        from scipy.optimize import linear_sum_assignment  # a quarter of a second that other verbs need not wait

        out = np.full(len(score), -1, np.int64)
        chosen = linear_sum_assignment(score, maximize=True)
        out[chosen[0]] = chosen[1]
        return out
    best = score.argmax(axis=1)
    mutual = score.argmax(axis=0)[best] == np.arange(len(score))
    return np.where(mutual, best, -1)
