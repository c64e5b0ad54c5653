"""Two weight files, tensor by tensor: which came from which, how much, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial

from whosenet import thresholds
from whosenet.structure.rearranged import Rearranged
from whosenet.types import Verdict
from whosenet.verify.align import speaking
from whosenet.verify.evidence import Evidence, Tested, evidence
from whosenet.verify.relation import relation
from whosenet.verify.reordered import Moved, Reordered, look, moved
from whosenet.verify.verdict import PART, equal, verdict
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
    aligned_by: str = "none"
    """How tensors were matched: name, content, none."""
    log10_tries: float = 0.0
    """The correction contained in log10_p: for the alignments and statistics there were to choose from."""

    @property
    def p_value(self) -> float:
        return float(10.0 ** max(self.log10_p, -300.0))


def compare(a: Weights, b: Weights, *, alpha: float = thresholds.ALPHA, base: Weights | None = None) -> Comparison:
    """Compare two models. `base`: a public model both may have started from; only what they share beyond it counts."""
    ours, mute = speaking(a)
    theirs, silent = speaking(b)
    e = evidence(ours, theirs, base, unreadable=max(_broken(a, mute), _broken(b, silent)))
    plain = _in_place(a, b, e, alpha, ours, theirs, silent, based=base is not None)
    if plain.verdict == "derived" or base is not None:
        return plain
    return _with(plain, look(ours, theirs, alpha), a, b, ours, theirs, silent)


def _in_place(a: Weights, b: Weights, e: Evidence, alpha: float, ours: list[Tensor], theirs: list[Tensor],
              silent: dict[str, str], *, based: bool) -> Comparison:  # fmt: skip
    """The answer if hidden units stand where they stood."""
    convicting = [t for t in e.pairs if t.convicts(len(e.pairs), alpha)]
    coverage = e.share(convicting, ours, theirs)
    changed = e.share([t for t in convicting if not equal(t)], ours, theirs)
    word, reason = verdict(e, alpha, max(coverage), max(changed), base=based)
    log10_p = e.log10_all if reason == PART else e.log10_p
    found = convicting if word == "derived" else []
    story = relation([t.traced for t in found], _lost(e.pairs, found, theirs), (a.format, b.format)) if found else []
    return Comparison(
        verdict=word,
        log10_p=log10_p,
        alpha=alpha,
        relation=story,
        coverage=coverage[1] if found else 0.0,
        tensors=_table(e.pairs, found, ours, theirs, silent),
        cosine=e.whole.cosine if e.whole else None,
        m_eff=e.whole.m_eff if e.whole else None,
        reason=reason,
        aligned_by=e.how,
        log10_tries=e.log10_tries,
    )


def _with(plain: Comparison, seen: Reordered, a: Weights, b: Weights, ours: list[Tensor], theirs: list[Tensor],
          silent: dict[str, str]) -> Comparison:  # fmt: skip
    """The answer once hidden units may have been re-ordered."""
    if seen.verdict == "derived":
        rows = [moved(seen.found.found[k]) for k in sorted(seen.found.linked)]
        return replace(
            plain, verdict="derived", reason=seen.reason, log10_p=seen.log10_p, coverage=seen.coverage[1],
            relation=story(rows, theirs, (a.format, b.format)), aligned_by="re-ordered",
            tensors=reordered_table(rows, seen.found, ours, theirs, silent),
        )  # fmt: skip
    log10_p = min(plain.log10_p, seen.log10_p)
    if seen.verdict == "inconclusive" and plain.verdict != "derived":
        return replace(plain, verdict="inconclusive", reason=seen.reason, log10_p=log10_p)
    doubt = plain.verdict == "independent" and log10_p <= math.log10(thresholds.INDEPENDENT_P)
    between = f"p-value between {plain.alpha:g} and {thresholds.INDEPENDENT_P}"
    if doubt:
        return replace(plain, verdict="inconclusive", reason=between, log10_p=log10_p)
    return replace(plain, log10_p=log10_p)


BROKEN = ("not finite", "an axis too long", "too many equal axes", "beyond the largest tensors")


def _broken(weights: Weights, reasons: dict[str, str]) -> float:
    """Share of the weights of two and more dimensions that could not be looked at."""
    whole = sum(t.elements for t in weights.tensors if t.trained and len(t.shape) > 1)
    return sum(t.elements for t in weights.tensors if reasons.get(t.name) in BROKEN) / max(whole, 1)


def _lost(pairs: list[Tested], found: list[Tested], theirs: list[Tensor]) -> int:
    """How many of B's tensors come from nowhere in A."""
    known = {t.pair.b.name for t in found} | {t.pair.b.name for t in pairs if t.traced.same_numbers}
    return sum(t.name not in known for t in theirs)


def _table(pairs: list[Tested], found: list[Tested], ours: list[Tensor], theirs: list[Tensor],
           silent: dict[str, str]) -> list[TensorMatch]:  # fmt: skip
    traced = {id(t) for t in found}
    rows = [
        TensorMatch(t.pair.a.name, t.pair.b.name, t.result.log10_p, t.traced.similarity,
                    t.traced.note if id(t) in traced or t.traced.same_numbers else "not traced")
        for t in pairs
    ]  # fmt: skip
    return rows + _lone(rows, ours, theirs, silent)


def _lone(rows: list[TensorMatch], ours: list[Tensor], theirs: list[Tensor],
          silent: dict[str, str]) -> list[TensorMatch]:  # fmt: skip
    lone = partial(TensorMatch, log10_p=None, similarity=None)
    used_a, used_b = {r.a for r in rows}, {r.b for r in rows}
    more = [lone(t.name, None, note="no counterpart in B") for t in ours if t.name not in used_a]
    more += [lone(None, t.name, note="no counterpart in A") for t in theirs if t.name not in used_b]
    return more + [lone(None, name, note=f"left out: {why}") for name, why in silent.items()]


def story(rows: list[Moved], theirs: list[Tensor], formats: tuple[str, str]) -> list[str]:
    """What was done to the model: re-ordered or rescaled first, then as in place."""
    words = [w for w in ("re-ordered", "rescaled") if any(w in r.changes for r in rows)]
    known = {r.matched.b.name for r in rows}
    more = relation([r.traced for r in rows], sum(t.name not in known for t in theirs), formats)
    return words + [w for w in more if w not in (*words, "re-save")]


def reordered_table(rows: list[Moved], found: Rearranged, ours: list[Tensor], theirs: list[Tensor],
                    silent: dict[str, str]) -> list[TensorMatch]:  # fmt: skip
    made = [TensorMatch(r.matched.a.name, r.matched.b.name, None, r.matched.matching.similarity, r.note) for r in rows]
    done = {r.a for r in made}
    made += [
        TensorMatch(m.a.name, m.b.name, None, m.matching.similarity, "not traced")
        for m in found.found
        if m.a.name not in done
    ]
    return made + _lone(made, ours, theirs, silent)
