"""Models that lie between two others: averages of their weights."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import UsageError
from whosenet.lineage.portrait import Portrait
from whosenet.verify.merge import shares
from whosenet.weights import open_weights

Array = NDArray[np.float64]
MOST, SAMPLE = 40, 1 << 16
"""Largest family searched for merges, and numbers looked at of each model."""
OFF = 0.05
"""Largest distance from the line between two models, as a share of their distance."""
APART = 1e-3
"""Models nearer to each other than this (as a share of their length) have no between."""


@dataclass(frozen=True)
class Merge:
    """`child` = share * first + (1 - share) * second, to within `off` of their distance."""

    child: int
    first: int
    second: int
    share: float
    off: float
    intervals: tuple[tuple[float, float], tuple[float, float]] | None = None
    """95 % intervals of the shares of `first` and of `second`, from how much tensors differ; None if too few tell."""


def merges(portraits: list[Portrait], members: list[int]) -> list[Merge]:
    """At most one a member; tensors are aligned by name and shape."""
    if not 3 <= len(members) <= MOST:
        return []
    vectors = _vectors(portraits, members)
    found = []
    for child in vectors:
        fits = [
            m for pair in combinations([k for k in vectors if k != child], 2) if (m := _between(vectors, child, *pair))
        ]
        if fits:
            found.append(_measured(portraits, min(fits, key=lambda m: m.off)))
    return found


def _measured(portraits: list[Portrait], merge: Merge) -> Merge:
    """With the shares that all tensors give, and their intervals."""
    with ExitStack() as stack:
        mix, *parents = (
            stack.enter_context(open_weights(portraits[k].path)) for k in (merge.child, merge.first, merge.second)
        )
        try:
            first, second = shares(mix, parents).shares
        except UsageError:
            return merge
    return replace(merge, share=first.share, intervals=((first.low, first.high), (second.low, second.high)))


def _between(vectors: dict[int, Array], child: int, first: int, second: int) -> Merge | None:
    x, a, b = vectors[child], vectors[first], vectors[second]
    way = a - b
    length = float(way @ way)
    if length < (APART**2) * float(a @ a):
        return None
    share = float((x - b) @ way) / length
    off = float(np.linalg.norm(x - b - share * way)) / length**0.5
    # near either end it is a copy of that one, and every small change lies off the line
    return Merge(child, first, second, share, off) if 0.1 < share < 0.9 and off < OFF else None


def _vectors(portraits: list[Portrait], members: list[int]) -> dict[int, Array]:
    """The same numbers of all members that have the tensors most of them have."""
    shapes: list[set[tuple[str, tuple[int, ...]]]] = []
    for m in members:
        with open_weights(portraits[m].path) as weights:
            shapes.append({(t.name, t.shape) for t in weights.tensors if t.trained and len(t.shape) > 1})
    common = max(shapes, key=lambda s: sum(s == other for other in shapes))
    some = [m for m, s in zip(members, shapes, strict=True) if s == common]
    return {m: _vector(portraits[m], sorted(n for n, _ in common)) for m in some} if common and len(some) > 2 else {}


def _vector(portrait: Portrait, names: list[str]) -> Array:
    each = max(1, SAMPLE // len(names))
    with open_weights(portrait.path) as weights:
        tensors = {t.name: t for t in weights.tensors}
        parts = [np.asarray(tensors[n].read(), np.float64).ravel() for n in names]
    parts = [np.nan_to_num(p[:: max(1, len(p) // each)]) for p in parts]
    return np.concatenate(parts)
