"""The in-place test: is unit i of one model more like unit i of the other than like unit j?

Training starts from independent random numbers, so which hidden unit ends up at which place is arbitrary: permuting the
units of one model makes a pair that was as likely. The inner product of two aligned tensors is compared with its exact
mean and variance over those permutations (Hoeffding 1951). Units that merely share a direction, as honest twins do, are
alike at every pair of places and add to the variance, not to the evidence. Nothing is re-ordered to match: that
flatters strangers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whosenet.hashes.canonical import long_axes
from whosenet.hashes.chance import log10_p_cosine
from whosenet.hashes.nts import balanced

Array = NDArray[np.float64]


@dataclass(frozen=True)
class InPlace:
    """Evidence of one aligned pair of tensors."""

    cosine: float
    """Of the two tensors after removing what all units share and equalising their scale (-1..1)."""
    m_eff: float
    """1 / variance of that cosine over permutations of units: the larger variance of the unit axes decides."""

    @property
    def log10_p(self) -> float:
        return log10_p_cosine(self.cosine, self.m_eff)


def prepared(x: Array) -> Array:
    """Without an identity start, centred along the unit axes, units scaled alike, centred again, norm 1 (or zero)."""
    x = _without_identity(x)
    for _ in range(2):
        for k in long_axes(x.shape):
            x = x - x.mean(axis=k, keepdims=True)
        x = balanced(x)
    for k in long_axes(x.shape):
        x = x - x.mean(axis=k, keepdims=True)
    norm = float(np.linalg.norm(x))
    return x / norm if norm > 0 else x


def _without_identity(x: Array) -> Array:
    """Residual streams, fused skip connections and identity starts set the diagonal apart, for everybody alike.

    The mean of the (wrapped) diagonal of the two longest axes, tap by tap, is brought to that of the rest.
    """
    if x.ndim < 2 or len(long_axes(x.shape)) < 2:
        return x
    x = x.copy()
    rows = np.arange(x.shape[0])
    at = (rows, rows % x.shape[1])
    on = x[at].mean(axis=0)
    off = (x.sum(axis=(0, 1)) - x[at].sum(axis=0)) / max(x.shape[0] * (x.shape[1] - 1), 1)
    x[at] -= on - off
    return x


def in_place(x: Array, y: Array) -> InPlace:
    """The test on two prepared arrays of one shape."""
    variance = max(_variance(x, y, k) for k in long_axes(x.shape))
    cosine = float(np.clip(np.vdot(x, y), -1.0, 1.0))
    return InPlace(cosine, min(max(1.0 / variance, 2.0), float(x.size)) if variance > 0 else 2.0)


def _variance(x: Array, y: Array, k: int) -> float:
    """Variance of <x, y> when slices of y along axis k are permuted: sum of squared centred similarities / (n - 1)."""
    a = np.moveaxis(x, k, 0).reshape(x.shape[k], -1)
    b = np.moveaxis(y, k, 0).reshape(y.shape[k], -1)
    n, width = a.shape
    if n < 2:
        return 1.0
    # sum((a b')^2) = trace((a'a)(b'b)): take the smaller Gram matrices.
    square = float(np.sum((a @ b.T) ** 2)) if n <= width else float(np.sum((a.T @ a) * (b.T @ b)))
    return square / (n - 1)


def together(parts: list[InPlace]) -> InPlace:
    """Several aligned pairs as one test: cosines weighted by m_eff, best for an equal share of copying."""
    total = sum(p.m_eff for p in parts)
    return InPlace(sum(p.cosine * p.m_eff for p in parts) / total, total)
