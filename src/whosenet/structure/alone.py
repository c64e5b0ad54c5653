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

from whosenet.structure.view import Array

Order = NDArray[np.int64]

EXACT = 512
"""Up to so many units the best assignment is computed; beyond, pairs that are each other's best."""
VECTORS = 24
QUANTILES = 12
MAX_TAPS = 32
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


def match(a: Array, b: Array) -> Matching:
    """Match two balanced arrays [rows, columns, taps] of one shape."""
    x, y = np.abs(a), np.abs(b)
    rows, columns = assign(traits(a), traits(b)), np.arange(a.shape[1])
    for _ in range(ROUNDS):
        before = rows, columns
        if a.shape[1] > 1:
            columns = assign(*opposite(x.transpose(1, 0, 2), y.transpose(1, 0, 2), rows))
        rows = assign(*opposite(x, y, columns))
        if np.array_equal(rows, before[0]) and np.array_equal(columns, before[1]):
            break
    return signed(a, b, rows, columns)


def signed(a: Array, b: Array, rows: Order, columns: Order) -> Matching:
    """The signs of rows and columns under a given matching, and how alike the two then are."""
    products = np.einsum("nmt,nmt->nm", a, aligned(b, rows, columns))
    left, right = np.ones(len(rows), np.float32), np.ones(len(columns), np.float32)
    for _ in range(ROUNDS):
        left = np.where(products @ right < 0, -1, 1).astype(np.float32)
        right = np.where(left @ products < 0, -1, 1).astype(np.float32)
    size = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return Matching(rows, columns, left, right, float(left @ products @ right) / max(size, 1e-30))


def aligned(b: Array, rows: Order, columns: Order) -> Array:
    """B's rows and columns at the places of A's; zeros where there is no counterpart."""
    out = b[np.maximum(rows, 0)][:, np.maximum(columns, 0)]
    out[rows < 0] = 0
    out[:, columns < 0] = 0
    return out


def opposite(x: Array, y: Array, other: Order) -> tuple[Array, Array]:
    """Unit vectors of the rows of x and y, with the second axis of y in the order `other`."""
    known = np.flatnonzero(other >= 0)
    return _unit(x[:, known].reshape(len(x), -1)), _unit(y[:, other[known]].reshape(len(y), -1))


def assign(left: Array, right: Array) -> Order:
    """For every row of `left` the row of `right` it is matched with, by inner product; -1 for none."""
    score = left @ right.T
    if len(score) <= EXACT:
        from scipy.optimize import linear_sum_assignment  # a quarter of a second that other verbs need not wait

        return np.asarray(linear_sum_assignment(score, maximize=True)[1], dtype=np.int64)
    best = score.argmax(axis=1)
    mutual = score.argmax(axis=0)[best] == np.arange(len(score))
    return np.where(mutual, best, -1)


def traits(x: Array) -> Array:
    """What tells rows apart however columns are ordered, scaled or turned: [rows, features], standardised."""
    taps = x.shape[2]
    flat = x.reshape(len(x), -1)
    if x.shape[1] == 1:
        return _unit(np.abs(flat))
    found = [_standard(np.quantile(np.abs(flat), np.linspace(0, 1, QUANTILES), axis=1).T), _leading(flat)]
    if 1 < taps <= MAX_TAPS:
        products = np.matmul(x.transpose(0, 2, 1), x) / x.shape[1]
        found.append(_standard(products[:, *np.triu_indices(taps)]) * min(1.0, 3 / taps))
    elif taps > 1:
        found.append(_standard(np.mean(x * x, axis=1)))
    return np.concatenate(found, axis=1)


def _leading(flat: Array) -> Array:
    """Sizes of the entries of the leading left singular vectors (subspace iteration from a fixed start)."""
    gram = flat @ flat.T
    block = np.random.default_rng(0).standard_normal((len(gram), min(2 * VECTORS, len(gram)))).astype(np.float32)
    for _ in range(ROUNDS):
        block = np.linalg.qr(gram @ block)[0]
    _, turn = np.linalg.eigh(block.T @ gram @ block)
    return _standard(np.abs(block @ turn[:, ::-1][:, :VECTORS]))


def _standard(features: NDArray[np.floating]) -> Array:
    rest = features - features.mean(axis=0)
    return np.asarray(rest / np.maximum(rest.std(axis=0), 1e-9), dtype=np.float32)


def _unit(rows: Array) -> Array:
    rest = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(rest / np.maximum(np.linalg.norm(rest, axis=1, keepdims=True), 1e-12), dtype=np.float32)
