"""Two models under re-ordering, rescaling and signs of hidden units: what is what, and is that chance?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whosenet.hashes.canonical import canonical
from whosenet.structure.agreement import Axis, families, log10_evidence
from whosenet.structure.matched import Matched, best, flat_axis
from whosenet.structure.pairing import alike, named, once
from whosenet.structure.view import readable, unit_axes
from whosenet.weights.base import Tensor

MOST = 600
"""Tensors that are searched for re-ordered units, the largest first."""


@dataclass(frozen=True)
class Rearranged:
    """What the tensors of two models, matched one by one, say together."""

    found: list[Matched]
    """Every pair that was matched, alike or not."""
    linked: set[int]
    """Indices in `found` of those that tell one order with another tensor beyond chance."""
    log10_p: float
    """Without the family of axes that says most."""
    log10_all: float
    chains: int
    """Families of axes with a re-ordering of their own."""


NOTHING = Rearranged([], set(), 0.0, 0.0, 0)


def rearranged(a: Sequence[Tensor], b: Sequence[Tensor]) -> Rearranged:
    """Match the tensors of two models one by one; then ask whether they agree on how units were re-ordered."""
    ours, theirs = _chosen(a), _chosen(b)
    found = _matched(ours, theirs)
    telling = [k for k, m in enumerate(found) if m.counts]
    axes = [axis for k in telling for axis in _axes(k, found[k])]
    if not axes:
        return Rearranged(found, set(), 0.0, 0.0, 0)
    factors, family = log10_evidence(axes), families(axes)
    weight: dict[int, float] = defaultdict(float)
    for f, value in zip(family, factors, strict=True):
        weight[f] += max(value, 0.0)
    total = sum(factors)
    size = Counter(family)
    linked = {axis.tensor for axis, f in zip(axes, family, strict=True) if size[f] > 1}
    most = max(weight.values(), default=0.0)
    return Rearranged(found, linked, min(0.0, most - total), min(0.0, -total), sum(n > 1 for n in size.values()))


def _chosen(tensors: Sequence[Tensor]) -> list[Tensor]:
    largest = sorted((t for t in tensors if readable(t)), key=lambda t: -t.elements)[:MOST]
    names = {id(t) for t in largest}
    return once([t for t in tensors if id(t) in names])


def _matched(ours: list[Tensor], theirs: list[Tensor]) -> list[Matched]:
    """By name first; what is not alike then, by invariant traits."""
    lengths, channels = _lengths(ours), _channels(ours)
    done: dict[int, Matched] = {}

    def attempt(pairs: list[tuple[Tensor, Tensor]]) -> None:
        for x, y in pairs:
            flat, fit = flat_axis(x, lengths, channels)
            result = best(x, y, flat, fit)
            if id(x) not in done or result.matching.similarity > done[id(x)].matching.similarity:
                done[id(x)] = result

    attempt(named(ours, theirs))
    good = [m for m in done.values() if m.counts]
    taken = {id(m.b) for m in good}
    rest = [t for t in ours if id(t) not in done or not done[id(t)].counts]
    attempt(alike(rest, [t for t in theirs if id(t) not in taken]))
    return [done[id(t)] for t in ours if id(t) in done]


def _lengths(tensors: Sequence[Tensor]) -> set[int]:
    """Lengths that unit axes of at least two tensors have."""
    shapes = [canonical(t.shape).shape for t in tensors]
    count = Counter(n for s in shapes for n in set(s[: unit_axes(s)]))
    return {n for n, times in count.items() if times > 1}


def _channels(tensors: Sequence[Tensor]) -> list[int]:
    """Numbers of output channels of kernels with taps, the last layers first."""
    shapes = [canonical(t.shape).shape for t in tensors]
    found = [n for s in reversed(shapes) if len(s) > 2 for n in s[: unit_axes(s)]]
    return list(dict.fromkeys(found))


def _axes(tensor: int, m: Matched) -> list[Axis]:
    sides = (m.matching.rows, m.matching.columns)
    return [Axis(tensor, side, order) for side, order in enumerate(sides) if len(order) > 1]


def reordered(m: Matched) -> bool:
    """Whether most units stand elsewhere."""
    return any(np.mean(order != np.arange(len(order))) > 0.5 for order in (m.matching.rows, m.matching.columns))
