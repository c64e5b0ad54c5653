"""Whether numbers were rounded to few levels, and whether rounding explains their zeros."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FEW_LEVELS = 257
MIN_ROW = 16
ZEROS_MORE = 0.05
"""Share of zeros beyond what else explains them."""


def on_few_levels(x: Array) -> bool:
    """Whether the numbers lie on an even grid of few levels, over all or within each unit of the longest axes."""
    if x.size > 4 * FEW_LEVELS and len(np.unique(x)) <= FEW_LEVELS:
        return True
    rows = [np.moveaxis(x, k, 0).reshape(x.shape[k], -1)[:8] for k in range(min(x.ndim, 2))]
    return any(r.shape[1] >= MIN_ROW and all(_even(row) for row in r) for r in rows)


def _even(row: Array) -> bool:
    """Whether all numbers are multiples of one step that is at least 1/512 of their range."""
    top = float(np.abs(row).max())
    gaps = np.diff(np.unique(np.append(row, 0.0)))
    gaps = gaps[gaps > 1e-6 * top]
    if not len(gaps):
        return True
    step = float(gaps.min())
    off = np.abs(row / step - np.round(row / step))
    return step > top / 512 and float(off.max()) < 1e-2


def explained(fine: Array, coarse: Array) -> bool:
    """Whether `coarse` has no more zeros than rounding `fine` (of the same scale) to its steps makes. Four bits make a
    third of all weights zero; pruning takes those, too, that lie beyond half a step."""
    made = max(_rounded_away(np.moveaxis(fine, k, 0), np.moveaxis(coarse, k, 0)) for k in range(min(fine.ndim, 2)))
    return float(np.mean(coarse == 0)) - made <= ZEROS_MORE


def _rounded_away(fine: Array, coarse: Array) -> float:
    """Share of `fine` within half a step, the step of a unit being its least number that is not zero."""
    f, c = np.abs(fine).reshape(len(fine), -1), np.abs(coarse).reshape(len(coarse), -1)
    step = np.where(c > 0, c, np.inf).min(axis=1, keepdims=True)
    return float(np.mean(f <= step / 2))
