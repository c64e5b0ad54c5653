"""Batch norm folded on export: is a kernel's change of scale that of a batch norm which only the other file still has?

Folding multiplies output unit i by gamma_i / sqrt(variance_i + eps). If the scale that lies between two kernels is that
of two vectors stored side by side in one of the files, nothing else explains it.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from whosenet.weights.base import Tensor, Weights

Array = NDArray[np.float64]
FOLDED = "batch norm folded"
EPSILONS = (0.0, 1e-5, 1e-3)
AS_IF = 0.999
"""Least correlation of the logarithms of both scales."""
MIN_UNITS = 8
MAX_VECTORS = 4_096
MAX_UNITS = 1 << 16


class Norms:
    """The scales that the batch norms of a model would fold into a kernel, by number of units."""

    def __init__(self, weights: Weights) -> None:
        groups: dict[tuple[str, int], list[Tensor]] = defaultdict(list)
        vectors = [t for t in weights.tensors if t.trained and t.elements == max(t.shape, default=0)]
        for tensor in vectors[:MAX_VECTORS]:
            if MIN_UNITS <= tensor.elements <= MAX_UNITS:
                groups[re.split(r"[./][^./]*$", tensor.name)[0], tensor.elements].append(tensor)
        self.scales: dict[int, list[Array]] = defaultdict(list)
        for (_, units), group in groups.items():
            if 3 <= len(group) <= 6:  # beta, mean, variance and mostly gamma
                self.scales[units] += _scales([t.read().reshape(-1).astype(np.float64) for t in group])

    def explain(self, scale: Array) -> bool:
        """Whether `scale` [units], up to one factor, is that of one of the batch norms or its inverse."""
        known = self.scales.get(len(scale), [])
        if not known or not (np.isfinite(scale).all() and (scale > 0).all()):
            return False
        with np.errstate(all="ignore"):
            table = np.log(np.stack(known))
        table, log = table - table.mean(axis=1, keepdims=True), np.log(scale) - np.log(scale).mean()
        size = np.linalg.norm(table, axis=1) * np.linalg.norm(log)
        return bool(size.max() > 1e-6 and np.nanmax(np.abs(table @ log) / np.maximum(size, 1e-12)) > AS_IF)


def _scales(vectors: Sequence[Array]) -> list[Array]:
    """gamma / sqrt(variance + eps) for every choice of gamma (or none) and variance among the vectors of one layer."""
    found = []
    variances = [v for v in vectors if (v > 0).all() and np.ptp(v) > 0]
    for variance, eps in itertools.product(variances, EPSILONS):
        root = 1 / np.sqrt(variance + eps)
        found += [root, *[np.abs(g) * root for g in vectors if g is not variance and (g != 0).all()]]
    return [f for f in found if np.isfinite(f).all()]


def scales(x: Array, y: Array) -> list[Array]:
    """For each of the two leading axes of equal-shaped x and y: how much larger each unit is in y."""
    found = []
    for axis in range(min(x.ndim, 2)):
        rest = tuple(k for k in range(x.ndim) if k != axis)
        with np.errstate(all="ignore"):
            found.append(np.sqrt((y * y).sum(axis=rest) / (x * x).sum(axis=rest)))
    return found


class Folding:
    """Whether kernels of A and B differ by batch norms that only one of the files still has."""

    def __init__(self, a: Weights, b: Weights) -> None:
        self._norms = Norms(a), Norms(b)

    def possible(self, units: int) -> bool:
        """Whether one file has batch norms of so many units that the other has not."""
        one, other = (len(n.scales.get(units, [])) for n in self._norms)
        return one != other

    def explains(self, x: Array, y: Array) -> bool:
        """x and y: one kernel in both files, A's order, canonical axes or [rows, columns, taps]."""
        if not any(self.possible(n) for n in x.shape[:2]):
            return False
        return any(norms.explain(scale) for scale in scales(x, y) if self.possible(len(scale)) for norms in self._norms)
