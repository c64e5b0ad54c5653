"""The tests behind a comparison: every alignment tried, each aligned pair tested in place, all corrected."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from whosenet import thresholds
from whosenet.verify.align import Alignment, Pair, by_content, by_name, speaking
from whosenet.verify.inplace import InPlace, in_place, prepared, together
from whosenet.verify.relation import Traced, trace
from whosenet.verify.values import values
from whosenet.weights.base import Tensor, Weights


@dataclass(frozen=True)
class Tested:
    """One aligned pair: what the in-place test says, and what the numbers look like."""

    pair: Pair
    result: InPlace
    traced: Traced
    based: bool = False
    """Whether a base was set aside."""

    def convicts(self, count: int, alpha: float) -> bool:
        """Whether this pair alone, of `count` looked at, is beyond chance."""
        return self.result.log10_p + math.log10(count) <= math.log10(alpha) or self.traced.change == "identical"


@dataclass(frozen=True)
class Evidence:
    """What the alignment that says most has to say."""

    pairs: list[Tested]
    log10_p: float
    """Without the best tensors, corrected for every choice made; 0 without pairs."""
    log10_all: float
    """The same with no tensor set aside."""
    log10_tries: float
    how: str
    """How tensors were aligned: name, content, or none."""
    tensors: int
    """The smaller of the two models' numbers of tensors that may testify."""
    shared: float
    """The smaller of the two models' shares of weights that have a counterpart of the same shape."""

    unreadable: float = 0.0
    """The share of a model's weights that could not be looked at (not finite, too many, too long)."""

    @property
    def based(self) -> bool:
        """Whether a base was set aside for any of them."""
        return any(t.based for t in self.pairs)

    @property
    def whole(self) -> InPlace | None:
        """All pairs as one test."""
        return together([t.result for t in self.pairs]) if self.pairs else None

    def share(self, some: list[Tested], ours: list[Tensor], theirs: list[Tensor]) -> tuple[float, float]:
        """The shares of A's and of B's weights that `some` of the pairs make up."""
        a, b = (sum(t.elements for t in side) for side in (ours, theirs))
        return sum(t.pair.a.elements for t in some) / max(a, 1), sum(t.pair.b.elements for t in some) / max(b, 1)


def evidence(
    ours: list[Tensor], theirs: list[Tensor], base: Weights | None = None, unreadable: float = 0.0
) -> Evidence:
    """The evidence of the best of the alignments tried, with the correction for having chosen it.

    `unreadable`: the share of the weights that could not be looked at.
    """
    attempts = alignments(ours, theirs)
    tested = [test(attempt, base) for attempt in attempts]
    scored = [score(t, attempt, len(attempts)) for t, attempt in zip(tested, attempts, strict=True)]
    best = min(range(len(scored)), key=lambda i: scored[i], default=None)
    if best is None:
        return Evidence([], 0.0, 0.0, 0.0, "none", 0, 0.0)
    tries = log10_tries(attempts[best], len(attempts))
    everything = score(tested[best], attempts[best], len(attempts), aside=0)
    found = Evidence(
        tested[best], scored[best], everything, tries, attempts[best].how, min(len(ours), len(theirs)), 0.0
    )
    return replace(found, shared=min(found.share(found.pairs, ours, theirs)), unreadable=unreadable)


def alignments(ours: list[Tensor], theirs: list[Tensor]) -> list[Alignment]:
    """By name where all of the smaller side's names agree, and by content unless that is the same alignment."""
    named, content = by_name(ours, theirs), by_content(ours, theirs)
    if not named.pairs or len(named.pairs) < len(content.pairs):
        return [content] if content.pairs else []
    same = {(p.a.name, p.b.name, p.order) for p in named.pairs} == {
        (p.a.name, p.b.name, p.order) for p in content.pairs
    }
    return [named] if same else [named, content]


def test(alignment: Alignment, base: Weights | None) -> list[Tested]:
    origins = _origins(alignment, base)
    return [t for p in alignment.pairs if (t := _test_pair(p, origins.get(p.a.name))) is not None]


def _origins(alignment: Alignment, base: Weights | None) -> dict[str, NDArray[np.float64]]:
    """For each of A's tensors the base's tensor it started from, in A's axis order."""
    if base is None:
        return {}
    tensors, _ = speaking(base)
    found = by_name([p.a for p in alignment.pairs], tensors)
    if len(found.pairs) < len(alignment.pairs):
        found = by_content([p.a for p in alignment.pairs], tensors)
    return {p.a.name: values(p.b).transpose(p.order) for p in found.pairs}


def _test_pair(pair: Pair, origin: NDArray[np.float64] | None) -> Tested | None:
    x, y = values(pair.a), values(pair.b).transpose(pair.order)
    traced = trace(pair, x, y)
    based = origin is not None and max(abs(_cosine(x, origin)), abs(_cosine(y, origin))) > UNRELATED
    rest = (_beyond(x, origin), _beyond(y, origin)) if based and origin is not None else (x, y)
    if rest[0] is None or rest[1] is None:
        return None
    return Tested(pair, in_place(prepared(rest[0]), prepared(rest[1])), traced, based)


def _cosine(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(np.vdot(x, y)) / max(float(np.linalg.norm(x)) * float(np.linalg.norm(y)), 1e-300)


UNRELATED = 0.1
"""A base whose tensor is less alike to both than this is not what they started from, and changes nothing."""
ROUNDING = 2.0**-7
"""A remainder below this share of the base is a cast of the base (bfloat16 rounds by 2^-9), shared by all its casts."""


def _beyond(x: NDArray[np.float64], origin: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """What is left of x after its best multiple of the base; None if that is no more than rounding."""
    square = float(np.vdot(origin, origin))
    rest = x - origin * (float(np.vdot(origin, x)) / square if square > 0 else 0.0)
    return rest if float(np.linalg.norm(rest)) > ROUNDING * float(np.linalg.norm(x)) else None


def score(tested: list[Tested], alignment: Alignment, attempts: int, aside: int = thresholds.SET_ASIDE) -> float:
    """log10 p of an alignment: its tensors without the best, together or the best of the rest alone; corrected."""
    if len(tested) < 2:
        return 0.0
    parts = sorted((t.result for t in tested), key=lambda r: r.log10_p)[min(aside, len(tested) - 1) :]
    jointly = together(parts).log10_p
    alone = parts[0].log10_p + math.log10(len(tested))
    return min(0.0, min(jointly, alone) + log10_tries(alignment, attempts))


def log10_tries(alignment: Alignment, attempts: int) -> float:
    """log10 of how many chances a stranger had: two statistics, the alignments tried, the choices within this one; and
    all that twice, since units are also looked for in another order."""
    return math.log10(4 * attempts) + alignment.log10_tries
