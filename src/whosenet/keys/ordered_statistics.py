"""Decoding by what is surest: ordered statistics decoding (Fossorier and Lin 1995, IEEE Trans. Inf. Theory 41(5)).

Instead of repairing what is doubtful, it takes the surest bits that determine a word of a linear code, and considers
that up to two of them are wrong. Near the optimum for a code as short as ours.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

WRONG = 2
"""Most wrong bits considered among the surest: 1 + 24 + 276 words."""


def words_near(values: NDArray[np.float64], basis: NDArray[Any]) -> NDArray[np.uint8]:
    """Words uint8 [tries, n] of the code spanned by `basis` [k, n] that agree with the surest of floats [n]."""
    surest = np.argsort(-np.abs(values), kind="stable")
    reduced, pivots = _reduced(np.asarray(basis, np.uint8)[:, surest])
    kept = (values[surest][pivots] > 0).astype(np.uint8)
    words = np.empty((len(_flips(len(kept))), len(values)), np.uint8)
    words[:, surest] = (kept ^ _flips(len(kept))) @ reduced & 1
    return words


def _reduced(rows: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Gauss-Jordan over bits: equivalent rows [k, n], and the first k independent columns, which are a unit matrix."""
    rows, pivots = rows.copy(), list[int]()
    for column in range(rows.shape[1]):
        done = len(pivots)
        if done == len(rows):
            break
        below = np.flatnonzero(rows[done:, column])
        if not len(below):
            continue
        rows[[done, done + below[0]]] = rows[[done + below[0], done]]
        others = np.flatnonzero(rows[:, column])
        rows[others[others != done]] ^= rows[done]
        pivots.append(column)
    return rows, np.array(pivots, np.int64)


@cache
def _flips(k: int) -> NDArray[np.uint8]:
    """uint8 [tries, k]: nothing changed, one bit, two bits."""
    places = [place for number in range(WRONG + 1) for place in combinations(range(k), number)]
    flips = np.zeros((len(places), k), np.uint8)
    for row, place in zip(flips, places, strict=True):
        row[list(place)] = 1
    return flips
