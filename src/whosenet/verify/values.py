"""A tensor's numbers in canonical axis order, at most a bounded sample of them, the same places for equal shapes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from whosenet.hashes.canonical import Shape, canonical
from whosenet.weights.base import Tensor

LIMIT = 1 << 20
"""Most numbers looked at a tensor; m_eff then already is in the hundred thousands."""


def places(shape: Shape, limit: int = LIMIT) -> list[NDArray[np.int64]]:
    """Indices along each canonical axis: all, or evenly spread ones, longest axes thinned first (equal ones alike)."""
    keep = list(shape)
    while math.prod(keep) > limit and max(keep) > 1:
        top = max(keep)
        keep = [-(-k // 2) if k == top else k for k in keep]
    return [np.arange(k, dtype=np.int64) * n // k for k, n in zip(keep, shape, strict=True)]


def values(tensor: Tensor, limit: int = LIMIT) -> NDArray[np.float64]:
    """The numbers at `places`, float64, canonical axis order. Non-finite ones become zero."""
    layout = canonical(tensor.shape)
    chosen = places(layout.shape, limit)
    stored = [chosen[layout.order.index(a)] for a in range(len(layout.squeezed))]
    if tensor.shape[0] == 1:
        whole = tensor.read().reshape(layout.squeezed)[np.ix_(*stored)]
    elif len(stored[0]) == tensor.shape[0]:
        whole = np.concatenate([_pick(chunk, layout.squeezed[1:], stored[1:]) for chunk in tensor.chunks()])
    else:
        whole = np.concatenate(
            [_pick(tensor.raw(int(i), int(i) + 1), layout.squeezed[1:], stored[1:]) for i in stored[0]]
        )
    return np.nan_to_num(whole.transpose(layout.order).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _pick(rows: NDArray[np.float32], rest: Shape, chosen: list[NDArray[np.int64]]) -> NDArray[np.float32]:
    block = rows.reshape(len(rows), *rest)
    return block[np.ix_(np.arange(len(rows)), *chosen)].astype(np.float32)
