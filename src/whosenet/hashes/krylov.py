"""Numbers of a matrix that do not depend on the order of its rows and columns: Golub-Kahan coefficients.

Golub and Kahan (SIAM J. Numer. Anal. B 2, 1965) reduce a matrix to two diagonals, from a start vector. Started from the
vector of ones, which no permutation changes, the diagonals are the same for every order of rows and columns. For
independent Gaussian entries of variance one they are independent chi variables with a standard deviation of 1 / sqrt 2,
whatever the shape (Dumitriu and Edelman, J. Math. Phys. 43, 2002): strangers differ by a known amount. The first
coefficients are polynomials of low degree in the weights, so noise moves them little, unlike single singular values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Stack = NDArray[Any]
LOST = 1.5
"""Balancing takes freedom: in the smaller dimension d, standard deviations are 1 - LOST / d (simulated, d >= 8)."""


def coefficients(taps: Stack, count: int, start: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """The first `count` of alpha_1, beta_1, alpha_2, ... for each matrix of [taps, n, m]: float64 [taps, count].

    `start` [n]: ones if None; it must move with the rows. Entries have mean square one. Unit: the spread
    between strangers (small balanced matrices have a little less, which is made up for). Zeros where the space ends.
    """
    tiny = 1e-6 if taps.dtype == np.float32 else 1e-10
    n, least = taps.shape[1], min(taps.shape[1:])
    start = np.ones(n) if start is None else start
    size = float(np.linalg.norm(start))
    if size == 0:
        return np.zeros((len(taps), count))
    side = [np.tile((start / size).astype(taps.dtype), (len(taps), 1))]
    other: list[Stack] = []
    out = np.zeros((len(taps), count))
    for k in range(count):
        if k % 2 == 0:
            step, basis = np.matmul(side[-1][:, None, :], taps)[:, 0], other
        else:
            step, basis = np.matmul(taps, other[-1][:, :, None])[:, :, 0], side
        for _ in range(2):
            for old in basis:
                step = step - np.einsum("tk,tk->t", old, step)[:, None] * old
        length = np.sqrt(np.einsum("tk,tk->t", step, step))
        out[:, k] = np.where(length > tiny * n**0.5, length, 0.0)
        basis.append(step / np.where(out[:, k] > 0, length, np.inf)[:, None])
    return np.asarray(out * 2**0.5 / (1 - LOST / least))
