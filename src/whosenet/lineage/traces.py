"""What two aligned models show of which came first. Each trace speaks of one direction, with how sure it is.

`odds` are natural logarithms: positive if A came first, negative if B did, 0 if the trace says nothing of direction.
Losses (zeros, grids, casts, folding) cannot be undone, so they count much. What training leaves in the numbers counts
nothing: no statistic tried ran one way through all recipes of tuning, MoTHer's kurtosis included (docs/lineage.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pairs = Sequence[tuple[Array, Array]]
"""Aligned tensors of A and of B: float64 of one shape, units along the first axis."""

A, B = "{a}", "{b}"
"""Stand for the names of the two in a text; see `Trace.said`."""

LOSS, ADDED, COUNTED, REFILLED = 6.0, 4.0, 3.0, 1.5
"""Log odds: a loss that cannot be undone; independent noise; a counter or a format; zeros that training filled."""
ZEROS_MORE, REACH, EQUAL = 0.05, 0.3, 1e-3
"""Least share of zeros; what was lost reaches this share of what was kept; what was kept is equal to this share."""
ROW = 16
"""Shorter rows lie on a grid by chance."""
CLEAR, CHANCE, SPREAD = 6.0, 3.0, 2.5
"""Standard deviations that speak, that say nothing, and most mean square of tensors that say nothing."""


@dataclass(frozen=True)
class Trace:
    word: str
    text: str
    odds: float

    def said(self, a: str, b: str) -> str:
        """The text with the two models' names, which may hold anything."""
        return self.text.replace(A, "\0").replace(B, b).replace("\0", a)


def pruned(pairs: Pairs) -> list[Trace]:
    """Zeros in one model where the other has numbers just below those it kept."""
    return _zeros(pairs, A, B, 1) + _zeros([(y, x) for x, y in pairs], B, A, -1)


def _zeros(pairs: Pairs, full: str, sparse: str, sign: int) -> list[Trace]:
    """Zeros of the second of each pair."""
    sizes = [max(float(np.abs(x).mean()), 1e-300) for x, _ in pairs]
    x, y = (np.concatenate([p[k].ravel() / n for p, n in zip(pairs, sizes, strict=True)]) for k in (0, 1))
    lost, kept = (y == 0) & (x != 0), (y != 0) & (x != 0)
    share = float(lost.mean())
    if share < ZEROS_MORE or float(((x == 0) & (y != 0)).mean()) > share / 4 or not kept.any():
        return []
    least = max(float(np.quantile(np.abs(x[kept]), 0.1)), 1e-300)
    if float(np.quantile(np.abs(x[lost]), 0.9)) < REACH * least:
        text = f"{share:.0%} of the weights are zero in {sparse} only, and tiny in {full}: the zeros came first"
        return [Trace("refilled", text, -sign * REFILLED)]
    same = float(np.sqrt(((x - y)[kept] ** 2).mean())) < EQUAL * float(np.sqrt((x[kept] ** 2).mean()))
    text = f"{share:.0%} of the weights are zero in {sparse} only, the smallest of {full}"
    return [Trace("pruned" if same else "thinned", text + ("" if same else "; others changed, too"), sign * LOSS)]


def quantised(pairs: Pairs) -> list[Trace]:
    """One lies on an even grid of few values, the other within half a step of it."""
    on = [(_step(x), _step(y), x, y) for x, y in pairs if x.reshape(len(x), -1).shape[1] >= ROW]
    a = [s for s in on if s[0] is not None]
    b = [s for s in on if s[1] is not None]
    if len(b) > 0.5 * len(on) and len(a) < 0.1 * len(on):
        near = np.mean([_within(x, y, s) for _, s, x, y in b if s is not None])
        return (
            [Trace("quantised", f"{B} lies on a grid of few values, {A} within half a step of it", LOSS)]
            if near > 0.9
            else []
        )
    if len(a) > 0.5 * len(on) and len(b) < 0.1 * len(on):
        near = np.mean([_within(y, x, s) for s, _, x, y in a if s is not None])
        return (
            [Trace("quantised", f"{A} lies on a grid of few values, {B} within half a step of it", -LOSS)]
            if near > 0.9
            else []
        )
    return []


def _step(x: Array) -> Array | None:
    """float64 [rows]: the step of each row's grid; None unless all rows lie on grids of at most 1,024 values."""
    rows = x.reshape(len(x), -1)
    if np.ptp(x) == 0:
        return None
    steps = np.array([_row_step(r) for r in rows])
    return steps if np.isfinite(steps).all() else None


def _row_step(row: Array) -> float:
    top = float(np.abs(row).max())
    gaps = np.diff(np.unique(np.append(row, 0.0)))
    gaps = gaps[gaps > 1e-6 * top]
    if not len(gaps):
        return top
    step = float(gaps.min())
    even = step > top / 512 and float(np.abs(row / step - np.round(row / step)).max()) < 2e-2
    return step if even else math.nan


def _within(x: Array, y: Array, step: Array) -> float:
    """Share of the numbers of x within half a step (and a bit) of y's."""
    off = np.abs(x - y).reshape(len(x), -1)
    return float((off <= 0.55 * step[:, None] + 1e-9).mean())


def cast(pairs: Pairs) -> list[Trace]:
    """One needs fewer digits, and is the other to within their rounding."""
    x, y = (np.concatenate([p[k].ravel() for p in pairs]).astype(np.float32) for k in (0, 1))
    for name, bits, relative in (("half precision", 13, 2.0**-10), ("bfloat16", 16, 2.0**-7)):
        short = [float(((v.view(np.uint32) & np.uint32((1 << bits) - 1)) == 0).mean()) for v in (x, y)]
        near = float((np.abs(x - y) <= relative * np.maximum(np.abs(x), np.abs(y)) + 1e-7).mean())
        if near > 0.999 and max(short) > 0.999 and min(short) < 0.5:
            first = 1 if short[1] > short[0] else -1
            return [Trace("cast", f"{B if first > 0 else A} is the other rounded to {name}", first * LOSS)]
    return []


def added(pairs: Pairs) -> list[Trace]:
    """The difference knows nothing of one of the two: it was added to that one."""
    (first, spread_a), (second, spread_b) = (_knows(pairs, side) for side in (0, 1))
    if max(first, second) < CLEAR or min(abs(first), abs(second)) > CHANCE:
        return []
    if (spread_a if first < second else spread_b) > SPREAD:
        return []
    start, sign = (A, 1) if first < second else (B, -1)
    return [Trace("noise", f"the difference is independent of {start}, not of the other", sign * ADDED)]


def _knows(pairs: Pairs, side: int) -> tuple[float, float]:
    """(standardised inner product of B - A with one side over all tensors, mean square of the tensors' own)."""
    total, square, each = 0.0, 0.0, []
    for pair in pairs:
        x, d = pair[side].ravel(), (pair[1] - pair[0]).ravel()
        x, d = (v / max(float(np.sqrt((v**2).mean())), 1e-300) for v in (x, d))
        own, spread = float(x @ d) * (1 if side else -1), float((x**2 * d**2).sum())
        total, square = total + own, square + spread
        if spread > 0 and len(x) >= 64:
            each.append(own / spread**0.5)
    return total / max(square, 1e-300) ** 0.5, float(np.mean(np.square(each))) if each else math.inf


def low_rank(pairs: Pairs) -> list[Trace]:
    """The differences are of low rank: an adapter was merged, or taken off; which, they do not say."""
    ranks = []
    for x, y in pairs:
        d = (y - x).reshape(len(x), -1)
        if min(d.shape) >= 12 and d.any():
            sizes = np.linalg.svd(d, compute_uv=False) ** 2
            left = 1 - np.cumsum(sizes) / sizes.sum()
            ranks.append((int((left > 1e-6).sum()) + 1, min(d.shape)))
    low = [r for r, full in ranks if 4 * r <= full + 3]
    if not low or len(low) < 0.8 * len(ranks):
        return []
    return [Trace("lora", f"{len(low)} of {len(ranks)} changed matrices differ by rank {max(low)} at most", 0.0)]
