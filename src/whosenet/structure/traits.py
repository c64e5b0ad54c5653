"""What tells the rows of a tensor apart however its columns are ordered, scaled or turned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

VECTORS = 24
QUANTILES = 12
MAX_TAPS = 32
DIRECT = 256
"""Up to so many rows all singular vectors are computed; beyond, the leading ones by subspace iteration."""
STEPS = 6


def traits(x: Array) -> Array:
    """[rows, features], standardised, of a balanced array [rows, columns, taps]."""
    taps = x.shape[2]
    flat = x.reshape(len(x), -1)
    if x.shape[1] == 1:
        return unit(np.abs(flat))
    found = [_standard(_quantiles(flat))]
    if 1 < taps <= MAX_TAPS:
        products = np.matmul(x.transpose(0, 2, 1), x) / x.shape[1]
        found.append(_standard(products[:, *np.triu_indices(taps)]) * min(1.0, 3 / taps))
    elif taps > 1:
        found.append(_standard(np.mean(x * x, axis=1)))
    return np.concatenate([*found, _leading(flat)], axis=1)


def unit(rows: Array) -> Array:
    """Centred rows of norm one."""
    rest = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(rest / np.maximum(np.linalg.norm(rest, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def _quantiles(flat: Array) -> Array:
    places = np.linspace(0, flat.shape[1] - 1, QUANTILES).astype(int)
    return np.asarray(np.sort(np.abs(flat), axis=1)[:, places])


def _leading(flat: Array) -> Array:
    """Sizes of the entries of the leading left singular vectors."""
    gram = flat @ flat.T
    if len(gram) <= DIRECT:
        return _standard(np.abs(np.linalg.eigh(gram)[1][:, ::-1][:, :VECTORS]))
    block = np.random.default_rng(0).standard_normal((len(gram), 2 * VECTORS)).astype(np.float32)
    for _ in range(STEPS):
        block = np.linalg.qr(gram @ (gram @ block))[0]
    _, turn = np.linalg.eigh(block.T @ gram @ block)
    return _standard(np.abs(block @ turn[:, ::-1][:, :VECTORS]))


def _standard(features: NDArray[np.floating]) -> Array:
    rest = features - features.mean(axis=0)
    return np.asarray(rest / np.maximum(rest.std(axis=0), 1e-9), dtype=np.float32)
