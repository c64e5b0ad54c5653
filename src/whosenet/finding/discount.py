"""What is left of a model beyond a public backbone it started from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from whosenet.hashes.base import Features


def beyond(features: Features, bases: Sequence[Features]) -> Features:
    """The features with the directions of all bases projected out, shape by shape.

    A model related to this one only through the bases is a random direction to what remains, so the usual p-value
    holds for the code of the remainder. Shapes in which nothing remains are left out.
    """
    left = Features(counts=dict(features.counts), left_out=dict(features.left_out), tensors=features.tensors)
    for shape, values in features.parts.items():
        rest = _rest(values, [b.parts[shape] for b in bases if shape in b.parts])
        if float(np.linalg.norm(rest)) > 1e-6 * float(np.linalg.norm(values)):
            left.parts[shape] = rest
    left.counts = {shape: left.counts[shape] for shape in left.parts}
    return left


def _rest(values: NDArray[np.float64], directions: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    if not directions:
        return values
    matrix = np.stack([d.ravel() for d in directions], axis=1)
    q, _ = np.linalg.qr(matrix)
    flat = values.ravel()
    return (flat - q @ (q.T @ flat)).reshape(values.shape)
