"""What probably happened between two related tensors, and from them between two models. Likely, not proved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whosenet import thresholds
from whosenet.verify.align import Pair

Array = NDArray[np.float64]

CAST = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float8_e4m3fn": 2.0**-3, "float8_e5m2": 2.0**-2}
"""Largest relative error of rounding to a type, with a bit of room."""
FEW_LEVELS = 257
ZEROS_MORE = 0.05


@dataclass(frozen=True)
class Traced:
    """What one aligned pair of tensors shows."""

    pair: Pair
    similarity: float
    change: str
    """identical, cast, quantised, pruned, rescaled, fine-tune."""

    @property
    def identical(self) -> bool:
        return self.change == "identical"

    @property
    def note(self) -> str:
        moved = self.pair.order != tuple(sorted(self.pair.order)) or self.pair.a.shape != self.pair.b.shape
        return self.change + (", axes in another order" if moved else "")


def trace(pair: Pair, x: Array, y: Array) -> Traced:
    """Look at the numbers of two aligned arrays of one shape."""
    return Traced(pair, _pearson(x, y), _change(pair, x, y))


def _change(pair: Pair, x: Array, y: Array) -> str:
    if np.array_equal(x, y):
        return "identical"
    for name in (pair.a.dtype, pair.b.dtype):
        if name in CAST and np.allclose(x, y, rtol=CAST[name], atol=1e-6 * float(np.abs(x).max())):
            return "cast"
    if pair.a.dtype == pair.b.dtype and np.allclose(x, y, rtol=CAST["bfloat16"], atol=1e-7 * float(np.abs(x).max())):
        return "cast"
    zeros = abs(float(np.mean(x == 0)) - float(np.mean(y == 0)))
    both = (x != 0) & (y != 0)
    if zeros > ZEROS_MORE and _pearson(x[both], y[both]) > 0.9:
        return "pruned"
    if _levels(x) != _levels(y) and _scaled_alike(x, y) > 0.9:
        return "quantised"
    if _scaled_alike(x, y) > 0.99999:
        return "rescaled"
    return "fine-tune"


def _levels(x: Array) -> bool:
    """Whether the numbers lie on few levels: on an even grid over all, or within each unit of the longest axes."""
    if x.size <= 4 * FEW_LEVELS:
        return False
    if len(np.unique(x)) <= FEW_LEVELS:
        return True
    for k in range(min(x.ndim, 2)):
        rows = np.moveaxis(x, k, 0).reshape(x.shape[k], -1)[:8]
        if all(_even(row) for row in rows):
            return True
    return False


def _even(row: Array) -> bool:
    """Whether all numbers are multiples of one step that is at least 1/512 of their range."""
    top = float(np.abs(row).max())
    if top == 0:
        return True
    steps = np.diff(np.unique(row))
    step = float(steps[steps > 1e-6 * top].min()) if (steps > 1e-6 * top).any() else top
    off = np.abs(row / step - np.round(row / step))
    return step > top / 512 and float(off.max()) < 1e-2


def _scaled_alike(x: Array, y: Array) -> float:
    """Correlation after giving each unit of the longest axes the same scale in both."""
    for k in range(min(x.ndim, 2)):
        others = tuple(a for a in range(x.ndim) if a != k)
        x, y = (v / np.maximum(np.sqrt((v**2).mean(axis=others, keepdims=True)), 1e-30) for v in (x, y))
    return _pearson(x, y)


def _pearson(x: Array, y: Array) -> float:
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 1.0 if np.array_equal(x, y) else 0.0
    return float(np.clip(np.corrcoef(x.ravel(), y.ravel())[0, 1], -1.0, 1.0))


def relation(found: list[Traced], *, pairs_all: list[Traced], formats: tuple[str, str]) -> list[str]:
    """The likely story of the whole model, the strongest change first, in the words of the field."""
    changes = {t.change for t in found}
    words = []
    if formats[0] != formats[1]:
        words.append("export")
    words += [w for w in ("quantised", "pruned", "cast") if w in changes]
    if "rescaled" in changes and "export" not in words:
        words.append("rescaled")
    if "fine-tune" in changes:
        words += _trained([t for t in found if t.change == "fine-tune"], quantised="quantised" in changes)
    lost = [t for t in pairs_all if t not in found]
    if lost and len(lost) <= 2 and len(found) >= 2 * len(lost):
        words.append("head-replaced")
    return words or ["re-save"]


def _trained(changed: list[Traced], *, quantised: bool) -> list[str]:
    """Fine-tuning, unless two separate trainings from one start would look the same."""
    similarity = float(np.average([t.similarity for t in changed], weights=[t.pair.a.elements for t in changed]))
    if quantised and similarity > 0.98:
        return []
    return ["fine-tune"] if similarity >= thresholds.SHARED_START_COSINE else ["fine-tune", "shared-start"]
