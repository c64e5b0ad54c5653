"""Normal test statistics on segments of the important weights: the family the seed method draws from.

Segments are cut on original indices (in canonical axis order) and keep the important weights inside; cutting the
compacted list would let one changed weight shift every later boundary. A weight of exactly zero is never important.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from whosenet.hashes.canonical import canonical, orders
from whosenet.weights.base import Tensor

Array = NDArray[np.float64]
MIN_SEGMENT = 32
"""Fewest weights in a segment of a nonlinear statistic."""


def segment_features(tensor: Tensor, statistic: str, importance: float, unit: str, segments: int) -> Array:
    """The statistic of every segment, float64 [segments]; summed over the axis orders storage may have used.

    Reads the whole tensor as float32: only the linear default streams.
    """
    layout = canonical(tensor.shape)
    whole = tensor.read().reshape(layout.squeezed).transpose(layout.order)
    total: Array | float = 0.0
    for order in orders(whole.shape):
        turned = np.ascontiguousarray(whole.transpose(order))
        keep = IMPORTANT[unit](turned, importance)
        total = total + _one_order(turned.ravel(), keep.ravel(), statistic, segments)
    return np.asarray(total)


def _one_order(line: NDArray[np.float32], keep: NDArray[np.bool_], statistic: str, segments: int) -> Array:
    shortest = 1 if statistic == "mean" else MIN_SEGMENT
    count = max(1, min(segments, line.size // shortest))
    length = line.size // count
    rows = line[: count * length].reshape(count, length).astype(np.float64)
    values = STATISTICS[statistic](rows, keep[: count * length].reshape(count, length))
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _important(whole: NDArray[np.float32], importance: float) -> NDArray[np.bool_]:
    """The largest-magnitude share of the weights, zeros never."""
    size = np.abs(whole)
    if importance >= 1:
        return np.asarray(size > 0)
    rank = int((1 - importance) * (size.size - 1))
    return np.asarray((size > 0) & (size >= np.partition(size, rank, axis=None)[rank]))


def _important_filters(whole: NDArray[np.float32], importance: float) -> NDArray[np.bool_]:
    """The share of slices along the longest axis with the largest L1 norms, whole; zeros never."""
    norms = np.abs(whole).reshape(len(whole), -1).sum(axis=1)
    chosen = norms >= np.sort(norms)[int((1 - importance) * (len(norms) - 1))]
    return np.asarray((whole != 0) & chosen.reshape(-1, *[1] * (whole.ndim - 1)))


IMPORTANT = {"weight": _important, "filter": _important_filters}


def _moments(rows: Array, keep: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Count, skewness and kurtosis of the kept weights of each row."""
    n = keep.sum(axis=1)
    with np.errstate(all="ignore"):
        mean = (rows * keep).sum(axis=1) / n
        gap = (rows - mean[:, None]) * keep
        m2, m3, m4 = ((gap**k).sum(axis=1) / n for k in (2, 3, 4))
        return n.astype(np.float64), m3 / m2**1.5, m4 / m2**2


def mean(rows: Array, keep: NDArray[np.bool_]) -> Array:
    return np.asarray((rows * keep).sum(axis=1))


def skewness(rows: Array, keep: NDArray[np.bool_]) -> Array:
    return _moments(rows, keep)[1]


def kurtosis(rows: Array, keep: NDArray[np.bool_]) -> Array:
    return _moments(rows, keep)[2]


def jarque_bera(rows: Array, keep: NDArray[np.bool_]) -> Array:
    n, s, k = _moments(rows, keep)
    return np.asarray(np.log1p(n / 6 * (s**2 + (k - 3) ** 2 / 4)))


def k2(rows: Array, keep: NDArray[np.bool_]) -> Array:
    """D'Agostino-Pearson K^2 from the transformed skewness and kurtosis (D'Agostino, Belanger, D'Agostino 1990)."""
    n, s, k = _moments(rows, keep)
    with np.errstate(all="ignore"):
        return np.asarray(np.log1p(_z_skewness(n, s) ** 2 + _z_kurtosis(n, k) ** 2))


def _z_skewness(n: Array, s: Array) -> Array:
    y = s * np.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    beta = 3 * (n * n + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    w2 = np.sqrt(2 * (beta - 1)) - 1
    return np.asarray(np.arcsinh(y / np.sqrt(2 / (w2 - 1))) / np.sqrt(0.5 * np.log(w2)))


def _z_kurtosis(n: Array, k: Array) -> Array:
    x = (k - 3 * (n - 1) / (n + 1)) / np.sqrt(24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5)))
    beta = 6 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) * np.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    a = 6 + 8 / beta * (2 / beta + np.sqrt(1 + 4 / beta**2))
    cube = (1 - 2 / a) / (1 + x * np.sqrt(2 / (a - 4)))
    return np.asarray((1 - 2 / (9 * a) - np.cbrt(cube)) / np.sqrt(2 / (9 * a)))


def _order_statistics(rows: Array, keep: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Standardised kept weights in rising order (the others last, zero), their ranks 1..n (0 for the others), and n."""
    n = keep.sum(axis=1).astype(np.float64)
    with np.errstate(all="ignore"):
        mean = (rows * keep).sum(axis=1) / n
        std = np.sqrt((((rows - mean[:, None]) * keep) ** 2).sum(axis=1) / (n - 1))
        z = np.sort(np.where(keep, (rows - mean[:, None]) / std[:, None], np.inf), axis=1)
    rank = np.where(np.isfinite(z), np.arange(1, z.shape[1] + 1), 0)
    return np.where(rank > 0, z, 0.0), rank.astype(np.float64), n


def shapiro_wilk(rows: Array, keep: NDArray[np.bool_]) -> Array:
    """log(1 - W), with the weights of Royston 1995 (Applied Statistics algorithm R94)."""
    z, _, n = _order_statistics(rows, keep)
    out = np.zeros(len(rows))
    for count in np.unique(n[n >= 12]).astype(int):
        mine = n == count
        x = z[mine, :count]
        with np.errstate(all="ignore"):
            w = (x @ _royston(int(count))) ** 2 / ((x - x.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        out[mine] = np.log(np.maximum(1 - w, 1e-12))
    return out


@lru_cache(maxsize=4096)
def _royston(n: int) -> Array:
    m = special.ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25))
    u, c = 1 / math.sqrt(n), m / math.sqrt(float(m @ m))
    last = c[-1] + np.polyval([-2.706056, 4.434685, -2.071190, -0.147981, 0.221157, 0.0], u)
    next_ = c[-2] + np.polyval([-3.582633, 5.682633, -1.752461, -0.293762, 0.042981, 0.0], u)
    phi = (m @ m - 2 * m[-1] ** 2 - 2 * m[-2] ** 2) / (1 - 2 * last**2 - 2 * next_**2)
    weights = m / math.sqrt(float(phi))
    weights[-1], weights[-2], weights[0], weights[1] = last, next_, -last, -next_
    return np.asarray(weights)


def anderson_darling(rows: Array, keep: NDArray[np.bool_]) -> Array:
    """log of A^2 for the normal fitted to each segment."""
    z, rank, n = _order_statistics(rows, keep)
    with np.errstate(all="ignore"):
        terms = (2 * rank - 1) * special.log_ndtr(z) + (2 * (n[:, None] - rank) + 1) * special.log_ndtr(-z)
        return np.asarray(np.log(np.maximum(-n - (terms * (rank > 0)).sum(axis=1) / n, 1e-12)))


def lilliefors(rows: Array, keep: NDArray[np.bool_]) -> Array:
    """Kolmogorov-Smirnov distance to the normal fitted to each segment."""
    z, rank, n = _order_statistics(rows, keep)
    cdf = special.ndtr(z)
    with np.errstate(all="ignore"):
        above, below = rank / n[:, None] - cdf, cdf - (rank - 1) / n[:, None]
    return np.asarray(np.maximum(above, below).max(axis=1, where=rank > 0, initial=0.0))


STATISTICS: dict[str, Callable[[Array, NDArray[np.bool_]], Array]] = {
    "mean": mean,
    "skewness": skewness,
    "kurtosis": kurtosis,
    "k2": k2,
    "jarque_bera": jarque_bera,
    "shapiro_wilk": shapiro_wilk,
    "anderson_darling": anderson_darling,
    "lilliefors": lilliefors,
}
