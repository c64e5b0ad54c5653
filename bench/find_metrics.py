"""Ranking and error measures of a distance matrix with known families."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def hamming(codes: NDArray[np.uint8]) -> NDArray[np.int16]:
    """All distances in bits between the rows of uint8 [n, bits/8]: int16 [n, n]."""
    signs = np.unpackbits(codes, axis=1).astype(np.float32) * 2 - 1
    return ((signs.shape[1] - signs @ signs.T) / 2).round().astype(np.int16)


def split_pairs(distance: NDArray[Any], family: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Distances of pairs of one family, and of two."""
    upper = np.triu(np.ones(distance.shape, bool), 1)
    same = family[:, None] == family[None, :]
    return distance[upper & same], distance[upper & ~same]


def auc(positive: NDArray[Any], negative: NDArray[Any]) -> float:
    """Probability that a copy is nearer than a stranger; ties count half."""
    levels, inverse = np.unique(np.concatenate([positive, negative]), return_inverse=True)
    p = np.bincount(inverse[: len(positive)], minlength=len(levels)) / len(positive)
    n = np.bincount(inverse[len(positive) :], minlength=len(levels)) / len(negative)
    farther = 1 - np.cumsum(n)
    return float(np.sum(p * (farther + 0.5 * n)))


def roc(positive: NDArray[Any], negative: NDArray[Any], points: int = 200) -> list[list[float]]:
    """[threshold, false-match rate, found rate] at up to `points` thresholds, rising."""
    levels = np.unique(np.concatenate([positive, negative]))
    chosen = levels[np.unique(np.linspace(0, len(levels) - 1, points).astype(int))]
    p, n = np.sort(positive), np.sort(negative)
    return [
        [float(t), np.searchsorted(n, t, "right") / len(n), np.searchsorted(p, t, "right") / len(p)] for t in chosen
    ]


def mean_average_precision(distance: NDArray[Any], family: NDArray[np.int64]) -> float:
    """mAP with every model as query and its family as the relevant; among equals strangers come first (pessimistic)."""
    scores = []
    for i in range(len(distance)):
        relevant = family == family[i]
        order = np.lexsort((relevant, distance[i]))
        hits = relevant[order[order != i]]
        ranks = np.flatnonzero(hits) + 1
        if len(ranks):
            scores.append(float(np.mean(np.arange(1, len(ranks) + 1) / ranks)))
    return float(np.mean(scores))
