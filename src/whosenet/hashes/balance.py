"""A kernel as matrices, balanced: what permuting and rescaling units cannot change.

Every unit axis is scaled until all its slices have the same energy (Sinkhorn and Knopp, Pacific J. Math. 21, 1967, on
the squared weights). The scales exist and are unique, so a positive factor on a unit, a folded batch norm or another
order of units give the same balanced numbers (in another order).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = 200
TOLERANCE = 1e-12
"""Of a row's energy; on float32 STEPS_SINGLE steps are taken at most, which gives what float32 can hold."""
STEPS_SINGLE = 12
STRIP = 1 << 16
KNEE = 0.5
"""Threshold in units of the fourth-moment scale: pruned to the larger half, a tensor keeps what is above."""
Stack = NDArray[Any]


def balanced(taps: Stack) -> Stack:
    """float32 or float64 [taps, n, m], changed in place: equal energy in each row and in each column, mean square 1.

    Rows and columns that are zero stay so.
    """
    energy = np.zeros(taps.shape[1:], taps.dtype)
    for tap in taps:
        for rows in _strips(tap):
            energy[rows] += tap[rows] * tap[rows]
    rows_, columns = scales(energy)
    for tap in taps:
        tap *= rows_[:, None]
        tap *= columns
    return taps


def _strips(tap: Stack) -> Iterator[slice]:
    """Runs of rows that fit a processor's cache."""
    step = max(1, STRIP // max(1, tap.shape[1]))
    return (slice(low, low + step) for low in range(0, len(tap), step))


def scales(energy: Stack) -> tuple[Stack, Stack]:
    """Factors [n], [m] that give the weights of this energy [n, m] rows and columns of mean square 1."""
    n, m = energy.shape
    total = float(energy.sum(dtype=np.float64))
    if total <= 0:
        return np.ones(n, energy.dtype), np.ones(m, energy.dtype)
    r, c = np.ones(n, energy.dtype), np.full(m, n * m / total, energy.dtype)
    for _ in range(STEPS if energy.dtype == np.float64 else STEPS_SINGLE):
        r = _inverse(energy @ c, m)
        raw = r @ energy
        sums = c * raw
        c = _inverse(raw, n)
        if float(np.abs(sums[sums > 0] / n - 1).max(initial=0)) < TOLERANCE:
            break
    return np.sqrt(r), np.sqrt(c)


def _inverse(sums: Stack, target: int) -> Stack:
    out = np.ones_like(sums)
    np.divide(target, sums, out=out, where=sums > 0)
    return out


def important(taps: Stack) -> Stack:
    """Balanced weights moved towards zero by a threshold, in place: the small ones, which pruning removes, are gone.

    Soft, since noise would carry weights to and fro over a hard threshold; from the fourth moment, to which the small
    weights add next to nothing, so that a pruned copy has the same threshold as its original.
    """
    fourth = sum(float(np.sum(np.square(tap[s] * tap[s]), dtype=np.float64)) for tap in taps for s in _strips(tap))
    knee = taps.dtype.type(KNEE * (fourth / taps.size) ** 0.25)
    for tap in taps:
        for s in _strips(tap):
            tap[s] -= np.clip(tap[s], -knee, knee)
    return taps


def mean_square(taps: Stack) -> NDArray[np.float64]:
    """Of each tap: float64 [taps]."""
    sums = [sum(float(np.sum(tap[s] * tap[s], dtype=np.float64)) for s in _strips(tap)) for tap in taps]
    return np.array(sums) / math.prod(taps.shape[1:])


def unevenness(matrix: Stack, axis: int) -> NDArray[np.float64]:
    """Log of the fourth moment of each slice of [n, m] along `axis`, centred: float64. It knows no order, scale or
    sign; slices of zeros get zero."""
    fourth = np.zeros(matrix.shape[1 - axis])
    for s in _strips(matrix):
        part = np.square(matrix[s] * matrix[s]).astype(np.float64)
        if axis == 1:
            fourth[s] = part.sum(axis=1)
        else:
            fourth += part.sum(axis=0)
    out = np.log(fourth, out=np.zeros_like(fourth), where=fourth > 0)
    return np.asarray(np.where(fourth > 0, out - out[fourth > 0].mean(), 0.0) if (fourth > 0).any() else out)
