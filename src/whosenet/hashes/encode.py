"""Features to bits: seeded random projections (the default), and the paper family's median and neighbour codes."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from scipy import special

from whosenet.hashes.base import Features
from whosenet.hashes.canonical import Shape, long_axes, orders

ENCODINGS = ("projection", "median", "neighbour")


def normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values replaced by the normal quantiles of their ranks (ties share one), then scaled to unit RMS; same shape."""
    scores = _quantiles(values.size)[_half_ranks(values.ravel())]
    rms = math.sqrt(float(np.mean(scores**2)))
    return np.asarray(scores / rms if rms > 0 else scores).reshape(values.shape)


def _half_ranks(flat: NDArray[np.float64]) -> NDArray[np.int64]:
    """Twice the rank (from 1) of each value; equal values share the mean of their ranks."""
    order = np.argsort(flat)
    placed = flat[order]
    out = np.empty(len(flat), np.int64)
    if (placed[1:] > placed[:-1]).all():
        out[order] = np.arange(2, 2 * len(flat) + 1, 2)
        return out
    new = np.concatenate([[True], np.diff(placed) > 0])
    first = np.flatnonzero(new)
    shared = first + 1 + np.append(first[1:], len(flat))
    out[order] = shared[np.cumsum(new) - 1]
    return out


@lru_cache(maxsize=64)
def _quantiles(count: int) -> NDArray[np.float64]:
    """Normal quantile of (rank - 1/2) / count for ranks in half steps 0, 1/2, ... count (ties have half ranks)."""
    return np.asarray(special.ndtri(np.clip((np.arange(2 * count + 1) - 1) / (2 * count), 1e-300, 1 - 1e-16)))


@lru_cache(maxsize=64)
def _signs(shape: Shape, count: int, bits: int) -> NDArray[np.float32]:
    """+-1 matrix [count, bits] seeded by the canonical shape alone: names and order must not matter."""
    raw = blake3(f"projection {shape}".encode()).digest(length=count * bits // 8)
    return (np.unpackbits(np.frombuffer(raw, np.uint8)).astype(np.float32) * 2 - 1).reshape(count, bits)


def project(features: Features, bits: int) -> NDArray[np.float64]:
    """Random projections, float64 [bits]: each is a sum over all features with signs of its own."""
    total = np.zeros(bits)
    for shape, values in features.parts.items():
        total += values.ravel().astype(np.float32) @ _signs(shape, values.size, bits)
    return total


def pooled(features: Features, bits: int) -> NDArray[np.float64]:
    """Mean of the features in `bits` equal runs, tensors in order of shape: float64 [bits]."""
    line = np.concatenate([features.parts[s].ravel() for s in sorted(features.parts)])
    edges = np.linspace(0, len(line), bits + 1).astype(int)[:-1]
    if len(line) < bits:
        return np.resize(line, bits)
    return np.add.reduceat(line, edges) / np.diff(np.append(edges, len(line)))


def encode(features: Features, encoding: str, bits: int) -> NDArray[np.bool_]:
    if encoding == "projection":
        return np.asarray(project(features, bits) > 0)
    runs = pooled(features, bits)
    return np.asarray(runs > np.median(runs) if encoding == "median" else np.roll(runs, -1) > runs)


def effective(features: Features) -> float:
    """m_eff of the whole feature vector: 1 / variance of the cosine with a stranger of the same structure."""
    energy = {s: features.counts[s] * v.size for s, v in features.parts.items()}
    spread = sum(e * e / effective_part(features.parts[s]) for s, e in energy.items())
    return sum(energy.values()) ** 2 / spread if spread else 0.0


def effective_part(values: NDArray[np.float64]) -> float:
    """Independent features in one array, centred along its unit axes.

    Hidden units are exchangeable: which one stands where is chance, so whatever correlation a net has along such an
    axis points elsewhere in a stranger, and the axis counts in full. One of the two unit axes may be none (pixels of
    a first layer, classes of a head), and taps never are: there strangers may share structure, and the axis counts by
    the participation ratio of its covariance (assumed separable). Axes averaged over their order count once.
    """
    units = long_axes(values.shape)
    ratios = [_participation(values, k) for k in range(values.ndim)]
    taps = math.prod(r for k, r in enumerate(ratios) if k not in units)
    full = {k: max(values.shape[k] - 1, 1) for k in units}
    count = math.prod(full.values())
    if len(units) > 1:
        count = min(count / full[k] * ratios[k] for k in units)
    return float(max(1.0, taps * count / len(orders(values.shape))))


def _participation(values: NDArray[np.float64], k: int) -> float:
    """tr(C)^2 / tr(C^2) of the covariance C along axis k, unbiased for Gaussian data (Srivastava 2005, eq. 2.3)."""
    rows = np.moveaxis(values, k, 0).reshape(values.shape[k], -1)
    dim, n = rows.shape
    if n < 3:
        return float(dim)
    gram = rows @ rows.T / n if dim <= n else rows.T @ rows / n
    trace, square = float(np.trace(gram)), float(np.sum(gram * gram))
    unbiased = n * n / ((n - 1) * (n + 2)) * (square - trace * trace / n)
    return float(np.clip(trace * trace / unbiased, 1.0, dim)) if unbiased > 0 else float(dim)
