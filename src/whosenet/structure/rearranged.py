"""Two models under re-ordering, rescaling and signs of hidden units: what is what, and is that chance?"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from whosenet.hashes.canonical import CENTRED_FROM, Shape, canonical
from whosenet.structure.agreement import Axis, by_tensor, families, log10_e, log10_evidence
from whosenet.structure.matched import Matched, Seen, best, flat_axis
from whosenet.structure.pairing import alike, named, once, wider
from whosenet.structure.settle import known_orders, settle
from whosenet.structure.view import readable, unit_axes
from whosenet.structure.wider import best_wider
from whosenet.weights.base import Tensor

MOST = 600
"""Tensors that are searched for re-ordered units, the largest first."""


@dataclass(frozen=True)
class Rearranged:
    """What the tensors of two models, matched one by one, say together."""

    found: list[Matched]
    """Every pair that was matched, alike or not."""
    linked: set[int]
    """Indices in `found` of those that tell one order with another tensor beyond chance, or are alike in one."""
    log10_p: float
    """Without the family of axes that says most."""
    log10_all: float
    chains: int
    """Families of axes with a re-ordering of their own."""
    alone: dict[int, float] = field(default_factory=dict)
    """log10 p of the tensors that tell an order, each by itself, by index in `found`."""


NOTHING = Rearranged([], set(), 0.0, 0.0, 0)


class Model:
    """The tensors of one model that are searched for re-ordered units, with what was computed of them."""

    def __init__(self, tensors: Sequence[Tensor], *, keep: bool = False) -> None:
        """`keep`: hold in memory what was computed of each tensor, for many comparisons of small models."""
        largest = {id(t) for t in sorted((t for t in tensors if readable(t)), key=lambda t: -t.elements)[:MOST]}
        self.tensors = once([t for t in tensors if id(t) in largest])
        shapes = [canonical(t.shape).shape for t in self.tensors]
        self.lengths = _lengths(shapes)
        self.channels = _channels(shapes)
        self._kept: dict[int, Seen] | None = {} if keep else None

    def power(self) -> float:
        """log10 p of a copy whose units were all re-ordered: every length's axes agree, the best length set aside."""
        shapes = [canonical(t.shape).shape for t in self.tensors]
        count = Counter(n for s in shapes for n in s[: unit_axes(s)] if n >= CENTRED_FROM)
        gains = [(times - 1) * (log10_e(n, n) - math.log10(times)) for n, times in count.items()]
        return max(gains, default=0.0) - sum(gains)

    def seen(self, tensor: Tensor) -> Seen:
        if self._kept is None:
            return Seen(tensor)
        return self._kept.setdefault(id(tensor), Seen(tensor))


def rearranged(a: Model, b: Model) -> Rearranged:
    """Match the tensors of two models one by one; then ask whether they agree on how units were re-ordered."""
    found = _matched(a, b)
    telling = [k for k, m in enumerate(found) if m.counts]
    axes = [axis for k in telling for axis in _axes(k, found[k])]
    if not axes:
        return Rearranged(found, set(), 0.0, 0.0, 0)
    factors, family = log10_evidence(axes), families(axes)
    weight: dict[int, float] = defaultdict(float)
    for f, value in zip(family, factors, strict=True):
        weight[f] += max(value, 0.0)
    total, most = sum(factors), max(weight.values(), default=0.0)
    size = Counter(family)
    linked = {axis.tensor for axis, f in zip(axes, family, strict=True) if size[f] > 1}
    known = known_orders(axes, family)
    for k in range(len(found)):
        better = settle(found[k], known) if known and k not in linked else None
        if better is not None:
            found[k] = better
            linked.add(k)
    chains = sum(n > 1 for n in size.values())
    return Rearranged(found, linked, min(0.0, most - total), min(0.0, -total), chains, by_tensor(axes))


def _matched(a: Model, b: Model) -> list[Matched]:
    """By name first; what is not alike then, by invariant traits."""
    done: dict[int, Matched] = {}

    def attempt(pairs: list[tuple[Tensor, Tensor]]) -> None:
        for x, y in pairs:
            shape = canonical(x.shape).shape
            result = best(a.seen(x), b.seen(y), *flat_axis(shape, a.lengths, a.channels))
            if id(x) not in done or result.matching.similarity > done[id(x)].matching.similarity:
                done[id(x)] = result

    first = named(a.tensors, b.tensors)
    attempt(first)
    taken = {id(m.b) for m in done.values() if m.counts}
    rest = [t for t in a.tensors if id(t) not in done or not done[id(t)].counts]
    tried = {(id(x), id(y)) for x, y in first}
    others = [t for t in b.tensors if id(t) not in taken]
    attempt([(x, y) for x, y in alike(rest, others) if (id(x), id(y)) not in tried])
    taken = {id(m.b) for m in done.values() if m.counts}
    rest = [t for t in a.tensors if id(t) not in done or not done[id(t)].counts]
    for x, y in wider(rest, [t for t in b.tensors if id(t) not in taken]):
        flats = [flat_axis(canonical(t.shape).shape, m.lengths, m.channels) for t, m in ((x, a), (y, b))]
        (one, ours), (other, theirs) = flats
        found = best_wider(a.seen(x), b.seen(y), (one, other), (ours, theirs))
        if found is not None and (id(x) not in done or found.matching.similarity > done[id(x)].matching.similarity):
            done[id(x)] = found
    return [done[id(t)] for t in a.tensors if id(t) in done]


def _lengths(shapes: list[Shape]) -> set[int]:
    """Lengths that unit axes of at least two tensors have."""
    count = Counter(n for s in shapes for n in set(s[: unit_axes(s)]))
    return {n for n, times in count.items() if times > 1}


def _channels(shapes: list[Shape]) -> list[int]:
    """Numbers of output channels of kernels with taps, the last layers first."""
    found = [n for s in reversed(shapes) if len(s) > 2 for n in s[: unit_axes(s)]]
    return list(dict.fromkeys(found))


def _axes(tensor: int, m: Matched) -> list[Axis]:
    sides = zip((m.matching.rows, m.matching.columns), m.matching.labels or (None, None), strict=True)
    return [Axis(tensor, side, order, labels) for side, (order, labels) in enumerate(sides) if len(order) > 1]


def widened(m: Matched) -> bool:
    """Whether layers of the two have different widths."""
    return m.matching.labels is not None


def reordered(m: Matched) -> bool:
    """Whether most units stand elsewhere."""
    return any(np.mean(order != np.arange(len(order))) > 0.5 for order in (m.matching.rows, m.matching.columns))
