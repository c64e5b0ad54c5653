"""Two weight files, tensor by tensor: which came from which, how much, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from whosenet import thresholds
from whosenet.hashes.chance import log10_p_cosine
from whosenet.types import Verdict
from whosenet.verify.align import Alignment, Pair, by_content, by_name, speaking
from whosenet.verify.inplace import InPlace, in_place, prepared, together
from whosenet.verify.relation import Traced, relation, trace
from whosenet.verify.values import values
from whosenet.weights.base import Tensor, Weights


@dataclass(frozen=True)
class TensorMatch:
    """One row of the table. `a` or `b` is None for a tensor without a counterpart."""

    a: str | None
    b: str | None
    log10_p: float | None
    """For this tensor alone, before any correction."""
    similarity: float | None
    """Pearson correlation of the aligned numbers, -1..1."""
    note: str


@dataclass(frozen=True)
class Comparison:
    """p_value: the chance of as much in-place agreement between independently initialised models.

    Assumes that hidden units are exchangeable at initialisation and, beyond what permutations can resolve, that a
    stranger's centred weights point in a random direction of m_eff dimensions. Corrected for every alignment tried; the
    single best-matching tensor is set aside, so that one fixed basis nobody trained cannot accuse.
    """

    verdict: Verdict
    log10_p: float
    alpha: float
    relation: list[str]
    coverage: float
    """Share of B's weights traced to A, 0..1."""
    tensors: list[TensorMatch] = field(repr=False)
    cosine: float | None
    m_eff: float | None
    reason: str

    @property
    def p_value(self) -> float:
        return float(10.0**self.log10_p)


@dataclass(frozen=True)
class _Tested:
    pair: Pair
    result: InPlace
    traced: Traced


def compare(a: Weights, b: Weights, *, alpha: float = thresholds.ALPHA, base: Weights | None = None) -> Comparison:
    """Compare two models. `base`: a public model both may have started from; only what they share beyond it counts."""
    ours, _ = speaking(a)
    theirs, silent = speaking(b)
    attempts = _alignments(ours, theirs)
    tested = [_test(attempt, base) for attempt in attempts]
    scored = [_score(t, attempt, len(attempts)) for t, attempt in zip(tested, attempts, strict=True)]
    best = min(range(len(scored)), key=lambda i: scored[i]) if scored else None
    pairs = tested[best] if best is not None else []
    log10_p = scored[best] if best is not None else 0.0
    whole = together([t.result for t in pairs]) if pairs else None
    verdict, reason = _verdict(pairs, log10_p, whole, alpha, _share(pairs, ours, theirs))
    found = [t for t in pairs if _convicts(t, len(pairs), alpha)] if verdict == "derived" else []
    return Comparison(
        verdict=verdict,
        log10_p=log10_p,
        alpha=alpha,
        relation=relation([t.traced for t in found], pairs_all=[t.traced for t in pairs], formats=(a.format, b.format))
        if found
        else [],
        coverage=sum(t.pair.b.elements for t in found) / max(1, sum(t.elements for t in theirs)),
        tensors=_table(pairs, found, ours, theirs, silent),
        cosine=whole.cosine if whole else None,
        m_eff=whole.m_eff if whole else None,
        reason=reason,
    )


def _alignments(ours: list[Tensor], theirs: list[Tensor]) -> list[Alignment]:
    """By name where all of the smaller side's names agree, and by content unless that is the same alignment."""
    named, content = by_name(ours, theirs), by_content(ours, theirs)
    if not named.pairs or len(named.pairs) < len(content.pairs):
        return [content] if content.pairs else []
    same = {(p.a.name, p.b.name, p.order) for p in named.pairs} == {
        (p.a.name, p.b.name, p.order) for p in content.pairs
    }
    return [named] if same else [named, content]


def _test(alignment: Alignment, base: Weights | None) -> list[_Tested]:
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


def _test_pair(pair: Pair, origin: NDArray[np.float64] | None) -> _Tested | None:
    x, y = values(pair.a), values(pair.b).transpose(pair.order)
    traced = trace(pair, x, y)
    rest = (x, y) if origin is None else (_beyond(x, origin), _beyond(y, origin))
    if rest[0] is None or rest[1] is None:
        return None
    return _Tested(pair, in_place(prepared(rest[0]), prepared(rest[1])), traced)


ROUNDING = 2.0**-7
"""A remainder below this share of the base is a cast of the base (bfloat16 rounds by 2^-9), shared by all its casts."""


def _beyond(x: NDArray[np.float64], origin: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """What is left of x after its best multiple of the base; None if that is no more than rounding."""
    square = float(np.vdot(origin, origin))
    rest = x - origin * (float(np.vdot(origin, x)) / square if square > 0 else 0.0)
    return rest if float(np.linalg.norm(rest)) > ROUNDING * float(np.linalg.norm(x)) else None


def _score(tested: list[_Tested], alignment: Alignment, attempts: int) -> float:
    """log10 p of an alignment: all tensors together without the best one, or the second best alone; corrected."""
    if len(tested) < thresholds.MIN_TENSORS:
        return 0.0
    parts = sorted((t.result for t in tested), key=lambda r: r.log10_p)
    jointly = together(parts[1:]).log10_p
    alone = parts[1].log10_p + math.log10(len(parts))
    return min(0.0, min(jointly, alone) + math.log10(2 * attempts) + alignment.log10_tries)


def _share(pairs: list[_Tested], ours: list[Tensor], theirs: list[Tensor]) -> float:
    """The smaller of the two models' shares of weights that have a counterpart of the same shape."""
    sides = ((sum(t.pair.a.elements for t in pairs), ours), (sum(t.pair.b.elements for t in pairs), theirs))
    return min(matched / max(1, sum(t.elements for t in all_)) for matched, all_ in sides)


def _verdict(
    pairs: list[_Tested], log10_p: float, whole: InPlace | None, alpha: float, share: float
) -> tuple[Verdict, str]:
    if whole is None:
        return "inconclusive", "no trained tensor of one has the shape of one of the other"
    if len(pairs) < thresholds.MIN_TENSORS:
        return "inconclusive", "only one tensor in common; one alone never convicts nor clears"
    if log10_p <= math.log10(alpha):
        return "derived", "units agree in place beyond chance"
    if log10_p <= math.log10(thresholds.INDEPENDENT_P):
        return "inconclusive", f"p-value between {alpha:g} and {thresholds.INDEPENDENT_P}"
    if share < thresholds.MATCHED_SHARE:
        return "inconclusive", f"only {share:.0%} of the weights have a counterpart of the same shape"
    if power(whole.m_eff, alpha) < thresholds.POWER:
        return "inconclusive", "too few weights to have found the weakest listed edit for sure"
    return "independent", "units agree in place no more than by chance, and a copy would have shown"


def power(m_eff: float, alpha: float) -> float:
    """Chance that the weakest listed edit passes alpha: its cosine scatters by about 1 / sqrt(m_eff)."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if log10_p_cosine(middle, m_eff) > math.log10(alpha) else (low, middle)
    z = (thresholds.WEAKEST_COSINE - high) * math.sqrt(m_eff)
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _convicts(tested: _Tested, count: int, alpha: float) -> bool:
    return tested.result.log10_p + math.log10(count) <= math.log10(alpha) or tested.traced.identical


def _table(pairs: list[_Tested], found: list[_Tested], ours: list[Tensor], theirs: list[Tensor],
           silent: dict[str, str]) -> list[TensorMatch]:  # fmt: skip
    traced = {id(t) for t in found}
    rows = [
        TensorMatch(t.pair.a.name, t.pair.b.name, t.result.log10_p, t.traced.similarity,
                    t.traced.note if id(t) in traced else "not traced")
        for t in pairs
    ]  # fmt: skip
    lone = partial(TensorMatch, log10_p=None, similarity=None)
    used_a, used_b = {t.pair.a.name for t in pairs}, {t.pair.b.name for t in pairs}
    rows += [lone(t.name, None, note="no counterpart in B") for t in ours if t.name not in used_a]
    rows += [lone(None, t.name, note="no counterpart in A") for t in theirs if t.name not in used_b]
    return rows + [lone(None, name, note=f"left out: {why}") for name, why in silent.items()]
