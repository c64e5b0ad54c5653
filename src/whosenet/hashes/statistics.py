"""Normal test statistics on segments of the important weights: the family the seed method draws from.

Segments are cut on original indices (in canonical axis order) and keep the important weights inside; cutting the
compacted list would let one changed weight shift every later boundary. A weight of exactly zero is never important.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from whosenet.hashes.canonical import canonical, orders
from whosenet.weights.base import Tensor

Array = NDArray[np.float64]
MIN_SEGMENT = 32
"""Fewest weights in a segment of a nonlinear statistic."""


def segment_features(tensor: Tensor, statistic: str, importance: float, segments: int) -> Array:
    """The statistic of every segment, float64 [segments]; summed over the axis orders storage may have used.

    Reads the whole tensor as float32: only the linear default streams.
    """
    layout = canonical(tensor.shape)
    whole = tensor.read().reshape(layout.squeezed).transpose(layout.order)
    total: Array | float = 0.0
    for order in orders(whole.shape):
        total = total + _one_order(
            np.ascontiguousarray(whole.transpose(order)).ravel(), statistic, importance, segments
        )
    return np.asarray(total)


def _one_order(line: NDArray[np.float32], statistic: str, importance: float, segments: int) -> Array:
    shortest = 1 if statistic == "mean" else MIN_SEGMENT
    count = max(1, min(segments, line.size // shortest))
    length = line.size // count
    rows = line[: count * length].reshape(count, length).astype(np.float64)
    values = STATISTICS[statistic](rows, _important(line, importance)[: count * length].reshape(count, length))
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _important(line: NDArray[np.float32], importance: float) -> NDArray[np.bool_]:
    """The largest-magnitude share of the weights, zeros never."""
    size = np.abs(line)
    if importance >= 1:
        return np.asarray(size > 0)
    threshold = np.partition(size, int((1 - importance) * (size.size - 1)))[int((1 - importance) * (size.size - 1))]
    return np.asarray((size > 0) & (size >= threshold))


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


def _by_row(rows: Array, keep: NDArray[np.bool_], one: Callable[[Array], float]) -> Array:
    return np.array([one(r[k]) if k.sum() >= 8 and np.ptp(r[k]) > 0 else 0.0 for r, k in zip(rows, keep, strict=True)])


def shapiro_wilk(rows: Array, keep: NDArray[np.bool_]) -> Array:
    return _by_row(rows, keep, lambda x: math.log(1 - float(stats.shapiro(x[:4096]).statistic) + 1e-12))


def anderson_darling(rows: Array, keep: NDArray[np.bool_]) -> Array:
    return _by_row(rows, keep, lambda x: math.log(_cdf_statistics(x)[0] + 1e-12))


def lilliefors(rows: Array, keep: NDArray[np.bool_]) -> Array:
    return _by_row(rows, keep, lambda x: _cdf_statistics(x)[1])


def _cdf_statistics(x: Array) -> tuple[float, float]:
    """Anderson-Darling A^2 and the Kolmogorov-Smirnov distance to the normal fitted to the sample."""
    z = np.sort((x - x.mean()) / x.std(ddof=1))
    n, i = len(z), np.arange(1, len(z) + 1)
    log_low, log_high = stats.norm.logcdf(z), stats.norm.logsf(z[::-1])
    cdf = np.exp(log_low)
    distance = max(float((i / n - cdf).max()), float((cdf - (i - 1) / n).max()))
    return float(-n - np.mean((2 * i - 1) * (log_low + log_high))), distance


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
