"""Two weight files, tensor by tensor: which came from which, how much, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from whosenet import thresholds
from whosenet.types import Verdict
from whosenet.verify.align import speaking
from whosenet.verify.evidence import Evidence, Tested, evidence
from whosenet.verify.reordered import Moved, Reordered, look
from whosenet.verify.rest import elsewhere, rest, rows_with, traced
from whosenet.verify.table import Both
from whosenet.verify.table import TensorMatch as TensorMatch
from whosenet.verify.verdict import CLEARED, CLEARED_REORDERED, LITTLE, PART, PUBLIC, equal, verdict
from whosenet.weights.base import Weights


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
    aligned_by: str = "none"
    """How tensors were matched: name, content, none."""
    log10_tries: float = 0.0
    """The correction contained in log10_p: for the alignments and statistics there were to choose from."""

    @property
    def p_value(self) -> float:
        return float(10.0 ** max(self.log10_p, -300.0))


def compare(a: Weights, b: Weights, *, alpha: float = thresholds.ALPHA, base: Weights | None = None) -> Comparison:
    """Compare two models. `base`: a public model both may have started from; only what they share beyond it counts.

    Units are compared in place first. Where that shows no descent (and no base ties units to places), they may have
    been re-ordered, rescaled or turned: then tensors that share no number must tell the same order.
    """
    ours, mute = speaking(a)
    theirs, silent = speaking(b)
    e = evidence(ours, theirs, base, unreadable=max(_broken(a, mute), _broken(b, silent)))
    both = Both(a, b, ours, theirs, silent)
    plain, found = _in_place(both, e, alpha, based=base is not None)
    if base is not None:
        return plain
    if plain.verdict == "derived" or plain.reason in (PUBLIC, LITTLE):
        more = rest(both, plain.tensors)
        if plain.verdict != "derived":  # the layer behind a flattening, often the largest, may just be stored as HWC
            plain, found = _in_place(both, e, alpha, based=False, more=elsewhere(more))
        if plain.verdict == "derived":
            return _completed(both, plain, found, more)
    return _reordered(both, plain, look(ours, theirs, alpha))


def _in_place(
    both: Both, e: Evidence, alpha: float, *, based: bool, more: Sequence[Moved] = ()
) -> tuple[Comparison, list[Tested]]:
    """The answer if hidden units stand where they stood, and the pairs that show it. `more`: in another order."""
    convicting = [t for t in e.pairs if t.convicts(len(e.pairs), alpha)]
    coverage = both.share(convicting, e)
    changed = both.share([t for t in convicting if not equal(t)], e)
    word, reason = verdict(e, alpha, _with(max(coverage), both, convicting, more), max(changed), base=based)
    found = convicting if word == "derived" else []
    rows, story = both.in_place(e.pairs, found)
    plain = Comparison(
        verdict=word,
        log10_p=e.log10_all if reason == PART else e.log10_p,
        alpha=alpha,
        relation=story,
        coverage=coverage[1] if found else 0.0,
        tensors=rows,
        cosine=e.whole.cosine if e.whole else None,
        m_eff=e.whole.m_eff if e.whole else None,
        reason=reason,
        aligned_by=e.how,
        log10_tries=e.log10_tries,
    )
    return plain, found


def _with(coverage: float, both: Both, convicting: list[Tested], more: Sequence[Moved]) -> float:
    """The share traced with the layers that are equal in another order, if only equal ones may convict then, too."""
    moves = {m.matched.b.name for m in more}
    names = moves | {t.pair.b.name for t in convicting}
    share = sum(t.elements for t in both.theirs if t.name in names) / max(sum(t.elements for t in both.theirs), 1)
    return max(coverage, share) if moves and share >= thresholds.MIN_COVERAGE_EQUAL else coverage


def _completed(both: Both, plain: Comparison, found: list[Tested], more: list[Moved]) -> Comparison:
    """With the layers that stand in another order than the rest."""
    if not more:
        return plain
    rows = rows_with(plain.tensors, more)
    known, whole = traced(rows), max(sum(t.elements for t in both.theirs), 1)
    moves = {m.matched.a.name: m for m in more}
    traces = [t.traced for t in found if t.pair.a.name not in moves] + [m.traced for m in more]
    said = [w for w in ("re-ordered", "widened") if any(w in m.changes for m in more)]
    story = both.story(traces, known, "folded" in plain.relation)
    return replace(
        plain,
        tensors=rows,
        coverage=sum(t.elements for t in both.theirs if t.name in known) / whole,
        relation=[w for w in story if w != "re-save"] + said,
    )


def _reordered(both: Both, plain: Comparison, seen: Reordered) -> Comparison:
    """The answer once hidden units may have been re-ordered; `plain` is that of the test in place."""
    log10_p = min(plain.log10_p, seen.log10_p)
    if seen.verdict == "derived":
        rows, story = both.reordered(seen.found)
        return replace(
            plain, verdict="derived", reason=seen.reason, log10_p=seen.log10_p, coverage=seen.coverage[1],
            relation=story, aligned_by="re-ordered", tensors=rows,
        )  # fmt: skip
    if seen.verdict == "inconclusive":
        return replace(plain, verdict="inconclusive", reason=seen.reason, log10_p=log10_p)
    if plain.verdict == "independent" and log10_p <= math.log10(thresholds.INDEPENDENT_P):
        between = f"p-value between {plain.alpha:g} and {thresholds.INDEPENDENT_P}"
        return replace(plain, verdict="inconclusive", reason=between, log10_p=log10_p)
    reason = CLEARED_REORDERED if plain.reason == CLEARED and seen.power <= math.log10(plain.alpha) else plain.reason
    return replace(plain, log10_p=log10_p, reason=reason)


BROKEN = ("not finite", "an axis too long", "too many equal axes", "beyond the largest tensors")


def _broken(weights: Weights, reasons: dict[str, str]) -> float:
    """Share of the weights of two and more dimensions that could not be looked at."""
    whole = sum(t.elements for t in weights.tensors if t.trained and len(t.shape) > 1)
    return sum(t.elements for t in weights.tensors if reasons.get(t.name) in BROKEN) / max(whole, 1)
