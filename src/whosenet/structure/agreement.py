"""Do tensors that share no number tell the same order of hidden units?

Under independent starts the units of one model stand in an arbitrary order, and every tensor, matched alone, gives an
order that knows nothing of the other tensors' (a permutation drawn uniformly; its number K of agreements with any given
one has factorial moments E[K (K-1) ... (K-j+1)] <= 1 for every j). So the mixture over j of these products is an
e-value: its mean under the null is at most one, and a large value is as rare as its inverse (Markov). Every axis is
asked whether it agrees with one of the axes before it, all equally likely beforehand; given those the answers are
independent, so the factors multiply. Nothing has to be known about the graph, and no correction for choosing remains.

Honest twins learn alike, and their orders agree a little more than chance. The moments are therefore divided by
level^j: the null is that units agree at most `level` times (or so large a share of them) where chance gives one.
See docs/methods/invariant.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whosenet import thresholds
from whosenet.structure.alone import Order

LN10 = math.log(10)


@dataclass(frozen=True)
class Axis:
    """One unit axis of one matched tensor: `order[i]` is the unit of B opposite unit i of A, -1 for none."""

    tensor: int
    """Which of the matched tensors it belongs to: two axes of one tensor never testify together."""
    side: int
    """0 rows, 1 columns."""
    order: Order


def agreements(one: Order, other: Order) -> int:
    """Units that both send to the same place, and not to their own.

    Inputs, classes and words stand in their own places for everybody; that is no re-ordering.
    """
    return int(np.sum((one == other) & (one >= 0) & (one != np.arange(len(one)))))


def honest(units: int) -> float:
    """Agreements among so many units that strangers are granted."""
    return max(thresholds.HONEST_AGREEMENT, thresholds.HONEST_SHARE * units)


def log10_e(count: int, units: int, level: float | None = None) -> float:
    """log10 of the e-value of `count` agreements among `units`, where honest models have `level` on average."""
    level = honest(units) if level is None else level
    j = np.arange(count + 1)
    falling = math.lgamma(count + 1) - np.array([math.lgamma(count - k + 1) for k in j]) - j * math.log(level)
    top = float(falling.max())
    return (top + math.log(float(np.exp(falling - top).sum())) - math.log(units + 1)) / LN10


def log10_evidence(axes: Sequence[Axis]) -> list[float]:
    """log10 of each axis's factor: the mean e-value over the axes before it (its length, other tensors), and one."""
    factors = []
    for k, axis in enumerate(axes):
        before = [o for o in axes[:k] if len(o.order) == len(axis.order) and o.tensor != axis.tensor]
        scores = [0.0] + [log10_e(agreements(axis.order, o.order), len(axis.order)) for o in before]
        top = max(scores)
        factors.append(top + math.log10(sum(10 ** (s - top) for s in scores) / len(scores)))
    return factors


def families(axes: Sequence[Axis]) -> list[int]:
    """A number for every axis: equal for axes that tell the same order beyond chance."""
    family = list(range(len(axes)))
    for k, axis in enumerate(axes):
        for i, other in enumerate(axes[:k]):
            if len(other.order) != len(axis.order) or other.tensor == axis.tensor or family[i] == family[k]:
                continue
            same = agreements(axis.order, other.order)
            if log10_e(same, len(axis.order), level=1.0) > math.log10(max(len(axes), 1) / thresholds.LINK_P):
                family = [family[i] if f == family[k] else f for f in family]
    return family
