"""Fisher's linear discriminant, shrunk: two kinds of feature vectors, and how much a third is like the second kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]
SHRINK = 0.05
"""Share of the identity in the covariance of standardised features."""


@dataclass(frozen=True, eq=False)
class Discriminant:
    """`score` is linear in the features and higher for the second kind."""

    middle: Features
    scale: Features
    weights: Features

    def score(self, features: Features) -> Features:
        """float64 [n] of float64 [n, d]."""
        return np.asarray((features - self.middle) / self.scale @ self.weights)


def fitted(first: Features, second: Features) -> Discriminant:
    """Of float64 [n, d] and [m, d]; features that never vary take no part."""
    both = np.concatenate([first, second])
    middle, spread = both.mean(0), both.std(0)
    scale = np.where(spread > 1e-12, spread, np.inf)
    a, b = ((part - middle) / scale for part in (first, second))
    within = np.concatenate([a - a.mean(0), b - b.mean(0)])
    covariance = within.T @ within / len(within)
    covariance = (1 - SHRINK) * covariance + SHRINK * np.eye(len(middle))
    return Discriminant(middle, scale, np.linalg.solve(covariance, b.mean(0) - a.mean(0)))
