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
    labels: Order | None = None
    """int64 [units of B], where some repeat each other: the number of each one's group, -1 if silent."""

    def comparable(self, other: Axis) -> bool:
        """Whether the two may be one chain: so many units in A, so many in B, in different tensors."""
        widths = [None if axis.labels is None else len(axis.labels) for axis in (self, other)]
        return len(self.order) == len(other.order) and self.tensor != other.tensor and widths[0] == widths[1]

    def groups(self) -> list[frozenset[int]]:
        """For every unit of A the units of B that it may stand for."""
        if self.labels is None:
            return [frozenset([int(u)] if u >= 0 else []) for u in self.order]
        members: dict[int, list[int]] = {}
        for u, label in enumerate(self.labels):
            members.setdefault(int(label), []).append(u)
        return [frozenset(members[int(self.labels[u])] if u >= 0 else []) for u in self.order]


def agreements(one: Axis, other: Axis) -> tuple[int, float]:
    """Units that both send to the same place, and not to their own; and how many are due to repeated units by chance.

    Inputs, classes and words stand in their own places for everybody; that is no re-ordering. Where units of B repeat
    each other, sharing one of a group is enough, which is as many times as likely as the mean product of their sizes.
    """
    if one.labels is None or other.labels is None:
        x, y = one.order, other.order
        return int(np.sum((x == y) & (x >= 0) & (x != np.arange(len(x))))), 1.0
    pairs = list(zip(one.groups(), other.groups(), strict=True))
    same = sum(bool((x & y) - {i}) for i, (x, y) in enumerate(pairs))
    return same, max(1.0, sum(len(x) * len(y) for x, y in pairs) / max(len(pairs), 1))


def log10_told(one: Axis, other: Axis, level: float | None = None) -> float:
    """log10 of the e-value that two axes' agreement is worth."""
    count, times = agreements(one, other)
    units = len(one.order)
    return log10_e(count, units, times * (honest(units) if level is None else level))


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
        scores = [0.0] + [log10_told(axis, o) for o in axes[:k] if axis.comparable(o)]
        top = max(scores)
        factors.append(top + math.log10(sum(10 ** (s - top) for s in scores) / len(scores)))
    return factors


def by_tensor(axes: Sequence[Axis]) -> dict[int, float]:
    """log10 p of each tensor alone: the better of its axes' mean e-values over all axes that may be its chain."""
    out: dict[int, float] = {}
    for axis in axes:
        scores = [log10_told(axis, o) for o in axes if axis.comparable(o)]
        if scores:
            top = max(scores)
            gain = top + math.log10(sum(10 ** (s - top) for s in scores) / len(scores)) - math.log10(2)
            out[axis.tensor] = min(out.get(axis.tensor, 0.0), -gain)
    return out


def families(axes: Sequence[Axis]) -> list[int]:
    """A number for every axis: equal for axes that tell the same order beyond chance."""
    family = list(range(len(axes)))
    for k, axis in enumerate(axes):
        for i, other in enumerate(axes[:k]):
            if not axis.comparable(other) or family[i] == family[k]:
                continue
            if log10_told(axis, other, level=1.0) > math.log10(max(len(axes), 1) / thresholds.LINK_P):
                family = [family[i] if f == family[k] else f for f in family]
    return family
