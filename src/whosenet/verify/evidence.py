"""The tests behind a comparison: every alignment tried, each aligned pair tested in place, all corrected."""

from __future__ import annotations

import math
from dataclasses import dataclass

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

    def convicts(self, count: int, alpha: float) -> bool:
        """Whether this pair alone, of `count` looked at, is beyond chance."""
        return self.result.log10_p + math.log10(count) <= math.log10(alpha) or self.traced.change == "identical"


def evidence(ours: list[Tensor], theirs: list[Tensor], base: Weights | None) -> tuple[list[Tested], float]:
    """The aligned pairs of the alignment that says most, and its corrected log10 p (0 with no pairs)."""
    attempts = alignments(ours, theirs)
    tested = [test(attempt, base) for attempt in attempts]
    scored = [score(t, attempt, len(attempts)) for t, attempt in zip(tested, attempts, strict=True)]
    best = min(range(len(scored)), key=lambda i: scored[i], default=None)
    return ([], 0.0) if best is None else (tested[best], scored[best])


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
    rest = (x, y) if origin is None else (_beyond(x, origin), _beyond(y, origin))
    if rest[0] is None or rest[1] is None:
        return None
    return Tested(pair, in_place(prepared(rest[0]), prepared(rest[1])), traced)


ROUNDING = 2.0**-7
"""A remainder below this share of the base is a cast of the base (bfloat16 rounds by 2^-9), shared by all its casts."""


def _beyond(x: NDArray[np.float64], origin: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """What is left of x after its best multiple of the base; None if that is no more than rounding."""
    square = float(np.vdot(origin, origin))
    rest = x - origin * (float(np.vdot(origin, x)) / square if square > 0 else 0.0)
    return rest if float(np.linalg.norm(rest)) > ROUNDING * float(np.linalg.norm(x)) else None


def score(tested: list[Tested], alignment: Alignment, attempts: int) -> float:
    """log10 p of an alignment: all tensors together without the best one, or the second best alone; corrected."""
    if len(tested) < thresholds.MIN_TENSORS:
        return 0.0
    parts = sorted((t.result for t in tested), key=lambda r: r.log10_p)
    jointly = together(parts[1:]).log10_p
    alone = parts[1].log10_p + math.log10(len(parts))
    return min(0.0, min(jointly, alone) + math.log10(2 * attempts) + alignment.log10_tries)
