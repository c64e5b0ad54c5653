"""Which tensor of B may come from which of A: same canonical shape, then by name and place, or by content.

Matching by name costs nothing. Matching by content picks the best of many pairings and axis orders, so its p-value is
multiplied by how many there were (union bound): strangers cannot profit from the choice.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from whosenet.hashes.canonical import Shape, canonical, heaviest, orders, why_left_out
from whosenet.hashes.nts import balanced
from whosenet.hashes.sketch import sketch
from whosenet.weights.base import Tensor, Weights

SKETCH = 4096
MOST_ALIKE = 1_000
"""Tensors of one shape that are matched by content, the first of each file; more are matched by name only."""


@dataclass(frozen=True)
class Pair:
    """Tensor `a` opposite tensor `b`; `order` permutes b's canonical axes to a's (only equal ones move)."""

    a: Tensor
    b: Tensor
    order: tuple[int, ...]


@dataclass(frozen=True)
class Alignment:
    pairs: list[Pair]
    log10_tries: float
    """log10 of how many alignments were tried for this one."""
    how: Literal["name", "content"]


def speaking(weights: Weights) -> tuple[list[Tensor], dict[str, str]]:
    """The tensors that may testify, and the reasons of the others."""
    looked_at, beyond = heaviest(weights.tensors)
    reasons = {t.name: why_left_out(t) for t in looked_at} | {t.name: "beyond the largest tensors" for t in beyond}
    return [t for t in looked_at if reasons[t.name] is None], {n: r for n, r in reasons.items() if r}


def by_name(a: Sequence[Tensor], b: Sequence[Tensor]) -> Alignment:
    """Equal name and stored shape; one alignment, no choice made."""
    theirs = {t.name: t for t in b}
    pairs = [
        Pair(t, theirs[t.name], tuple(range(len(canonical(t.shape).shape))))
        for t in a
        if t.name in theirs and canonical(theirs[t.name].shape) == canonical(t.shape)
    ]
    return Alignment(pairs, 0.0, "name")


def by_content(a: Sequence[Tensor], b: Sequence[Tensor]) -> Alignment:
    """Within each canonical shape the assignment with the largest sum of sketch correlations, over all axis orders."""
    groups: dict[Shape, tuple[list[Tensor], list[Tensor]]] = defaultdict(lambda: ([], []))
    for side, tensors in enumerate((a, b)):
        for tensor in tensors:
            groups[canonical(tensor.shape).shape][side].append(tensor)
    pairs, tries = [], 0.0
    for shape, (ours, theirs) in groups.items():
        if ours and theirs:
            ours, theirs = ours[:MOST_ALIKE], theirs[:MOST_ALIKE]
            chosen = _assign(shape, ours, theirs)
            pairs += chosen
            tries += log10_choices(len(ours), len(theirs)) + len(chosen) * math.log10(len(orders(shape)))
    return Alignment(pairs, tries, "content")


def log10_choices(n: int, m: int) -> float:
    """log10 of the number of ways to match the smaller of two groups into the larger."""
    low, high = sorted((n, m))
    return (math.lgamma(high + 1) - math.lgamma(high - low + 1)) / math.log(10)


def _assign(shape: Shape, ours: list[Tensor], theirs: list[Tensor]) -> list[Pair]:
    from scipy.optimize import linear_sum_assignment  # a quarter of a second that other verbs need not wait

    alike = orders(shape)
    if len(ours) == len(theirs) == len(alike) == 1:
        return [Pair(ours[0], theirs[0], alike[0])]
    left = np.stack([_vector(t, tuple(range(len(shape)))) for t in ours])
    sketches = [balanced(sketch(t, SKETCH)) for t in theirs]
    score = np.stack([left @ np.stack([_unit(s.transpose(o)) for s in sketches]).T for o in alike])
    best = score.max(axis=0)
    rows, columns = linear_sum_assignment(-best)
    which = score.argmax(axis=0)
    return [Pair(ours[i], theirs[j], alike[which[i, j]]) for i, j in zip(rows, columns, strict=True)]


def _vector(tensor: Tensor, order: tuple[int, ...]) -> NDArray[np.float64]:
    return _unit(balanced(sketch(tensor, SKETCH)).transpose(order))


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    flat = np.nan_to_num(values.ravel(), nan=0.0, posinf=0.0, neginf=0.0)
    return flat / max(float(np.linalg.norm(flat)), 1e-300)
